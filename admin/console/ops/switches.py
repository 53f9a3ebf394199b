"""/ops/switches: what is stopped and what could be, with what that would touch shown before it is confirmed."""

from aiohttp import web

from admin.api.ops_switches import SwitchesQuery, get_switches
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route
from server.stores import blast_radius
from server.stores.db import reading


async def get_switches_page(call: Call) -> web.Response:
    """Every switch, and all words on them."""
    flips = call.who.may(May.FLIP_SWITCHES)
    async with reading(call.shell.engine) as conn:
        running = await blast_radius.running_tests(conn) if flips else []
    return ops_page(call, "ops/switches.html", told=await get_switches(call), flips=flips, running=running)


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/switches", handler=get_switches_page, summary="Switches",
          auth=May.SEE_OPERATIONS.value, query=SwitchesQuery, media="text/html"),
)  # fmt: skip

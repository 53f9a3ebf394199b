"""/ops/me: one's own account: password, second factor, open sessions."""

from aiohttp import web

from admin.api.ops_people import get_me
from admin.console.ops.page import ops_page
from admin.console.ops.staff import role_words
from admin.passwords import LEAST_CHARS
from admin.roles import May
from server.edge.wire import Call, Route


async def get_me_page(call: Call) -> web.Response:
    """One's own account, and what must be done first."""
    return ops_page(
        call, "ops/me.html", me=await get_me(call), first=call.who.first, least=LEAST_CHARS, role_words=role_words(call)
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/me", handler=get_me_page, summary="My account", auth=May.ANYONE_SIGNED_IN.value,
          media="text/html"),
)  # fmt: skip

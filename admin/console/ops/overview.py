"""/ops: where an operator lands."""

from aiohttp import web

from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route


async def get_overview(call: Call) -> web.Response:
    """The sections that are this person's work."""
    return ops_page(call, "ops/overview.html")


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops", handler=get_overview, summary="Overview", auth=May.SEE_OPERATIONS.value,
          media="text/html"),
)  # fmt: skip

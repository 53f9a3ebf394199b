"""/ops: where an operator lands: the dashboard, which renews itself."""

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from admin.api.ops_dashboard import SHOWN, dashboard
from admin.console.ops.page import ops_page
from admin.console.pages import render
from admin.roles import May
from server.edge.wire import Call, Route
from server.jobs.watch_votes import minute_of

_HEIGHT = 88.0


def bars_of(minutes: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The chart of the last hour: for each minute with votes two bars, one of all votes and one of the valid ones."""
    most = max((each["votes"] for each in minutes), default=0)
    first = minute_of(now) - SHOWN
    bars = []
    for each in minutes:
        place = (datetime.fromisoformat(each["minute"]) - first) // timedelta(minutes=1)
        for kind, many in (("other", each["votes"]), ("valid", each["valid"])):
            height = round(_HEIGHT * many / most, 1)
            bars.append({"x": round(place * 9.8, 1), "y": round(90 - height, 1), "height": height, "kind": kind})
    return bars


async def get_overview(call: Call) -> web.Response:
    """The dashboard."""
    seen = await dashboard(call)
    return ops_page(call, "ops/overview.html", seen=seen, bars=bars_of(seen["votes"]["minutes"], call.now))


async def get_live(call: Call) -> web.Response:
    """The part of the dashboard that is renewed."""
    seen = await dashboard(call)
    return render(call, "ops/dashboard_part.html", seen=seen, bars=bars_of(seen["votes"]["minutes"], call.now))


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops", handler=get_overview, summary="Overview", auth=May.SEE_OPERATIONS.value,
          media="text/html"),
    Route(method="GET", path="/ops/live", handler=get_live, summary="Overview, the part that renews itself",
          auth=May.SEE_OPERATIONS.value, media="text/html"),
)  # fmt: skip

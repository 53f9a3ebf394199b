"""/ops/prizes: boxes in stock against what is promised, by variety, and by region and week."""

from aiohttp import web

from admin.api import ops_prizes as api
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route, wants_english


async def get_prizes_page(call: Call) -> web.Response:
    """Stock against liability, and the stock itself."""
    english = wants_english(call.request)
    prizes = await api.get_prizes(call)
    return ops_page(
        call,
        "ops/prizes.html",
        prizes=prizes,
        found=await api.get_stock(call),
        names={one["code"]: one["name_en"] if english else one["name_zh"] for one in prizes["varieties"]},
        may_change=call.who.may(May.MOVE_PRIZES),
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/prizes", handler=get_prizes_page, summary="Prizes", auth=May.SEE_PRIZES.value,
          query=api.StockQuery, media="text/html"),
)  # fmt: skip

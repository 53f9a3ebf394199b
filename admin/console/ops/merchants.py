"""/ops/merchants: whom the programme works for: their people, keys, links, tests and balance."""

from aiohttp import web

from admin.api.ops_merchants import MerchantsQuery, get_merchant, get_merchants
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route, rfc3339


async def get_merchants_page(call: Call) -> web.Response:
    """Merchants, newest first."""
    told = await get_merchants(call)
    return ops_page(call, "ops/merchants.html", told=told, may_manage=call.who.may(May.MANAGE_MERCHANTS))


async def get_merchant_page(call: Call) -> web.Response:
    """One merchant."""
    return ops_page(
        call,
        "ops/merchant.html",
        merchant=await get_merchant(call),
        now=rfc3339(call.now),
        may_manage=call.who.may(May.MANAGE_MERCHANTS) and call.who.user_id is not None,
        may_players=call.who.may(May.SEE_PLAYERS),
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/merchants", handler=get_merchants_page, summary="Merchants",
          auth=May.SEE_MERCHANTS.value, query=MerchantsQuery, media="text/html"),
    Route(method="GET", path="/ops/merchants/{merchant_id}", handler=get_merchant_page, summary="A merchant",
          auth=May.SEE_MERCHANTS.value, media="text/html"),
)  # fmt: skip

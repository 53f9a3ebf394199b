"""/ops/orders: fulfilment: orders with filters, one order's story, a carrier's file, labels, and reports of damage."""

from typing import Any

from aiohttp import web

from admin.api import ops_orders as api
from admin.console.ops.money_words import DAMAGE_STATES, MOVERS, ORDER_STATES, in_language
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route, wants_english
from server.stores import economies
from server.stores.db import reading


async def _page(call: Call, template: str, **values: Any) -> web.Response:
    english = wants_english(call.request)
    async with reading(call.shell.engine) as conn:
        varieties = (await economies.latest(conn)).economy.varieties
    return ops_page(
        call,
        template,
        may_change=call.who.may(May.MOVE_PRIZES),
        may_see_players=call.who.may(May.SEE_PLAYERS),
        may_see_addresses=call.who.may(May.SEE_ADDRESSES),
        states=in_language(ORDER_STATES, english=english),
        damage_states=in_language(DAMAGE_STATES, english=english),
        movers=in_language(MOVERS, english=english),
        names={one.code: one.name_en if english else one.name_zh for one in varieties},
        **values,
    )


async def get_orders_page(call: Call) -> web.Response:
    """Orders, oldest first."""
    return await _page(call, "ops/orders.html", found=await api.get_orders(call))


async def get_order_page(call: Call) -> web.Response:
    """One order's story, and where it can be moved."""
    return await _page(call, "ops/order.html", order=await api.get_order(call))


async def get_damage_page(call: Call) -> web.Response:
    """Reports of damage, oldest first."""
    return await _page(call, "ops/damage.html", found=await api.get_damage(call))


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/orders", handler=get_orders_page, summary="Orders", auth=May.SEE_PRIZES.value,
          query=api.OrdersQuery, media="text/html"),
    Route(method="GET", path="/ops/orders/damage", handler=get_damage_page, summary="Reports of damage",
          auth=May.SEE_PRIZES.value, query=api.DamageQuery, media="text/html"),
    Route(method="GET", path="/ops/orders/{order_id}", handler=get_order_page, summary="An order",
          auth=May.SEE_PRIZES.value, media="text/html"),
)  # fmt: skip

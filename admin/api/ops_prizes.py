"""Prizes: boxes in stock by variety, region and week, against what is promised and owed."""

import re
from datetime import date
from typing import Annotated, Any

import pydantic

from admin.api.ops_pages import WRITES, Cursor, Limit, Reason, pack, unpack
from admin.roles import May
from rewards.days import day_of
from rewards.prizes import EVERYWHERE, Stock, week_of
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire
from server.flows.change_stock import change_stock
from server.stores import economies, stock
from server.stores.db import reading, transaction

SEE, MOVE = May.SEE_PRIZES.value, May.MOVE_PRIZES.value
MOST_BOXES = 1_000_000


def _a_week(text: str) -> str:
    """An ISO week that exists."""
    if not re.fullmatch(r"[0-9]{4}-W[0-9]{2}", text):
        raise ValueError("a week looks like 2026-W48")
    date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
    return text


Week = Annotated[str, pydantic.AfterValidator(_a_week)]


class StockQuery(Wire):
    """Which page of stock: of this variety, region, and from this week on (this one, unless told)."""

    variety: str = pydantic.Field(default="", max_length=30)
    region: str = pydantic.Field(default="", max_length=40)
    week: Week | str = pydantic.Field(default="", max_length=8, pattern=r"^$|^[0-9]{4}-W[0-9]{2}$")
    cursor: Cursor = None
    limit: Limit = 50


class StockBody(Wire):
    """Boxes to add to a stock, or (below zero) to withdraw from it. The region `*` is everywhere."""

    variety: str = pydantic.Field(min_length=1, max_length=30)
    region: str = pydantic.Field(default=EVERYWHERE, min_length=1, max_length=40)
    week: Week
    boxes: int = pydantic.Field(ge=-MOST_BOXES, le=MOST_BOXES)
    reason: Reason


class StockReply(Reply):
    """Boxes of one variety for one region in one week."""

    variety: str
    region: str
    week: str
    boxes: int
    taken: int
    free: int


class StocksReply(Reply):
    """A page of stock, by week."""

    stock: list[StockReply]
    next: str | None


class VarietyStockReply(Reply):
    """A variety from this week on: boxes free and set aside, orders that wait, and what growing trees may ask for."""

    code: str
    name_zh: str
    name_en: str
    boxes: int
    free: int
    set_aside: int
    waiting: int
    growing: int
    growing_boxes: int
    liability_fen: int
    short: int


class PrizesReply(Reply):
    """Stock against liability, by variety. `short`: boxes that promised fruit needs and that nobody has bought."""

    week: str
    varieties: list[VarietyStockReply]


def _stock(one: Stock) -> dict[str, Any]:
    return {
        "variety": one.variety, "region": one.region, "week": one.week, "boxes": one.boxes, "taken": one.taken,
        "free": one.free,
    }  # fmt: skip


async def get_stock(call: Call) -> dict[str, Any]:
    """Stock by week, variety and region."""
    key = unpack(call.query.cursor, str, str, str)
    async with reading(call.shell.engine) as conn:
        found = await stock.page(
            conn, from_week=call.query.week or week_of(day_of(call.now)), variety=call.query.variety,
            region=call.query.region.strip(), after=(key[0], key[1], key[2]) if key else None,
            limit=call.query.limit + 1,
        )  # fmt: skip
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    last = shown[-1] if more else None
    return {
        "stock": [_stock(one) for one in shown],
        "next": pack(last.week, last.variety, last.region) if last else None,
    }


async def post_stock(call: Call) -> dict[str, Any]:
    """Add boxes, or withdraw some that nobody was promised."""
    body = call.body
    async with transaction(call.shell.engine) as conn:
        after = await change_stock(
            conn, variety=body.variety, region=body.region.strip() or EVERYWHERE, week=body.week, by=body.boxes,
            who=call.who.name, why=body.reason.strip(), economy=(await economies.latest(conn)).economy, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return _stock(after)


async def get_prizes(call: Call) -> dict[str, Any]:
    """Each variety's stock against what players were promised."""
    week = week_of(day_of(call.now))
    async with reading(call.shell.engine) as conn:
        varieties = (await economies.latest(conn)).economy.varieties
        there = {one.variety: one for one in await stock.by_variety(conn, [v.code for v in varieties], from_week=week)}
        growing = await stock.growing(conn)
    shown = []
    for variety in varieties:
        one, tree = there[variety.code], growing.get(variety.code)
        boxes = tree.boxes if tree else 0
        shown.append(
            {
                "code": variety.code,
                "name_zh": variety.name_zh,
                "name_en": variety.name_en,
                "boxes": one.boxes,
                "free": one.free,
                "set_aside": one.set_aside,
                "waiting": one.waiting,
                "growing": tree.trees if tree else 0,
                "growing_boxes": boxes,
                "liability_fen": tree.liability_fen if tree else 0,
                "short": max(0, boxes + one.ordered_next + one.waiting - one.free - one.set_aside),
            }
        )
    return {"week": week, "varieties": shown}


ROUTES = (
    Route(method="GET", path="/v1/ops/prizes", handler=get_prizes, summary="Stock against liability", auth=SEE,
          reply=PrizesReply, problems=(401, 403, 503)),
    Route(method="GET", path="/v1/ops/prizes/stock", handler=get_stock, summary="Stock", auth=SEE, query=StockQuery,
          reply=StocksReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path="/v1/ops/prizes/stock", handler=post_stock, summary="Add or withdraw boxes", auth=MOVE,
          body=StockBody, reply=StockReply, problems=WRITES, idempotent=True),
)  # fmt: skip

"""Add boxes of a fruit to stock, or withdraw some that nobody was promised."""

from datetime import datetime

from rewards.economy import Economy
from rewards.errors import NothingChanged, StockPromised
from rewards.farm import variety_of
from rewards.prizes import Stock
from server.stores import audit, stock
from server.stores.db import AsyncConnection


async def change_stock(
    conn: AsyncConnection,
    *,
    variety: str,
    region: str,
    week: str,
    by: int,
    who: str,
    why: str,
    economy: Economy,
    now: datetime,
    request_id: str = "",
) -> Stock:
    """The stock as it is then. Raises `UnknownVariety`, `NothingChanged` (by none), and `StockPromised` for too many."""
    variety_of(variety, economy)
    if by == 0:
        raise NothingChanged()
    after = await stock.change_boxes(conn, variety=variety, region=region, week=week, by=by)
    if after is None:
        there = await stock.find(conn, variety=variety, region=region, week=week)
        boxes, taken = (there.boxes, there.taken) if there else (0, 0)
        raise StockPromised(taken=taken, boxes=boxes, free=boxes - taken)
    await audit.write(
        conn,
        who=who,
        what="stock.add" if by > 0 else "stock.withdraw",
        object_id=f"{variety}/{region}/{week}",
        before={"boxes": after.boxes - by},
        after={"boxes": after.boxes, "taken": after.taken},
        why=why,
        now=now,
        request_id=request_id,
    )
    return after

"""Stock as the office sees it: boxes by variety, region and week, against what is promised and what waits.

Race settled here: a withdrawal while a box is being taken. Both are conditional updates of the stock's row, so that no
promised box is ever withdrawn.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.prizes import Stock
from server.stores.db import metadata
from server.stores.prizes import prize_boxes, prize_stock


async def change_boxes(conn: AsyncConnection, *, variety: str, region: str, week: str, by: int) -> Stock | None:
    """Add boxes (or withdraw them, `by` below zero); None when fewer would be left than are taken."""
    if by >= 0:
        await conn.execute(
            sa.text(
                "insert into prize_stock (variety, region, week, boxes) values (:variety, :region, :week, 0) "
                "on conflict do nothing"
            ),
            {"variety": variety, "region": region, "week": week},
        )
    row = (
        await conn.execute(
            sa.update(prize_stock)
            .where(
                prize_stock.c.variety == variety,
                prize_stock.c.region == region,
                prize_stock.c.week == week,
                prize_stock.c.boxes + by >= prize_stock.c.taken,
            )
            .values(boxes=prize_stock.c.boxes + by)
            .returning(prize_stock)
        )
    ).one_or_none()
    return Stock(**row._asdict()) if row else None


async def find(conn: AsyncConnection, *, variety: str, region: str, week: str) -> Stock | None:
    """One stock."""
    row = (
        await conn.execute(
            sa.select(prize_stock).where(
                prize_stock.c.variety == variety, prize_stock.c.region == region, prize_stock.c.week == week
            )
        )
    ).one_or_none()
    return Stock(**row._asdict()) if row else None


_PLACE = (prize_stock.c.week, prize_stock.c.variety, prize_stock.c.region)
sa.Index("ix_prize_stock_week", *_PLACE)
sa.Index(
    "ix_prize_boxes_set_aside",
    prize_boxes.c.variety,
    postgresql_where=sa.and_(prize_boxes.c.given_back_at.is_(None), prize_boxes.c.gone_at.is_(None)),
)


async def page(
    conn: AsyncConnection,
    *,
    from_week: str = "",
    variety: str = "",
    region: str = "",
    after: tuple[str, str, str] | None = None,
    limit: int = 50,
) -> list[Stock]:
    """Stock by week, variety and region, from after the key `after`."""
    query = sa.select(prize_stock).order_by(*_PLACE).limit(limit)
    if from_week:
        query = query.where(prize_stock.c.week >= from_week)
    if variety:
        query = query.where(prize_stock.c.variety == variety)
    if region:
        query = query.where(prize_stock.c.region == region)
    if after is not None:
        query = query.where(sa.tuple_(*_PLACE) > sa.tuple_(*map(sa.literal, after)))
    return [Stock(**row._asdict()) for row in await conn.execute(query)]


@dataclass(frozen=True, slots=True)
class VarietyStock:
    """A variety's boxes from this week on, those set aside, orders that hold one, and orders that wait for one."""

    variety: str
    boxes: int
    free: int
    set_aside: int
    ordered_next: int
    waiting: int


_VARIETIES = """
select v.variety, coalesce(s.boxes, 0)::bigint as boxes, coalesce(s.free, 0)::bigint as free,
       (select count(*) from prize_boxes b where b.variety = v.variety and b.given_back_at is null and b.gone_at is null)
           as set_aside,
       (select count(*) from fulfilment_orders o where o.state in ('address_needed', 'pending')
        and o.variety = v.variety) as ordered_next,
       (select count(*) from fulfilment_orders o where o.state = 'back_ordered' and o.variety = v.variety) as waiting
from unnest(cast(:varieties as text[])) with ordinality as v(variety, place)
left join (select variety, sum(boxes) as boxes, sum(boxes - taken) as free from prize_stock where week >= :week
           group by variety) s using (variety)
order by v.place
"""


async def by_variety(conn: AsyncConnection, varieties: list[str], *, from_week: str) -> list[VarietyStock]:
    """Each of these varieties as it stands."""
    rows = await conn.execute(sa.text(_VARIETIES), {"varieties": varieties, "week": from_week})
    return [VarietyStock(*row) for row in rows]


prize_liability = sa.Table(
    "prize_liability",
    metadata,
    # An opinion: recomputed from the trees every few minutes, since going over all of them takes too long for a page.
    sa.Column("variety", sa.Text, primary_key=True),
    sa.Column("trees", sa.BigInteger, nullable=False),
    sa.Column("applied_g", sa.BigInteger, nullable=False),
    sa.Column("boxes", sa.BigInteger, nullable=False),
    sa.Column("liability_fen", sa.BigInteger, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Growing:
    """Trees of one variety that were not harvested: grams in them, what those cost, and boxes that they are worth."""

    trees: int
    applied_g: int
    boxes: int
    liability_fen: int
    at: datetime


_MEASURE = """
with by_terms as (
    select t.terms->>'variety' as variety, (t.terms->>'box_g')::bigint as box_g,
           (t.terms->>'box_cost_fen')::bigint as box_cost_fen, count(*) as trees, sum(t.applied_g) as applied_g
    from trees t
    where exists (select 1 from tree_members m where m.tree_id = t.tree_id and m.harvested_at is null)
    group by 1, 2, 3
), measured as (
    select variety, sum(trees) as trees, sum(applied_g) as applied_g, sum(ceil(applied_g / box_g::numeric)) as boxes,
           sum(ceil(applied_g * box_cost_fen / box_g::numeric)) as liability_fen
    from by_terms group by variety
), gone as (
    delete from prize_liability where variety not in (select variety from measured)
)
insert into prize_liability (variety, trees, applied_g, boxes, liability_fen, at)
select variety, trees, applied_g, boxes, liability_fen, :now from measured
on conflict (variety) do update set trees = excluded.trees, applied_g = excluded.applied_g, boxes = excluded.boxes,
    liability_fen = excluded.liability_fen, at = excluded.at
"""


async def measure_growing(conn: AsyncConnection, *, now: datetime) -> None:
    """Go over all growing trees and write what they are worth, by variety. It takes seconds where there are millions."""
    await conn.execute(sa.text(_MEASURE), {"now": now})


async def growing(conn: AsyncConnection) -> dict[str, Growing]:
    """What growing trees were worth when they were last gone over, by variety."""
    rows = await conn.execute(sa.select(prize_liability))
    return {row.variety: Growing(row.trees, row.applied_g, row.boxes, row.liability_fen, row.at) for row in rows}

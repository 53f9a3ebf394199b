"""Orders as fulfilment sees them: pages by state, variety, region and age, their history, labels and damage.

Nothing is written here: an order is moved by `server.stores.prizes`. Ids of orders begin with the moment at which they were
made, so that they are both the order of age and the key of a page.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.prizes import DamageReport, DamageState, FulfilmentOrder, OrderState
from server.stores.prizes import damage_reports, fulfilment_orders, order_addresses, order_moves, order_of, report_of

sa.Index("ix_fulfilment_orders_variety", fulfilment_orders.c.variety, fulfilment_orders.c.order_id)
sa.Index("ix_fulfilment_orders_region", fulfilment_orders.c.stock_region, fulfilment_orders.c.order_id)
sa.Index(
    "ix_fulfilment_orders_state_variety",
    fulfilment_orders.c.state,
    fulfilment_orders.c.variety,
    fulfilment_orders.c.order_id,
)
sa.Index("ix_damage_reports_state", damage_reports.c.state, damage_reports.c.report_id)


async def page(
    conn: AsyncConnection,
    *,
    state: OrderState | None = None,
    variety: str = "",
    region: str = "",
    made_before: datetime | None = None,
    player_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[FulfilmentOrder]:
    """Orders, oldest first, from after the order `after`."""
    orders = fulfilment_orders.c
    query = sa.select(fulfilment_orders).order_by(orders.order_id).limit(limit)
    if state is not None:
        query = query.where(orders.state == state.value)
    if variety:
        query = query.where(orders.variety == variety)
    if region:
        query = query.where(orders.stock_region == region)
    if player_id is not None:
        query = query.where(orders.player_id == player_id)
    if made_before is not None:
        # By the id, whose first 48 bits are milliseconds: the page's own key bounds it, and no other index is needed.
        query = query.where(orders.order_id < UUID(int=int(made_before.timestamp() * 1000) << 80))
    if after is not None:
        query = query.where(orders.order_id > after)
    return [order_of(row) for row in await conn.execute(query)]


@dataclass(frozen=True, slots=True)
class OrderMove:
    """One line of an order's history."""

    from_state: str
    to_state: str
    mover: str
    who: str
    note: str
    at: datetime


async def history(conn: AsyncConnection, order_id: UUID) -> list[OrderMove]:
    """What was done with an order, oldest first."""
    moves = order_moves.c
    rows = await conn.execute(
        sa.select(moves.from_state, moves.to_state, moves.mover, moves.who, moves.note, moves.at)
        .where(moves.order_id == order_id)
        .order_by(moves.move_id)
    )
    return [OrderMove(*row) for row in rows]


async def labels(
    conn: AsyncConnection, *, after: UUID | None = None, limit: int = 1000
) -> list[tuple[FulfilmentOrder, bytes | None]]:
    """Ordered boxes with their sealed addresses, oldest first: what the labels of a day are made of."""
    query = (
        sa.select(fulfilment_orders, order_addresses.c.sealed)
        .outerjoin(order_addresses, order_addresses.c.order_id == fulfilment_orders.c.order_id)
        .where(fulfilment_orders.c.state == OrderState.ORDERED.value)
        .order_by(fulfilment_orders.c.order_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(fulfilment_orders.c.order_id > after)
    return [(order_of(row), row.sealed) for row in await conn.execute(query)]


@dataclass(frozen=True, slots=True)
class Damage:
    """A report of damage with the order that it is about."""

    report: DamageReport
    variety: str
    order_state: str
    tracking_no: str | None


async def damage_page(
    conn: AsyncConnection,
    *,
    state: DamageState | None = None,
    order_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Damage]:
    """Reports of damage, oldest first, from after the report `after`."""
    query = (
        sa.select(
            damage_reports,
            fulfilment_orders.c.variety,
            fulfilment_orders.c.state.label("order_state"),
            fulfilment_orders.c.tracking_no,
        )
        .join(fulfilment_orders, fulfilment_orders.c.order_id == damage_reports.c.order_id)
        .order_by(damage_reports.c.report_id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(damage_reports.c.state == state.value)
    if order_id is not None:
        query = query.where(damage_reports.c.order_id == order_id)
    if after is not None:
        query = query.where(damage_reports.c.report_id > after)
    rows: list[Any] = list(await conn.execute(query))
    return [Damage(report_of(row), row.variety, row.order_state, row.tracking_no) for row in rows]

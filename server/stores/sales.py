"""What happens after a test: the season that its merchant plans, the styles that were made, and what they sold.

Sales are the merchant's word and may be corrected: the newest figure of a style stands. Nothing here touches votes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata

season_plans = sa.Table(
    "season_plans",
    metadata,
    sa.Column("test_id", sa.Uuid, sa.ForeignKey("style_tests.test_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("plan", JSONB, nullable=False),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)

actual_sales = sa.Table(
    "actual_sales",
    metadata,
    sa.Column("test_id", sa.Uuid, sa.ForeignKey("style_tests.test_id"), primary_key=True),
    # No reference to styles: a draft's styles are rewritten as a whole, and only a test that ran has sales.
    sa.Column("style_id", sa.Uuid, primary_key=True),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("units >= 0", name="units_not_negative"),
)

produced_styles = sa.Table(
    "produced_styles",
    metadata,
    sa.Column("test_id", sa.Uuid, sa.ForeignKey("style_tests.test_id"), primary_key=True),
    sa.Column("style_id", sa.Uuid, primary_key=True),
    sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    # When the players who had chosen it were told and got their bonus.
    sa.Column("awarded_at", sa.DateTime(timezone=True)),
)
sa.Index(
    "ix_produced_styles_unawarded", produced_styles.c.told_at, postgresql_where=produced_styles.c.awarded_at.is_(None)
)


async def plan_of(conn: AsyncConnection, test_id: UUID) -> dict[str, Any] | None:
    """The season plan of a test as it was stored."""
    return await conn.scalar(sa.select(season_plans.c.plan).where(season_plans.c.test_id == test_id))


async def set_plan(conn: AsyncConnection, test_id: UUID, plan: Mapping[str, Any], now: datetime) -> None:
    """Replace the season plan of a test."""
    values = {"test_id": test_id, "plan": dict(plan), "changed_at": now}
    statement = insert(season_plans).values(values)
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["test_id"], set_={"plan": statement.excluded.plan, "changed_at": now}
        )
    )


async def set_sales(conn: AsyncConnection, test_id: UUID, units: Mapping[UUID, int], now: datetime) -> None:
    """Record what styles sold; a figure told again replaces the former."""
    if not units:
        return
    rows = [{"test_id": test_id, "style_id": style, "units": sold, "told_at": now} for style, sold in units.items()]
    statement = insert(actual_sales).values(rows)
    await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["test_id", "style_id"], set_={"units": statement.excluded.units, "told_at": now}
        )
    )


async def sales_of(conn: AsyncConnection, test_id: UUID) -> dict[UUID, int]:
    """What the styles of a test sold, as far as it was told."""
    rows = await conn.execute(
        sa.select(actual_sales.c.style_id, actual_sales.c.units).where(actual_sales.c.test_id == test_id)
    )
    return {row.style_id: row.units for row in rows}


async def add_produced(conn: AsyncConnection, test_id: UUID, styles: Sequence[UUID], now: datetime) -> set[UUID]:
    """Mark styles as made; returns those that were not marked before."""
    if not styles:
        return set()
    added = await conn.execute(
        insert(produced_styles)
        .values([{"test_id": test_id, "style_id": style, "told_at": now} for style in styles])
        .on_conflict_do_nothing()
        .returning(produced_styles.c.style_id)
    )
    return {row.style_id for row in added}


async def produced_of(conn: AsyncConnection, test_id: UUID) -> set[UUID]:
    """The styles of a test that were made."""
    rows = await conn.scalars(sa.select(produced_styles.c.style_id).where(produced_styles.c.test_id == test_id))
    return set(rows)


_NEXT_UNAWARDED = sa.text("""
select p.test_id, p.style_id, s.position
from produced_styles p join styles s on s.test_id = p.test_id and s.style_id = p.style_id
where p.awarded_at is null and p.told_at <= :now
order by p.told_at limit 1 for update of p skip locked
""")
_WHO_CHOSE = sa.text("""
select distinct v.player_id from votes v join players p on p.player_id = v.player_id and p.deleted_at is null
where v.test_id = :test_id and ((v.left_position = :position and v.choice = :left)
                             or (v.right_position = :position and v.choice = :right))
""")


async def lock_next_unawarded(conn: AsyncConnection, now: datetime) -> tuple[UUID, UUID, int] | None:
    """(test, style, position) of a style that was made and whose choosers were not told yet; others skip it."""
    row = (await conn.execute(_NEXT_UNAWARDED, {"now": now})).one_or_none()
    return (row.test_id, row.style_id, row.position) if row else None


async def who_chose(conn: AsyncConnection, test_id: UUID, position: int, *, left: int, right: int) -> list[UUID]:
    """The players who chose this style at least once; `left` and `right` are the codes of the two choices."""
    values = {"test_id": test_id, "position": position, "left": left, "right": right}
    return list(await conn.scalars(_WHO_CHOSE, values))


async def mark_awarded(conn: AsyncConnection, test_id: UUID, style_id: UUID, now: datetime) -> None:
    """Note that the choosers of a style were told."""
    await conn.execute(
        sa.update(produced_styles)
        .where(produced_styles.c.test_id == test_id, produced_styles.c.style_id == style_id)
        .values(awarded_at=now)
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """One style of an ended test: what the test said of it, what it sold, and how many that test was to keep."""

    test_id: UUID
    position: int
    strength: float
    p_top: float
    sold: int
    keep: int = 1


# Each test's snapshot is unpacked once, however many of its styles have sales.
_OUTCOMES = sa.text("""
select t.test_id, s.position, i.strength, i.p_top, a.units, (t.goal->>'keep')::int as keep
from style_tests t
join lateral (select document->'items' as items from snapshots n where n.test_id = t.test_id
              order by version desc limit 1) latest on true
join lateral jsonb_to_recordset(latest.items) as i(style_id uuid, strength float8, p_top float8) on true
join styles s on s.style_id = i.style_id and not s.decoy
join actual_sales a on a.test_id = t.test_id and a.style_id = s.style_id
where t.merchant_id = :merchant_id and exists (select from actual_sales told where told.test_id = t.test_id)
order by t.ended_at, t.test_id, s.position
""")


async def outcomes_of_merchant(conn: AsyncConnection, merchant_id: UUID) -> list[Outcome]:
    """All styles of a merchant's tests whose sales are known, with what their tests had said."""
    rows = await conn.execute(_OUTCOMES, {"merchant_id": merchant_id})
    return [Outcome(row.test_id, row.position, row.strength, row.p_top, row.units, row.keep) for row in rows]

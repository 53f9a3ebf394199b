"""Today in numbers: what was promised since midnight in Beijing against the plan, and what waits for somebody's work."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.days import day_ends_at, day_of, day_starts_at
from rewards.pacing import planned_g
from server.stores.budgets import plan_of, spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Merchants' money of one day in fen, at each budget's own rate.

    `promised_fen`: reserved today and not given back; `planned_so_far_fen`, `planned_fen`: what the plans of paced
    budgets say until now and for the whole day (`paced_fen` of the promised is theirs).
    """

    promised_fen: int
    paced_fen: int
    planned_so_far_fen: int
    planned_fen: int


async def money_today(conn: AsyncConnection, now: datetime) -> Money:
    """What was promised today, and what was planned."""
    day = day_of(now)
    rows = await conn.execute(
        sa.text(
            "select r.scope_id, r.reserved_g, b.rate_fen, b.rate_g from reserved_days r"
            " join budgets b on b.budget_id = r.scope_id where r.day = :day and b.kind = 'test'"
        ),
        {"day": day},
    )
    promised = {row.scope_id: row.reserved_g * row.rate_fen // row.rate_g for row in rows}
    begins, ends = day_starts_at(day), day_ends_at(day)
    so_far = whole = paced = 0
    for each in await spending(conn, now=now):
        plan = plan_of(each.budget)
        if plan is None or each.budget.kind != "test":
            continue
        rate = each.budget.rate
        before_g = planned_g(plan, begins)
        so_far += (planned_g(plan, now) - before_g) * rate.fen // rate.grams
        whole += (planned_g(plan, ends) - before_g) * rate.fen // rate.grams
        paced += promised.get(each.budget.budget_id, 0)
    return Money(promised_fen=sum(promised.values()), paced_fen=paced, planned_so_far_fen=so_far, planned_fen=whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for people: open cases and appeals, orders to send, damage reports, tests to look at, dead notices."""

    cases: int
    appeals: int
    orders: int
    back_orders: int
    damage_reports: int
    reviews: int
    running_tests: int


_WAITING = """
select (select count(*) from cases where state = 'open') as cases,
       (select count(*) from appeals where state = 'open') as appeals,
       (select count(*) from fulfilment_orders where state = 'pending') as orders,
       (select count(*) from fulfilment_orders where state = 'back_ordered') as back_orders,
       (select count(*) from damage_reports where state = 'open') as damage_reports,
       (select count(*) from style_tests where state = 'review') as reviews,
       (select count(*) from style_tests where state = 'running') as running_tests
"""


async def waiting(conn: AsyncConnection) -> Waiting:
    """The queues as they are now."""
    row = (await conn.execute(sa.text(_WAITING))).one()
    return Waiting(**row._asdict())

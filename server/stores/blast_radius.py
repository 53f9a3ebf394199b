"""What a switch stops and what it leaves alone, counted at this moment, so that it can be shown before it is flipped."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

REPORTED_LATELY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """What a switch touches.

    `tests` running tests are no longer dealt for a reward (`titles`: some of them); `open_g` grams were offered on
    tickets that are out (or held for review) and stay honoured; `left_g` grams lie in the budgets that stand still;
    `votes_last_hour` and `awards_last_day` say how busy it was.
    """

    tests: int
    titles: tuple[str, ...]
    offered_g: int
    held_g: int
    left_g: int
    votes_last_hour: int
    awards_last_day: int


# What lies in a block is offered but for what its process said that it has not offered, and what is held already.
_OF_TESTS = """
with chosen as (
    select t.test_id, t.title from style_tests t
    where t.state = 'running' and (cast(:test as uuid) is null or t.test_id = :test)
), blocks as (
    select r.budget_id, r.block_id, coalesce(a.balance, 0) as balance
    from reservations r left join accounts a on a.account_id = account_id('reservation', r.block_id)
    where r.released_at is null and (cast(:test as uuid) is null or r.budget_id = :test)
), held as (
    select coalesce(sum(g.amount_g), 0) as grams from grants g
    where g.state = 'held' and (cast(:test as uuid) is null or g.test_id = :test)
), unoffered as (
    select coalesce(sum(d.unoffered_g), 0) as grams from demands d
    where d.at >= :since and (cast(:test as uuid) is null or d.budget_id = :test)
)
select (select count(*) from chosen) as tests,
       (select coalesce(array_agg(title), '{}') from (select title from chosen order by test_id desc limit 5) few) as titles,
       greatest(0, (select coalesce(sum(balance), 0) from blocks) - (select grams from held)
                   - (select grams from unoffered))::bigint as offered_g,
       (select grams from held)::bigint as held_g,
       coalesce((select sum(a.balance) from chosen c join accounts a on a.account_id = account_id('test_budget', c.test_id)),
                0)::bigint as left_g,
       coalesce((select sum(votes) from vote_minutes where minute >= :hour_ago
                 and (cast(:test as uuid) is null or test_id = :test)), 0)::int as votes_last_hour
"""


async def of_tests(conn: AsyncConnection, test_id: UUID | None, now: datetime) -> BlastRadius:
    """What stands still when one test, or every one, is no longer dealt from."""
    row = (
        await conn.execute(
            sa.text(_OF_TESTS).bindparams(sa.bindparam("test", test_id, type_=sa.Uuid)),
            {"since": now - REPORTED_LATELY, "hour_ago": now - timedelta(hours=1)},
        )
    ).one()
    return BlastRadius(
        row.tests, tuple(row.titles), row.offered_g, row.held_g, row.left_g, row.votes_last_hour, awards_last_day=0
    )


async def of_awards(conn: AsyncConnection, kind: str, now: datetime) -> BlastRadius:
    """What stands still when one kind of award is no longer given; what is owed of it is still paid."""
    row = (
        await conn.execute(
            sa.text(
                "select count(*) filter (where earned_at >= :day_ago)::int as lately,"
                " coalesce(sum(amount_g) filter (where transfer_id is null), 0)::bigint as owed_g"
                " from awards where kind = :kind and (earned_at >= :day_ago or transfer_id is null)"
            ),
            {"kind": kind, "day_ago": now - timedelta(days=1)},
        )
    ).one()
    return BlastRadius(0, (), 0, row.owed_g, 0, 0, row.lately)


@dataclass(frozen=True, slots=True)
class SwitchLine:
    """One word on one switch."""

    switch_id: int
    scope: str
    target: str
    stops: bool
    why: str
    who: str
    at: datetime


def _line(row: Any) -> SwitchLine:
    return SwitchLine(row.switch_id, row.scope, row.target, row.stops, row.why, row.who, row.at)


_LINES = "select switch_id, scope, target, stops, why, who, at from switches "


async def latest_word(conn: AsyncConnection, scope: str, target: str) -> SwitchLine | None:
    """The last word on a switch."""
    row = (
        await conn.execute(
            sa.text(_LINES + "where scope = :scope and target = :target order by switch_id desc limit 1"),
            {"scope": scope, "target": target},
        )
    ).one_or_none()
    return _line(row) if row else None


MOST_STANDING = 60


async def standing(conn: AsyncConnection) -> list[SwitchLine]:
    """The last word on the switches over everything and over kinds, and on the tests that are stopped, newest first.

    Tests that go on again are in the history alone; of more stopped ones than fit the newest are here.
    """
    rows = await conn.execute(
        sa.text(
            "select * from (select distinct on (scope, target) * from switches order by scope, target, switch_id desc)"
            " latest where stops or scope <> 'test' order by scope = 'test', switch_id desc limit :most"
        ),
        {"most": MOST_STANDING},
    )
    return [_line(row) for row in rows]


async def history(conn: AsyncConnection, *, before: int | None, limit: int) -> list[SwitchLine]:
    """Every word on every switch, newest first."""
    rows = await conn.execute(
        sa.text(
            _LINES + "where cast(:before as bigint) is null or switch_id < :before order by switch_id desc limit :limit"
        ).bindparams(sa.bindparam("before", before, type_=sa.BigInteger)),
        {"limit": limit},
    )
    return [_line(row) for row in rows]


async def lock_switches(conn: AsyncConnection) -> None:
    """One flip at a time, until the transaction ends: the second of two sees what the first did."""
    await conn.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": 0x737769746368})


async def is_running(conn: AsyncConnection, test_id: UUID) -> bool | None:
    """Whether a test runs; None where there is no such test."""
    state = await conn.scalar(sa.text("select state from style_tests where test_id = :id"), {"id": test_id})
    return None if state is None else state == "running"


async def titles_of(conn: AsyncConnection, test_ids: list[UUID]) -> dict[UUID, str]:
    """The titles of tests."""
    rows = await conn.execute(
        sa.text("select test_id, title from style_tests where test_id = any(:ids)"), {"ids": test_ids}
    )
    return {row.test_id: row.title for row in rows}


async def running_tests(conn: AsyncConnection, *, limit: int = 100) -> list[tuple[UUID, str]]:
    """(id, title) of running tests, those launched last first."""
    rows = await conn.execute(
        sa.text(
            "select test_id, title from style_tests where state = 'running' order by launched_at desc limit :limit"
        ),
        {"limit": limit},
    )
    return [(row.test_id, row.title) for row in rows]

"""What is watched: votes by minute, what address blocks send, the programme's numbers, and how the laws stood.

All of it is an opinion that can be measured again; writing the same twice changes nothing, so any number of workers
may watch. The last minutes of votes are found by the block range index on their moment.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from game.alarms import Counted
from server.alarms import AddressSeen, BrokenLaw, BudgetSeen, DeadWebhook, TestSeen
from server.stores.db import metadata

vote_minutes = sa.Table(
    "vote_minutes",
    metadata,
    sa.Column("minute", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("votes", sa.Integer, nullable=False),
    # Of players whose votes weighed something when the minute was last counted.
    sa.Column("valid", sa.Integer, nullable=False),
)

address_minutes = sa.Table(
    "address_minutes",
    metadata,
    sa.Column("minute", sa.DateTime(timezone=True), primary_key=True),
    # The keyed hash that sessions hold, never an address.
    sa.Column("address_block", sa.LargeBinary, primary_key=True),
    sa.Column("votes", sa.Integer, nullable=False),
)

measurements = sa.Table(
    "measurements",
    metadata,
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("figures", JSONB, nullable=False),
)

law_checks = sa.Table(
    "law_checks",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("holds", sa.Boolean, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
)

LEAST_OF_AN_ADDRESS = 5
"""Blocks that sent fewer votes in a minute are not noted."""

_COUNT_VOTES = """
insert into vote_minutes (minute, test_id, votes, valid)
select date_trunc('minute', v.answered_at), v.test_id, count(*), count(*) filter (where p.weight > 0)
from votes v join players p using (player_id)
where v.answered_at >= :since and v.answered_at < :until
group by 1, 2
order by 1, 2
on conflict (minute, test_id) do update set votes = excluded.votes, valid = excluded.valid
"""

_COUNT_ADDRESSES = """
insert into address_minutes (minute, address_block, votes)
select v.minute, s.address_block, sum(v.votes)::int
from (select date_trunc('minute', answered_at) as minute, player_id, count(*) as votes from votes
      where answered_at >= :since and answered_at < :until group by 1, 2) v
cross join lateral (select address_block from player_sessions where player_id = v.player_id
                    order by session_id desc limit 1) s
where s.address_block <> ''
group by 1, 2 having sum(v.votes) >= :least
order by 1, 2
on conflict (minute, address_block) do update set votes = excluded.votes
"""


async def count_minutes(conn: AsyncConnection, *, since: datetime, until: datetime) -> None:
    """Count the votes of whole minutes, by test and by address block; `since` is the start of one."""
    bounds = {"since": since, "until": until}
    await conn.execute(sa.text(_COUNT_VOTES), bounds)
    await conn.execute(sa.text(_COUNT_ADDRESSES), {**bounds, "least": LEAST_OF_AN_ADDRESS})


async def forget_minutes(conn: AsyncConnection, *, votes_before: datetime, addresses_before: datetime) -> None:
    """Delete counts that nothing is compared with any more."""
    await conn.execute(sa.delete(vote_minutes).where(vote_minutes.c.minute < votes_before))
    await conn.execute(sa.delete(address_minutes).where(address_minutes.c.minute < addresses_before))


async def counted(conn: AsyncConnection, *, since: datetime, until: datetime) -> Counted:
    """Votes of a stretch of minutes."""
    row = (
        await conn.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(vote_minutes.c.votes), 0),
                sa.func.coalesce(sa.func.sum(vote_minutes.c.valid), 0),
            ).where(vote_minutes.c.minute >= since, vote_minutes.c.minute < until)
        )
    ).one()
    return Counted(int(row[0]), int(row[1]))


async def votes_by_minute(conn: AsyncConnection, *, since: datetime) -> list[tuple[datetime, int, int]]:
    """(minute, votes, valid) of all tests together, oldest first; minutes without votes are not there."""
    rows = await conn.execute(
        sa.select(vote_minutes.c.minute, sa.func.sum(vote_minutes.c.votes), sa.func.sum(vote_minutes.c.valid))
        .where(vote_minutes.c.minute >= since)
        .group_by(vote_minutes.c.minute)
        .order_by(vote_minutes.c.minute)
    )
    return [(minute, int(many), int(valid)) for minute, many, valid in rows]


_TESTS = """
with waiting as (
    select v.test_id, min(v.answered_at) as oldest
    from votes v join style_tests t on t.test_id = v.test_id and t.state = 'running'
    left join lateral (select at from snapshots s where s.test_id = v.test_id order by version desc limit 1) s on true
    where v.answered_at >= :since and v.answered_at > coalesce(s.at, '-infinity')
    group by v.test_id
), counted as (
    select test_id, coalesce(sum(votes) filter (where minute >= :since), 0) as votes,
           coalesce(sum(votes) filter (where minute < :since), 0) as before
    from vote_minutes where minute >= :usual_since group by test_id
)
select t.test_id, t.title, coalesce(c.votes, 0)::int as votes, coalesce(c.before, 0)::int as before,
       extract(epoch from :now - t.launched_at)::float8 as launched_s_ago,
       coalesce(extract(epoch from :now - w.oldest), 0)::float8 as waiting_s
from style_tests t left join counted c using (test_id) left join waiting w using (test_id)
where t.state = 'running' and t.launched_at is not null
"""

_ADDRESSES = """
select substr(encode(address_block, 'hex'), 1, 8) as mark,
       coalesce(sum(votes) filter (where minute >= :since), 0)::int as votes,
       coalesce(sum(votes) filter (where minute < :since), 0)::int as before
from address_minutes where minute >= :usual_since
group by address_block having coalesce(sum(votes) filter (where minute >= :since), 0) >= :least
"""

USUALLY = timedelta(hours=1)
"""What is usual for a window is what the windows of the hour before it had on average."""


async def tests_seen(conn: AsyncConnection, *, now: datetime, window: timedelta) -> list[TestSeen]:
    """Running tests with their votes of the window and of the hour before, and how long votes wait for a ranking."""
    since = now - window
    rows = await conn.execute(sa.text(_TESTS), {"now": now, "since": since, "usual_since": since - USUALLY})
    share = window / USUALLY
    return [
        TestSeen(row.test_id, row.title, row.votes, row.before * share, row.launched_s_ago, row.waiting_s)
        for row in rows
    ]


async def addresses_seen(conn: AsyncConnection, *, now: datetime, window: timedelta, least: int) -> list[AddressSeen]:
    """Address blocks that sent at least so many votes within the window, with what they sent in the hour before."""
    since = now - window
    rows = await conn.execute(sa.text(_ADDRESSES), {"since": since, "usual_since": since - USUALLY, "least": least})
    return [AddressSeen(row.mark, row.votes, row.before * (window / USUALLY)) for row in rows]


_DEAD = """
select d.webhook_id, w.url, count(*) as dead
from webhook_deliveries d join webhooks w using (webhook_id)
where d.state = 'dead' and d.ended_at >= :since
  and not exists (select 1 from webhook_deliveries later where later.webhook_id = d.webhook_id
                  and later.state = 'delivered' and later.ended_at > d.ended_at)
group by d.webhook_id, w.url
"""


async def dead_webhooks(conn: AsyncConnection, *, since: datetime) -> list[DeadWebhook]:
    """Addresses of which deliveries were given up since then, and none went well after that."""
    rows = await conn.execute(sa.text(_DEAD), {"since": since})
    return [
        DeadWebhook(row.webhook_id, row.url.split("/")[2] if "//" in row.url else row.url, row.dead) for row in rows
    ]


_BUDGETS = """
select b.budget_id, coalesce(t.title, '') as title, b.bought_g - b.returned_g as bought_g,
       b.bought_g - b.returned_g
       - coalesce((select a.balance from accounts a where a.account_id = account_id(b.kind || '_budget', b.budget_id)), 0)
           as used_g
from budgets b left join style_tests t on t.test_id = b.budget_id
where b.closed_at is null and b.bought_g > b.returned_g
"""


async def budgets_seen(conn: AsyncConnection) -> list[BudgetSeen]:
    """Every open budget: what was bought, and what of it is settled or lies in blocks."""
    rows = await conn.execute(sa.text(_BUDGETS))
    return [BudgetSeen(row.budget_id, row.title or "programme", int(row.used_g), int(row.bought_g)) for row in rows]


async def boxes_in_stock(conn: AsyncConnection) -> dict[str, int]:
    """Boxes by variety that are in stock or set aside and not sent yet."""
    rows = await conn.execute(
        sa.text(
            "select variety, sum(boxes)::bigint as boxes from ("
            " select variety, boxes - taken as boxes from prize_stock"
            " union all select variety, 1 from prize_boxes where given_back_at is null and gone_at is null"
            ") each group by variety"
        )
    )
    return {row.variety: int(row.boxes) for row in rows}


# --- what was measured ----------------------------------------------------------------------------


async def note_measurement(conn: AsyncConnection, figures: Mapping[str, Any], now: datetime) -> None:
    """Keep a measurement of the programme."""
    statement = insert(measurements).values(at=now, figures=dict(figures))
    await conn.execute(statement.on_conflict_do_nothing())


async def forget_measurements(conn: AsyncConnection, *, before: datetime) -> None:
    """Delete measurements that are older than pages show."""
    await conn.execute(sa.delete(measurements).where(measurements.c.at < before))


async def latest_measurement(conn: AsyncConnection) -> tuple[datetime, dict[str, Any]] | None:
    """The newest measurement and its moment."""
    row = (
        await conn.execute(
            sa.select(measurements.c.at, measurements.c.figures).order_by(measurements.c.at.desc()).limit(1)
        )
    ).one_or_none()
    return (row.at, dict(row.figures)) if row else None


async def note_laws(conn: AsyncConnection, checked: Sequence[tuple[str, bool, str, int]], now: datetime) -> None:
    """Keep how each law stood: (code, holds, sentence, offending rows). A law that is no more is forgotten."""
    for code, holds, sentence, rows in sorted(checked):
        values = {"at": now, "holds": holds, "sentence": sentence, "rows": rows}
        statement = insert(law_checks).values(code=code, **values)
        await conn.execute(statement.on_conflict_do_update(index_elements=["code"], set_=values))
    await conn.execute(sa.delete(law_checks).where(law_checks.c.code.not_in([code for code, *_ in checked])))


async def broken_laws(conn: AsyncConnection) -> list[BrokenLaw]:
    """Laws that did not hold when they were last checked."""
    rows = await conn.execute(
        sa.select(law_checks.c.code, law_checks.c.sentence, law_checks.c.rows).where(law_checks.c.holds.is_(False))
    )
    return [BrokenLaw(*row) for row in rows]


async def laws_stood(conn: AsyncConnection) -> tuple[int, int, datetime | None]:
    """(laws checked, laws that hold, when the oldest check was)."""
    row = (
        await conn.execute(
            sa.select(sa.func.count(), sa.func.count().filter(law_checks.c.holds), sa.func.min(law_checks.c.at))
        )
    ).one()
    return int(row[0]), int(row[1]), row[2]

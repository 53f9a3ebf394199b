"""How many votes come in, and from whom: what a quote takes for the present flow of matching players."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from game.segments import Audience, PlayerFacts
from server.stores.votes import votes

WINDOW = timedelta(hours=24)
LEAST_HOURS = 1.0

# Votes are appended in the order of time: a block range index finds a day at no cost for each insert.
sa.Index("ix_votes_answered_at", votes.c.answered_at, postgresql_using="brin", postgresql_with={"pages_per_range": 32})

_BY_FACTS = sa.text("""
select p.gender, p.birth_year, p.interests, p.region, p.consent, count(*) as votes, min(v.answered_at) as since
from votes v join players p on p.player_id = v.player_id and p.deleted_at is null
where v.answered_at > :since and v.answered_at <= :now
group by 1, 2, 3, 4, 5
""")
_OPEN = sa.text("select count(*) from style_tests where state = 'running'")


@dataclass(frozen=True, slots=True)
class Flow:
    """Votes a day by players who match an audience, and how many tests share them now."""

    votes_per_day: float
    open_tests: int


@dataclass(frozen=True, slots=True)
class Came:
    """Votes of the last day by what their players have told of themselves, and how many tests are open."""

    by_facts: tuple[Any, ...]
    open_tests: int


async def votes_of_a_day(conn: AsyncConnection, now: datetime) -> Came:
    """What came in, for any audience: the one count over all votes of a day."""
    rows = (await conn.execute(_BY_FACTS, {"since": now - WINDOW, "now": now})).all()
    return Came(tuple(rows), int(await conn.scalar(_OPEN) or 0))


def flow_of(came: Came, audience: Audience, now: datetime) -> Flow:
    """The flow of the last day, or of as much of it as there is, for one audience."""
    matching = 0
    for row in came.by_facts:
        told = (row.consent or {}).get
        facts = PlayerFacts(
            gender=row.gender if told("gender") else None,
            age=now.year - row.birth_year if row.birth_year is not None and told("age") else None,
            interests=frozenset(row.interests) if told("interests") else frozenset(),
            region=row.region if told("region") else None,
        )
        if audience.match(facts) is not None:
            matching += row.votes
    if not matching:
        return Flow(0.0, came.open_tests)
    since = min(row.since for row in came.by_facts)
    hours = max(LEAST_HOURS, (now - since).total_seconds() / 3600)
    return Flow(matching * 24.0 / hours, came.open_tests)

"""What a case is drawn from: the answers of its players one by one, the pace of everybody else, and what links accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from game.matchup import Choice


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on record; `took_ms` is 0 where the client did not say."""

    player_id: UUID
    test_id: UUID
    at: datetime
    choice: Choice
    took_ms: int


_ANSWERS = sa.text("""
select v.player_id, v.test_id, v.answered_at, v.choice, v.took_ms
from unnest(:players) as p(player_id)
cross join lateral (
    select * from votes where player_id = p.player_id order by matchup_id desc limit :each
) v
order by v.player_id, v.answered_at, v.matchup_id
""").bindparams(sa.bindparam("players", type_=ARRAY(sa.Uuid)))


async def answers_of(conn: AsyncConnection, player_ids: Sequence[UUID], *, each: int) -> dict[UUID, list[Answer]]:
    """The newest `each` answers of each player, oldest first."""
    found: dict[UUID, list[Answer]] = {player_id: [] for player_id in player_ids}
    for row in await conn.execute(_ANSWERS, {"players": list(player_ids), "each": each}):
        found[row.player_id].append(
            Answer(row.player_id, row.test_id, row.answered_at, Choice(row.choice), row.took_ms)
        )
    return found


_PACE = sa.text("""
select percentile_cont(array[0.1, 0.5, 0.9]) within group (order by v.took_ms) as pace, count(*) as answers
from unnest(:tests) as t(test_id)
cross join lateral (
    select took_ms, player_id from votes where test_id = t.test_id order by xid desc limit :each
) v
where v.took_ms > 0 and v.player_id <> all(:players)
""").bindparams(sa.bindparam("tests", type_=ARRAY(sa.Uuid)), sa.bindparam("players", type_=ARRAY(sa.Uuid)))


@dataclass(frozen=True, slots=True)
class Pace:
    """How long other players took on the same tests: the 10th, 50th and 90th percentile in ms, of so many answers."""

    low_ms: int
    median_ms: int
    high_ms: int
    answers: int


async def pace_of_others(
    conn: AsyncConnection, test_ids: Sequence[UUID], player_ids: Sequence[UUID], *, each: int = 1000
) -> Pace | None:
    """The pace of everybody but these players, by the newest answers of these tests; None where there are none."""
    row = (await conn.execute(_PACE, {"tests": list(test_ids), "players": list(player_ids), "each": each})).one()
    if not row.answers:
        return None
    low, median, high = (round(value) for value in row.pace)
    return Pace(low, median, high, row.answers)


@dataclass(frozen=True, slots=True)
class Link:
    """That an account has a device, an address block, a payee, a phone (a keyed hash), or was invited by a player."""

    player_id: UUID
    kind: str
    thing: bytes


_LINKS = sa.text("""
with own as (
    select player_id, 'device' as kind, device as thing from player_sessions
    where player_id = any(:players) and device <> ''
    union
    select player_id, 'address', address_block from player_sessions
    where player_id = any(:players) and address_block <> ''
    union
    select player_id, kind, digest from player_links where player_id = any(:players)
    union
    select invitee_id, 'inviter', uuid_send(inviter_id) from invitations where invitee_id = any(:players)
),
-- Accounts that the case does not name share its devices, payees and phones; of an address block too many would.
others as (
    (select s.player_id, 'device' as kind, s.device as thing from player_sessions s
     where s.device in (select thing from own where kind = 'device') limit :most)
    union
    (select l.player_id, l.kind, l.digest from player_links l
     join own o on o.kind = l.kind and o.thing = l.digest limit :most)
)
select * from own
union
select * from others where player_id <> all(:players)
order by kind, thing, player_id
""").bindparams(sa.bindparam("players", type_=ARRAY(sa.Uuid)))


async def links_of(conn: AsyncConnection, player_ids: Sequence[UUID], *, most: int = 200) -> list[Link]:
    """What these accounts have in common with each other and with accounts beside them, at most `most` of these."""
    rows = await conn.execute(_LINKS, {"players": list(player_ids), "most": most})
    return [_link(row) for row in rows]


def _link(row: Any) -> Link:
    return Link(row.player_id, row.kind, bytes(row.thing))

"""Votes: appended once, never changed, never deleted; and the one statement that puts a vote and its grant on record.

Race settled here: any number of answers to one matchup, at once, on any process. The primary key (player, matchup) lets
one insert win; everybody else is told what the winner recorded. A vote and its grant are written by one statement, so
neither can exist without the other.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from game.judging import Vote
from server.stores.db import Xid8, metadata

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("matchup_id", sa.Uuid, primary_key=True),
    sa.Column("test_id", sa.Uuid, nullable=False),
    # The writing transaction: lets a reader take exactly the votes that became visible since it last looked.
    sa.Column("xid", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("dealt_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("block_id", sa.Uuid, nullable=False),
    sa.Column("took_ms", sa.Integer, nullable=False),
    sa.Column("snapshot", sa.Integer, nullable=False),
    sa.Column("probability", sa.REAL, nullable=False),
    sa.Column("left_position", sa.SmallInteger, nullable=False),
    sa.Column("right_position", sa.SmallInteger, nullable=False),
    sa.Column("choice", sa.SmallInteger, nullable=False),
    sa.Column("segment", sa.SmallInteger, nullable=False),
    sa.Column("offer_g", sa.SmallInteger, nullable=False),
    sa.Column("flags", sa.SmallInteger, nullable=False),
    sa.Column("device", sa.LargeBinary, nullable=False),
    sa.Column("why", ARRAY(sa.Text)),
    sa.CheckConstraint("choice between 0 and 2", name="choice_known"),
    sa.CheckConstraint("left_position <> right_position", name="two_styles"),
    sa.CheckConstraint("offer_g >= 0", name="offer_not_negative"),
)
sa.Index("ix_votes_test_id_xid", votes.c.test_id, votes.c.xid)

EXPLORED = 1
PROBE = 2

DDL = (
    """
create or replace trigger votes_append_only before update or delete or truncate on votes
    for each statement execute function refuse_change()
""",
)

# The players join keeps two promises: an account that was deleted meanwhile gets no more votes, and the holding time of
# a grant is the player's own (new players' grants are held longer), without a second question to the database.
_APPEND = """
with incoming as (
    select * from unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::uuid[], $7::int[], $8::int[],
        $9::real[], $10::smallint[], $11::smallint[], $12::smallint[], $13::smallint[], $14::smallint[],
        $15::smallint[], $16::bytea[], $17::text[]
    ) as t(player_id, matchup_id, test_id, dealt_at, answered_at, block_id, took_ms, snapshot, probability,
           left_position, right_position, choice, segment, offer_g, flags, device, why)
), fresh as (
    insert into votes (player_id, matchup_id, test_id, dealt_at, answered_at, block_id, took_ms, snapshot, probability,
                       left_position, right_position, choice, segment, offer_g, flags, device, why)
    select i.player_id, i.matchup_id, i.test_id, i.dealt_at, i.answered_at, i.block_id, i.took_ms, i.snapshot,
           i.probability, i.left_position, i.right_position, i.choice, i.segment, i.offer_g, i.flags, i.device,
           string_to_array(i.why, ',')
    from incoming i join players p on p.player_id = i.player_id and p.deleted_at is null
    order by i.player_id, i.matchup_id
    on conflict do nothing
    returning player_id, matchup_id, test_id, block_id, offer_g, answered_at
), held as (
    insert into grants (player_id, matchup_id, test_id, block_id, amount_g, state, held_until, created_at)
    select f.player_id, f.matchup_id, f.test_id, f.block_id, f.offer_g, 'held',
           f.answered_at + make_interval(secs => p.hold_s), f.answered_at
    from fresh f join players p on p.player_id = f.player_id
    where f.offer_g > 0
)
select matchup_id from fresh
"""

_RECORDED = """
select v.matchup_id, v.choice, v.offer_g
from unnest($1::uuid[], $2::uuid[]) as t(player_id, matchup_id)
join votes v on v.player_id = t.player_id and v.matchup_id = t.matchup_id
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on record for one matchup."""

    choice: int
    grant_g: int


async def append(connection: asyncpg.Connection, batch: Sequence[Vote]) -> set[UUID]:
    """Put votes and their held grants on record in one statement; returns the matchup ids that were new.

    `connection` is a bare asyncpg connection: this is the hot path, and one prepared statement with column arrays costs
    a fortieth of a statement per vote. Without an open transaction the statement is one by itself.
    """
    fresh = await connection.fetch(
        _APPEND,
        [vote.matchup.player_id for vote in batch],
        [vote.matchup.matchup_id for vote in batch],
        [vote.matchup.test_id for vote in batch],
        [vote.matchup.dealt_at for vote in batch],
        [vote.answered_at for vote in batch],
        [vote.matchup.block_id for vote in batch],
        [vote.took_ms for vote in batch],
        [vote.matchup.snapshot for vote in batch],
        [vote.matchup.probability for vote in batch],
        [vote.matchup.left for vote in batch],
        [vote.matchup.right for vote in batch],
        [int(vote.choice) for vote in batch],
        [vote.matchup.segment for vote in batch],
        [vote.matchup.offer_g for vote in batch],
        [(EXPLORED if vote.matchup.explored else 0) | (PROBE if vote.matchup.probe else 0) for vote in batch],
        [vote.matchup.device for vote in batch],
        [",".join(vote.why) if vote.why else None for vote in batch],
    )
    return {row[0] for row in fresh}


async def recorded(connection: asyncpg.Connection, keys: Sequence[tuple[UUID, UUID]]) -> dict[UUID, Recorded]:
    """What is on record for these (player, matchup) pairs; a pair without a vote is absent."""
    rows = await connection.fetch(_RECORDED, [player for player, _ in keys], [matchup for _, matchup in keys])
    return {row[0]: Recorded(row[1], row[2]) for row in rows}


@dataclass(frozen=True, slots=True)
class VoteColumns:
    """Votes as columns, for the refit. `player` holds ids as objects; positions, segments and choices are int16."""

    player: list[UUID]
    left: np.ndarray
    right: np.ndarray
    choice: np.ndarray
    segment: np.ndarray
    took_ms: np.ndarray
    answered_at: np.ndarray
    dealt_at: np.ndarray
    matchup: list[UUID]
    device: list[bytes]
    offer_g: np.ndarray
    flags: np.ndarray

    def __len__(self) -> int:
        return len(self.player)


_COLUMNS = (
    votes.c.player_id,
    votes.c.left_position,
    votes.c.right_position,
    votes.c.choice,
    votes.c.segment,
    votes.c.took_ms,
    votes.c.answered_at,
    votes.c.dealt_at,
    votes.c.matchup_id,
    votes.c.device,
    votes.c.offer_g,
    votes.c.flags,
)


def _columns(rows: Sequence[Any]) -> VoteColumns:
    fields = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    return VoteColumns(
        player=list(fields[0]),
        left=np.array(fields[1], dtype=np.int16),
        right=np.array(fields[2], dtype=np.int16),
        choice=np.array(fields[3], dtype=np.int16),
        segment=np.array(fields[4], dtype=np.int16),
        took_ms=np.array(fields[5], dtype=np.int32),
        answered_at=np.array([moment.timestamp() for moment in fields[6]], dtype=float),
        dealt_at=np.array([moment.timestamp() for moment in fields[7]], dtype=float),
        matchup=list(fields[8]),
        device=list(fields[9]),
        offer_g=np.array(fields[10], dtype=np.int32),
        flags=np.array(fields[11], dtype=np.int16),
    )


async def horizon(conn: AsyncConnection) -> int:
    """The oldest transaction that may still be writing: everything before it is settled, everything from it on is not."""
    return int((await conn.execute(sa.text("select pg_snapshot_xmin(pg_current_snapshot())::text"))).scalar_one())


async def tests_with_news(conn: AsyncConnection, since: int, until: int) -> list[UUID]:
    """Tests that got votes by transactions in [since, until)."""
    return list(
        await conn.scalars(
            sa.text("select distinct test_id from votes where xid >= :since and xid < :until").bindparams(
                sa.bindparam("since", str(since), type_=Xid8()), sa.bindparam("until", str(until), type_=Xid8())
            )
        )
    )


async def between(conn: AsyncConnection, test_id: UUID, since: int, until: int) -> VoteColumns:
    """Votes of a test by transactions in [since, until); read in order of nothing (the model does not care)."""
    rows = (
        await conn.execute(
            sa.select(*_COLUMNS).where(
                votes.c.test_id == test_id,
                votes.c.xid >= sa.text("cast(:since as text)::xid8").bindparams(since=str(since)),
                votes.c.xid < sa.text("cast(:until as text)::xid8").bindparams(until=str(until)),
            )
        )
    ).all()
    return _columns(rows)


@dataclass(frozen=True, slots=True)
class Met:
    """What a player has answered in some tests: pairs as shown (left, right) by test, and the ids of the matchups.

    `probed`: those of the pairs that belonged to the confirmation of a winner.
    """

    pairs: dict[UUID, list[tuple[int, int]]]
    matchup_ids: frozenset[UUID]
    probed: dict[UUID, list[tuple[int, int]]]


async def met_by(conn: AsyncConnection, player_id: UUID, test_ids: Sequence[UUID]) -> Met:
    """The matchups of these tests that a player has answered."""
    rows = (
        await conn.execute(
            sa.select(
                votes.c.test_id, votes.c.left_position, votes.c.right_position, votes.c.matchup_id, votes.c.flags
            ).where(
                votes.c.player_id == player_id,
                votes.c.test_id == sa.any_(sa.bindparam("tests", list(test_ids), type_=ARRAY(sa.Uuid))),
            )
        )
    ).all()
    pairs: dict[UUID, list[tuple[int, int]]] = {}
    probed: dict[UUID, list[tuple[int, int]]] = {}
    for test_id, left, right, _, flags in rows:
        pairs.setdefault(test_id, []).append((left, right))
        if flags & PROBE:
            probed.setdefault(test_id, []).append((left, right))
    return Met(pairs, frozenset(row.matchup_id for row in rows), probed)


async def paid_since(conn: AsyncConnection, player_id: UUID, since: datetime, *, besides: Sequence[UUID] = ()) -> int:
    """How many paid choices a player has made since a moment, some matchups left out that the caller counts himself."""
    query = sa.select(sa.func.count()).where(
        votes.c.player_id == player_id, votes.c.answered_at >= since, votes.c.offer_g > 0
    )
    if besides:
        query = query.where(votes.c.matchup_id != sa.all_(sa.bindparam("besides", list(besides), type_=ARRAY(sa.Uuid))))
    return (await conn.execute(query)).scalar_one()


async def stream_of_test(conn: AsyncConnection, test_id: UUID) -> AsyncIterator[Any]:
    """Every vote of a test, streamed: for exports."""
    result = await conn.stream(
        sa.select(*_COLUMNS).where(votes.c.test_id == test_id).order_by(votes.c.xid, votes.c.matchup_id)
    )
    async for row in result:
        yield row


_OF_PLAYER = sa.text("""
select v.matchup_id, v.test_id, l.title as left_title, r.title as right_title, v.choice, v.took_ms, v.answered_at,
       v.offer_g
from votes v
join styles l on l.test_id = v.test_id and l.position = v.left_position
join styles r on r.test_id = v.test_id and r.position = v.right_position
where v.player_id = :player_id
order by v.matchup_id
""")


async def of_player(conn: AsyncConnection, player_id: UUID) -> Sequence[Any]:
    """All votes of a player with the titles of what was shown, oldest first."""
    return (await conn.execute(_OF_PLAYER, {"player_id": player_id})).all()

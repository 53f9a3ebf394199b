"""Grants: promises of fertilizer, held with the vote that earned them, then settled into the wallet or voided.

A grant is a fact whose only change is from `held` to one of its two ends; a trigger refuses every other. Races
settled here: settlement against settlement (`for update skip locked`: each grant is taken by one worker), and
settlement against voiding (the row lock decides which end it is; the other finds it no longer held).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import sqlalchemy as sa

from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    # The matchup of the vote that earned it; for other kinds of reward the id of the business fact.
    sa.Column("matchup_id", sa.Uuid, primary_key=True),
    sa.Column("test_id", sa.Uuid, nullable=False),
    sa.Column("block_id", sa.Uuid, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("final_at", sa.DateTime(timezone=True)),
    sa.Column("amount_g", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="held"),
    sa.Column("kind", sa.Text, nullable=False, server_default="per_vote"),
    sa.Column("void_reason", sa.Text),
    sa.CheckConstraint("amount_g > 0", name="amount_positive"),
    sa.CheckConstraint("state in ('held', 'settled', 'voided')", name="state_known"),
    sa.CheckConstraint("(state = 'voided') = (void_reason is not null)", name="void_has_reason"),
    sa.CheckConstraint("(state = 'held') = (final_at is null)", name="end_has_moment"),
)
# What a player has coming, and what a block still owes. Both are as small as what is held, however many grants there
# were.
sa.Index("ix_grants_held_player", grants.c.player_id, postgresql_where=grants.c.state == "held")
sa.Index("ix_grants_held_until", grants.c.held_until, postgresql_where=grants.c.state == "held")

DDL = (
    REFUSE_CHANGE,
    # The condition is evaluated without calling the function, so that a lawful update costs next to nothing.
    """
create or replace trigger grants_end_once before update on grants
    for each row when (
        old.state <> 'held' or new.player_id <> old.player_id or new.matchup_id <> old.matchup_id
        or new.test_id <> old.test_id or new.block_id <> old.block_id or new.amount_g <> old.amount_g
        or new.kind <> old.kind or new.created_at <> old.created_at
    ) execute function refuse_change()
""",
    """
create or replace trigger grants_stay before delete or truncate on grants
    for each statement execute function refuse_change()
""",
)


@dataclass(frozen=True, slots=True)
class HeldColumns:
    """Grants to hold, as columns of equal length."""

    player_id: Sequence[UUID]
    matchup_id: Sequence[UUID]
    test_id: Sequence[UUID]
    block_id: Sequence[UUID]
    amount_g: Sequence[int]
    created_at: Sequence[datetime]
    held_until: Sequence[datetime]


HOLD = """
insert into grants (player_id, matchup_id, test_id, block_id, amount_g, created_at, held_until, kind)
select t.*, $8
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::timestamptz[], $7::timestamptz[])
    as t(player_id, matchup_id, test_id, block_id, amount_g, created_at, held_until)
order by 1, 2
on conflict do nothing
returning matchup_id
"""


async def hold(connection: asyncpg.Connection, columns: HeldColumns, *, kind: str = "per_vote") -> set[UUID]:
    """Hold grants in one statement; returns the matchup ids that were new (a grant that exists stays as it is).

    `connection` is a bare asyncpg connection, for the desk's hot path; asyncpg keeps the statement prepared. Moves no
    balance: the grams lie in the block already.
    """
    rows = await connection.fetch(
        HOLD,
        columns.player_id,
        columns.matchup_id,
        columns.test_id,
        columns.block_id,
        columns.amount_g,
        columns.created_at,
        columns.held_until,
        kind,
    )
    return {row[0] for row in rows}


_BALANCES = """
select t.player_id, coalesce(a.balance, 0),
       coalesce((select sum(g.amount_g) from grants g where g.player_id = t.player_id and g.state = 'held'), 0)::bigint
from unnest($1::uuid[]) as t(player_id)
left join accounts a on a.account_id = account_id('player', t.player_id)
"""


class Fertilizer(NamedTuple):
    """What a player has in the wallet, and what is promised and not settled yet."""

    available_g: int
    held_g: int


async def balances_of(connection: asyncpg.Connection, player_ids: Sequence[UUID]) -> dict[UUID, Fertilizer]:
    """Wallets of a batch of players, one statement, on a bare asyncpg connection (hot path)."""
    rows = await connection.fetch(_BALANCES, list(dict.fromkeys(player_ids)))
    return {row[0]: Fertilizer(row[1], row[2]) for row in rows}

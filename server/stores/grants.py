"""Grants: promises of fertilizer, held with the vote that earned them, then settled into the wallet or voided.

A grant is a fact whose only change is from `held` to one of its two ends; a trigger refuses every other. Races
settled here: settlement against settlement (`for update skip locked`: each grant is taken by one worker), and
settlement against voiding (the row lock decides which end it is; the other finds it no longer held).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.grants import Grant, GrantState, VoidReason
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


# --- the ends of a grant ---------------------------------------------------------------------------

# The transfer of a settled grant has the id of its matchup: made before it was sent, and the same at every attempt.
# Wallets are opened in the same statement; the trigger on transfers runs after all of it and finds them.
_SETTLE = """
with due as materialized (
    select ctid from grants
    where state = 'held' and held_until <= :now and block_id <> all(:except_blocks)
    order by held_until limit :limit
    for update skip locked
), settled as (
    update grants g set state = 'settled', final_at = :now
    from due where g.ctid = due.ctid
    returning g.player_id, g.matchup_id, g.amount_g, account_id('player', g.player_id) as wallet,
              account_id('reservation', g.block_id) as block
), wallets as (
    insert into accounts (account_id, kind, owner_id, unit, floor)
    select p.wallet, 'player', p.player_id, 'g', 0
    from (select distinct wallet, player_id from settled order by wallet) p
    where not exists (select 1 from accounts a where a.account_id = p.wallet)
    on conflict do nothing
), posted as (
    insert into transfers (transfer_id, debit_account, credit_account, amount, at, player_id, unit, reason, out_biz_no)
    select s.matchup_id, s.block, s.wallet, s.amount_g, :now, s.player_id, 'g', 'grant_settled', s.matchup_id::text
    from settled s order by s.player_id, s.matchup_id
)
select count(*) as n_grants, coalesce(sum(amount_g), 0)::bigint as amount_g, count(distinct player_id) as n_players
from settled
"""

_OVERPROMISED = """
select h.block_id from (select block_id, sum(amount_g) as held_g from grants where state = 'held' group by block_id) h
left join accounts a on a.account_id = account_id('reservation', h.block_id)
where h.held_g > coalesce(a.balance, 0)
"""


class Settled(NamedTuple):
    """What one batch of settlement paid."""

    n_grants: int
    amount_g: int
    n_players: int


async def settle_due(
    conn: AsyncConnection, *, now: datetime, limit: int, except_blocks: Sequence[UUID] = ()
) -> Settled:
    """Settle up to `limit` grants that are due, the longest due first, skipping those that another worker holds.

    One statement: state, wallets, transfers and balances; the accounts are locked last and in one order, so workers
    never wait in a circle. Raises IntegrityError (`floor_kept`) if a block has promised more than it holds, which is a
    bug elsewhere: see `overpromised`.
    """
    row = (
        await conn.execute(
            sa.text(_SETTLE).bindparams(sa.bindparam("except_blocks", list(except_blocks), type_=ARRAY(sa.Uuid))),
            {"now": now, "limit": limit},
        )
    ).one()
    return Settled(row.n_grants, row.amount_g, row.n_players)


async def overpromised(conn: AsyncConnection) -> list[UUID]:
    """Blocks whose held grants are more than they hold. There should be none, ever; settlement goes on without them."""
    return list(await conn.scalars(sa.text(_OVERPROMISED)))


_VOID = """
with chosen as materialized (
    select player_id, matchup_id from grants
    where state = 'held'
      and (cast(:player_id as uuid) is null or player_id = :player_id)
      and (cast(:test_id as uuid) is null or test_id = :test_id)
      and (cast(:matchup_ids as uuid[]) is null or matchup_id = any(:matchup_ids))
    order by player_id, matchup_id
    for update
)
update grants g set state = 'voided', final_at = :now, void_reason = :reason
from chosen c where g.player_id = c.player_id and g.matchup_id = c.matchup_id and g.state = 'held'
returning g.*
"""


async def void(
    conn: AsyncConnection,
    *,
    player_id: UUID | None = None,
    test_id: UUID | None = None,
    matchup_ids: Sequence[UUID] | None = None,
    reason: VoidReason,
    now: datetime,
) -> list[Grant]:
    """End held grants of a player, of a test, or of these matchups, unpaid; returns them. Moves no balance.

    What settlement is paying at this moment is waited for, and stays paid. See `server.flows.void_grants`, which also
    returns the grams to the budget.
    """
    assert player_id or test_id or matchup_ids is not None, "name whose grants"
    rows = await conn.execute(
        sa.text(_VOID).bindparams(
            sa.bindparam("player_id", player_id, type_=sa.Uuid),
            sa.bindparam("test_id", test_id, type_=sa.Uuid),
            sa.bindparam("matchup_ids", None if matchup_ids is None else list(matchup_ids), type_=ARRAY(sa.Uuid)),
        ),
        {"reason": reason.value, "now": now},
    )
    return [_grant(row) for row in rows]


def _grant(row: Any) -> Grant:
    return Grant(
        id=row.matchup_id,
        player_id=row.player_id,
        kind=row.kind,
        amount_g=row.amount_g,
        block_id=row.block_id,
        held_at=row.created_at,
        settle_after=row.held_until,
        state=GrantState(row.state),
        final_at=row.final_at,
        void_reason=VoidReason(row.void_reason) if row.void_reason else None,
    )


async def of_player(
    conn: AsyncConnection, player_id: UUID, *, held_only: bool = False, limit: int = 1000
) -> list[Grant]:
    """A player's grants, the newest first."""
    query = sa.select(grants).where(grants.c.player_id == player_id)
    if held_only:
        query = query.where(grants.c.state == "held")
    return [_grant(row) for row in await conn.execute(query.order_by(grants.c.matchup_id.desc()).limit(limit))]


async def rehold(conn: AsyncConnection, player_id: UUID, *, hold_s: int) -> int:
    """Count the wait of a player's held grants anew, from the moment each was earned; returns how many there are."""
    result = await conn.execute(
        sa.text(
            """
with chosen as materialized (
    select player_id, matchup_id from grants where state = 'held' and player_id = :player_id
    order by matchup_id for update
)
update grants g set held_until = g.created_at + make_interval(secs => :hold_s)
from chosen c where g.player_id = c.player_id and g.matchup_id = c.matchup_id and g.state = 'held'
"""
        ),
        {"player_id": player_id, "hold_s": hold_s},
    )
    return result.rowcount

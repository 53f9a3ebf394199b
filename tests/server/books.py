"""Builders for the tests of the books: a merchant with money, tests with grams, players, offers and votes on record."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from game.judging import Vote
from game.matchup import Choice, Matchup
from rewards import ledger as books
from rewards.budgets import Block
from rewards.economy import Economy
from rewards.ledger import Account, Reason, Transfer
from server.flows.buy_budget import buy_budget
from server.flows.fund_merchant import fund_merchant
from server.flows.reserve_block import reserve_block
from server.ids import uuid7
from server.stores import ledger, players, votes
from server.stores.db import engine_from, transaction
from server.stores.invariants import LAWS, SealLaw, audit
from server.stores.seals import CHAINS

TICKET_LIFE = timedelta(minutes=10)
LAWS_OF_THE_BOOKS = (*LAWS, *map(SealLaw, CHAINS))
DEEP = os.environ.get("XUANKUAN_DEEP") == "1"

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@contextlib.contextmanager
def in_a_loop_of_its_own(database: str) -> Iterator[tuple[Run, AsyncEngine]]:
    """For Hypothesis, which calls plain functions: a way to run coroutines, and an engine on their loop."""
    with asyncio.Runner() as runner:
        engine = engine_from(database, pool_size=4)
        try:
            yield runner.run, engine
        finally:
            runner.run(engine.dispose())


def a_transfer(
    amount: int = 10, *, debit: Account = books.BANK, credit: Account | None = None, **fields: object
) -> Transfer:
    """A deposit of a new merchant's, unless more is said."""
    named = {
        "id": uuid7(),
        "reason": Reason.MERCHANT_DEPOSIT,
        "out_biz_no": str(uuid7()),
        "debit": debit,
        "credit": credit or books.merchant(uuid7()),
        "amount": amount,
        "at": datetime.now(UTC),
    }
    return Transfer(**{**named, **fields})  # type: ignore[arg-type]


@dataclass(slots=True)
class StandingClock:
    """A clock that stands until it is moved. Not that of the other builders: they import the whole service."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass(slots=True)
class Bookkeeping:
    """A small programme: one merchant with money, and whatever a test adds."""

    engine: AsyncEngine
    clock: StandingClock = field(default_factory=StandingClock)
    economy: Economy = field(default_factory=Economy)
    merchant_id: UUID = field(default_factory=uuid7)

    async def pay_in(self, amount_fen: int = 1_000_000) -> None:
        async with transaction(self.engine) as conn:
            await fund_merchant(
                conn,
                merchant_id=self.merchant_id,
                amount_fen=amount_fen,
                payment_no=str(uuid7()),
                now=self.clock.now,
            )

    async def a_test(self, *, votes: int = 100, **fields: object) -> UUID:
        """A test whose budget pays for so many votes; the money is paid in for it."""
        test_id = uuid7()
        await self.pay_in(votes * self.economy.vote_price_fen)
        async with transaction(self.engine) as conn:
            await buy_budget(
                conn,
                test_id=test_id,
                merchant_id=self.merchant_id,
                budget_fen=votes * self.economy.vote_price_fen,
                economy=self.economy,
                now=self.clock.now,
                **fields,  # type: ignore[arg-type]
            )
        return test_id

    async def a_player(self, *, hold_s: int = 0) -> UUID:
        return (await self.players(1, hold_s=hold_s))[0]

    async def players(self, number: int, *, hold_s: int = 0) -> list[UUID]:
        ids = [uuid7() for _ in range(number)]
        async with transaction(self.engine) as conn:
            await conn.execute(
                sa.insert(players.players),
                [{"player_id": each, "created_at": self.clock.now, "hold_s": hold_s} for each in ids],
            )
        return ids

    async def a_block(self, test_id: UUID, *, wanted_g: int = 1000, process_id: UUID | None = None) -> Block:
        """A block, as some process reserves one."""
        async with transaction(self.engine) as conn:
            return await reserve_block(
                conn,
                budget_id=test_id,
                process_id=process_id or uuid7(),
                wanted_g=wanted_g,
                ticket_life=TICKET_LIFE,
                economy=self.economy,
                now=self.clock.now,
            )

    def a_vote(self, player_id: UUID, test_id: UUID, block_id: UUID) -> Vote:
        """An answer to a ticket that was dealt just now."""
        matchup = Matchup(
            matchup_id=uuid7(),
            player_id=player_id,
            test_id=test_id,
            block_id=block_id,
            left=0,
            right=1,
            offer_g=self.economy.choice_g,
            dealt_at=self.clock.now,
            expires_at=self.clock.now + TICKET_LIFE,
        )
        return Vote(matchup, Choice.LEFT, 1500, self.clock.now)

    async def record(self, batch: Sequence[Vote]) -> set[UUID]:
        """Put votes on record with their grants; returns the matchups that were new."""
        async with transaction(self.engine) as conn:
            return await votes.append(await raw(conn), [replace(vote, answered_at=self.clock.now) for vote in batch])

    async def votes(self, number: int, *, test_id: UUID, block_id: UUID, player_ids: Sequence[UUID]) -> list[Vote]:
        """So many votes on record, the players taking turns."""
        made = [self.a_vote(player_ids[each % len(player_ids)], test_id, block_id) for each in range(number)]
        assert len(await self.record(made)) == number
        return made

    async def balance(self, account: Account) -> int:
        async with self.engine.connect() as conn:
            return await ledger.balance(conn, account)

    async def broken_laws(self, *, seals_too: bool = False, connections: int = 1) -> dict[str, tuple[dict, ...]]:
        """Which laws of the books an audit finds broken, by their code; empty when all is well."""
        laws = LAWS_OF_THE_BOOKS if seals_too else LAWS
        found = [finding async for finding in audit(self.engine, laws, connections=connections)]
        return {finding.code: finding.rows for finding in found if not finding.holds}


async def raw(conn: AsyncConnection):
    """The bare asyncpg connection under a transaction, for statements of the hot path."""
    return (await conn.get_raw_connection()).driver_connection


async def as_attacker(engine: AsyncEngine, statement: str, **values: object) -> int:
    """Run a statement as somebody who took the triggers off; returns how many rows it changed."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text("set local session_replication_role = replica"))
        return (await conn.execute(sa.text(statement), values)).rowcount

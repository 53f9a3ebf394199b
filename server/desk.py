"""The desk: answers of many players, one transaction (group commit).

There is no timer: a batch is whatever arrived while the last one was being committed, so an idle desk commits at once
and a busy one commits in bulk. Nothing is acknowledged before its transaction is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg
import structlog

from game.judging import Vote
from server.stores import grants, votes
from server.stores.db import DatabaseAway, is_away
from server.stores.grants import Fertilizer

log = structlog.get_logger()

# How long answers wait for a database that went away before they are sent back to the phone, which keeps them.
PATIENCE_S = 8.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one vote: `new` if this call put it on record; what is on record; None if nothing is."""

    new: bool
    choice: int | None
    grant_g: int


class Desk(Protocol):
    """Puts votes on record."""

    async def submit(self, player_id: UUID, batch: Sequence[Vote]) -> tuple[list[Outcome], Fertilizer]:
        """Record one player's votes; returns an outcome for each, in order, and the player's purse after it."""

    async def recall(self, player_id: UUID, matchup_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
        """What is on record for these matchups of a player; matchups without a vote are absent."""

    async def close(self) -> None: ...


Borrow = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


_Entry = tuple[UUID, Sequence[Vote], asyncio.Future[tuple[list[Outcome], Fertilizer]]]


class GroupDesk:
    """One writer for all requests of a process."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], borrow: Borrow, *, batch: int = 2000
    ) -> None:
        self._connect = connect
        self._borrow = borrow
        self._batch = batch
        self._waiting: list[_Entry] = []
        self._arrived = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._closing = False
        self._writer = asyncio.create_task(self._write(), name="desk")

    async def submit(self, player_id: UUID, batch: Sequence[Vote]) -> tuple[list[Outcome], Fertilizer]:
        if self._closing:
            raise DatabaseAway
        future: asyncio.Future[tuple[list[Outcome], Fertilizer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((player_id, batch, future))
        self._arrived.set()
        return await future

    async def recall(self, player_id: UUID, matchup_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
        return await recall(self._borrow, player_id, matchup_ids)

    async def close(self) -> None:
        """Commit what is waiting, then leave."""
        self._closing = True
        self._arrived.set()
        await self._writer
        if self._connection is not None:
            await self._connection.close()

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                taken, size = 0, 0
                while taken < len(self._waiting) and size < self._batch:
                    size += max(1, len(self._waiting[taken][1]))
                    taken += 1
                entries, self._waiting = self._waiting[:taken], self._waiting[taken:]
                await self._serve(entries)
            if self._closing:
                return

    async def _serve(self, entries: list[_Entry]) -> None:
        """Commit these entries; if the whole batch fails for a reason of its data, each half by itself."""
        entries = [entry for entry in entries if not entry[2].done()]
        if not entries:
            return
        try:
            results = await self._commit([(player, batch) for player, batch, _ in entries])
        except asyncio.CancelledError:
            raise
        except DatabaseAway as error:
            for _, _, future in entries:
                if not future.done():
                    future.set_exception(error)
        except Exception as error:
            if len(entries) == 1:
                log.error("desk_entry_failed", error=type(error).__name__)
                if not entries[0][2].done():
                    entries[0][2].set_exception(error)
                return
            # One bad row must not fail the others.
            middle = len(entries) // 2
            await self._serve(entries[:middle])
            await self._serve(entries[middle:])
        else:
            for (_, _, future), result in zip(entries, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _commit(self, entries: list[tuple[UUID, Sequence[Vote]]]) -> list[tuple[list[Outcome], Fertilizer]]:
        """Try until the database is there or patience ends. Trying again is safe: the matchup id is the key."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PATIENCE_S
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                return await record(self._connection, entries)
            except Exception as error:
                # An OSError can only come from the connection here: nothing else is touched.
                if not (is_away(error) or isinstance(error, OSError)):
                    raise
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.terminate()
                if loop.time() >= give_up_at:
                    raise DatabaseAway from error
                log.warning("desk_waits_for_database", error=type(error).__name__)
                await asyncio.sleep(0.1)


class DirectDesk:
    """A transaction for each request: the plain way, kept as the measure that the group commit is held against."""

    def __init__(self, transaction: Borrow) -> None:
        self._transaction = transaction

    async def submit(self, player_id: UUID, batch: Sequence[Vote]) -> tuple[list[Outcome], Fertilizer]:
        async with self._transaction() as connection:
            return (await record(connection, [(player_id, batch)]))[0]

    async def recall(self, player_id: UUID, matchup_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
        return await recall(self._transaction, player_id, matchup_ids)

    async def close(self) -> None:
        """Nothing waits here."""


async def recall(borrow: Borrow, player_id: UUID, matchup_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """What is on record for these matchups, through a borrowed connection."""
    async with borrow() as connection:
        found = await votes.recorded(connection, [(player_id, matchup_id) for matchup_id in matchup_ids])
    return {matchup_id: Outcome(False, record.choice, record.grant_g) for matchup_id, record in found.items()}


async def record(
    connection: asyncpg.Connection, entries: list[tuple[UUID, Sequence[Vote]]]
) -> list[tuple[list[Outcome], Fertilizer]]:
    """Put the votes of several players on record and say what became of each."""
    first: dict[UUID, Vote] = {}
    for _, batch in entries:
        for vote in batch:
            first.setdefault(vote.matchup.matchup_id, vote)
    ordered = sorted(first.values(), key=lambda vote: (vote.matchup.player_id.bytes, vote.matchup.matchup_id.bytes))
    new = await votes.append(connection, ordered) if ordered else set()
    known = {
        vote.matchup.matchup_id: votes.Recorded(int(vote.choice), vote.matchup.offer_g)
        for vote in ordered
        if vote.matchup.matchup_id in new
    }
    old = [(vote.matchup.player_id, vote.matchup.matchup_id) for vote in ordered if vote.matchup.matchup_id not in new]
    if old:
        known.update(await votes.recorded(connection, old))
    purses = await grants.balances_of(connection, sorted({player for player, _ in entries}))
    results = []
    for player, batch in entries:
        outcomes = []
        for vote in batch:
            found = known.get(vote.matchup.matchup_id)
            # Of racing twins in one batch the first is new; the others repeat it.
            fresh = vote.matchup.matchup_id in new and first[vote.matchup.matchup_id] is vote
            outcomes.append(Outcome(fresh, found.choice if found else None, found.grant_g if found else 0))
        results.append((outcomes, purses.get(player, Fertilizer(0, 0))))
    return results

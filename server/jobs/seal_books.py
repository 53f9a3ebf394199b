"""Seal what the books have gained: chains of hashes over transfers and over the audit log."""

import asyncio
from datetime import datetime, timedelta

import structlog

from server.stores import seals
from server.stores.db import AsyncEngine, IntegrityError, reading, transaction
from server.stores.seals import Chain

log = structlog.get_logger()

ROWS_A_SEAL = 10_000
SEAL_AT_LEAST_EVERY = timedelta(minutes=5)
POLL_S = 0.02
PATIENCE_S = 10.0


class SealBooks:
    """The job. A seal covers ten thousand rows, or what five minutes brought when that was less."""

    name = "seal_books"

    def __init__(self, engine: AsyncEngine, *, rows_a_seal: int = ROWS_A_SEAL) -> None:
        self._engine = engine
        self._rows_a_seal = rows_a_seal

    async def run(self, now: datetime) -> int:
        """Seal every full block of every chain, and what is left when its time has come; returns the full blocks."""
        return sum([await self._extend(chain, now) for chain in seals.CHAINS])

    async def seal_all(self, now: datetime) -> int:
        """Seal all there is, full or not (before a backup, say); returns how many seals that made."""
        return sum([await self._extend(chain, now, partial=True) for chain in seals.CHAINS])

    async def _extend(self, chain: Chain, now: datetime, *, partial: bool = False) -> int:
        final_seq = await self._final_up_to(chain)
        if final_seq is None:
            return 0
        made = 0
        while True:
            async with reading(self._engine) as conn:
                previous = await seals.latest(conn, chain)
            from_seq = previous.to_seq if previous else 0
            to_seq = min(from_seq + self._rows_a_seal, final_seq)
            full = to_seq - from_seq == self._rows_a_seal
            overdue = partial or previous is None or now - previous.at >= SEAL_AT_LEAST_EVERY
            if to_seq <= from_seq or not (full or overdue):
                return made
            try:
                async with transaction(self._engine) as conn:
                    await seals.add(conn, chain, previous=previous, to_seq=to_seq, now=now)
            except IntegrityError:
                log.info("seal_made_by_another", chain=chain.name)
                return made
            made += full or partial

    async def _final_up_to(self, chain: Chain) -> int | None:
        """A sequence number up to which all rows are final; None when some writer did not end in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        async with reading(self._engine) as conn:
            final_seq = await seals.last_drawn(conn, chain)
        async with reading(self._engine) as conn:
            unfinished = await seals.writers(conn, chain)
        while unfinished:
            if loop.time() >= deadline:
                return None
            await asyncio.sleep(POLL_S)
            async with reading(self._engine) as conn:
                unfinished &= await seals.writers(conn, chain)
        return final_seq

"""Settle grants that are due, in batches, and charge merchants for them."""

from datetime import datetime

import structlog

from server.flows.charge_votes import charge_votes
from server.stores import budgets, grants
from server.stores.db import AsyncEngine, IntegrityError, reading, transaction

log = structlog.get_logger()

BATCH = 2000


class SettleGrants:
    """The job. Any number of workers may run it at once: each takes grants that no other has taken."""

    name = "settle_grants"

    def __init__(self, engine: AsyncEngine, *, batch: int = BATCH) -> None:
        self._engine = engine
        self._batch = batch
        self._first = True

    async def run(self, now: datetime) -> int:
        """Settle all that is due, then charge for it; returns how many grants were settled."""
        n_settled = 0
        while True:
            batch = await self._settle_batch(now)
            n_settled += batch.n_grants
            if batch.n_grants < self._batch:
                break
        # All tests, not only one's own: what a worker that died had settled is charged by whoever settles next.
        if n_settled or self._first:
            await self._charge(now)
            self._first = False
        return n_settled

    async def _charge(self, now: datetime) -> None:
        async with reading(self._engine) as conn:
            uncharged = await budgets.uncharged(conn)
        for test_id in uncharged:
            async with transaction(self._engine) as conn:
                await charge_votes(conn, test_id, now=now)

    async def _settle_batch(self, now: datetime) -> grants.Settled:
        try:
            async with transaction(self._engine) as conn:
                return await grants.settle_due(conn, now=now, limit=self._batch)
        except IntegrityError as error:
            if "floor_kept" not in str(error.orig):
                raise
        # A block promised more than it holds. That is a bug; but those who were promised from sound blocks shall not
        # wait for its repair. The audit names the block, too.
        async with transaction(self._engine) as conn:
            bad = await grants.overpromised(conn)
            log.error("blocks_overpromised", blocks=[str(block_id) for block_id in bad])
            return await grants.settle_due(conn, now=now, limit=self._batch, except_blocks=bad)

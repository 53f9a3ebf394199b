"""Give back what lapsed blocks hold and nobody can claim any more, and what finished tests owe their merchants."""

from datetime import datetime, timedelta

import structlog

from rewards import budgets as rules
from server.flows.return_budget import return_budget
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncEngine, reading, transaction

log = structlog.get_logger()

LOOK_AGAIN = timedelta(minutes=10)
"""When to look again at a block of which grants are still held."""


class ReleaseBlocks:
    """The job. It needs nothing of the process whose block it was: most blocks are those of processes that are gone."""

    name = "release_blocks"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Look at every block that is due for it; returns at how many."""
        n_blocks = 0
        while await self._release_one(now):
            n_blocks += 1
        async with reading(self._engine) as conn:
            unreturned = await budgets.unreturned(conn)
        for test_id in unreturned:
            async with transaction(self._engine) as conn:
                await return_budget(conn, test_id, now=now)
        return n_blocks

    async def _release_one(self, now: datetime) -> bool:
        async with transaction(self._engine) as conn:
            due = await budgets.lock_releasable(conn, now=now)
            if due is None:
                return False
            if due.held_g > due.balance_g:
                # A bug elsewhere, which the audit names; the blocks behind it are not to wait for its repair.
                log.error("block_overpromised", block=str(due.block.id), balance_g=due.balance_g, held_g=due.held_g)
                await budgets.record_release(conn, due, given_back_g=0, look_at=now + LOOK_AGAIN, now=now)
                return True
            transfer = rules.release(
                due.block,
                balance_g=due.balance_g,
                held_g=due.held_g,
                part=due.releases,
                transfer_id=uuid7(),
                now=now,
            )
            given_back_g = transfer.amount if transfer else 0
            await budgets.record_release(conn, due, given_back_g=given_back_g, look_at=now + LOOK_AGAIN, now=now)
            if transfer:
                await ledger.post(conn, [transfer])
            return True

"""A process that deals offers, answers most of them and settles; made to be killed: `python -m … URL TEST PLAYER…`."""

import asyncio
import random
import sys
from datetime import UTC, datetime
from uuid import UUID

from server.budget_desk import BudgetDesk
from server.jobs.settle_grants import SettleGrants
from server.stores.db import engine_from
from tests.server.books import TICKET_LIFE, Bookkeeping


async def deal(database: str, test_id: UUID, player_ids: list[UUID]) -> None:
    engine = engine_from(database, pool_size=4)
    keeping = Bookkeeping(engine)
    desk = BudgetDesk(engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=lambda: datetime.now(UTC))
    settling = SettleGrants(engine, batch=50)
    filling = asyncio.create_task(desk.keep_filled())
    told = False
    while not filling.done():
        keeping.clock.now = datetime.now(UTC)
        await desk.ready([test_id])
        offered = [desk.offer(test_id, 10) for _ in range(random.randrange(1, 12))]
        await keeping.record(
            [
                keeping.a_vote(random.choice(player_ids), test_id, block_id)
                for block_id in offered
                # Some players never answer.
                if block_id is not None and random.random() < 0.8
            ]
        )
        await settling.run(datetime.now(UTC))
        if not told:
            print("dealing", flush=True)
            told = True
        await asyncio.sleep(random.random() * 0.02)


if __name__ == "__main__":
    asyncio.run(deal(sys.argv[1], UUID(sys.argv[2]), [UUID(each) for each in sys.argv[3:]]))

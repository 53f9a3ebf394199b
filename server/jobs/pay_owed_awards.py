"""Pay awards that the programme's budget could not pay when they were earned, oldest first."""

from datetime import datetime

from server.figures import EconomyNow
from server.flows.pay_awards import pay_recorded
from server.stores import budgets, farm
from server.stores.db import AsyncEngine, transaction

BATCH = 100


class PayOwedAwards:
    """The job. Any number of workers may run it at once: each takes awards that no other has taken."""

    name = "pay_owed_awards"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Pay what the budget has, of the kinds that are not switched off; returns how many awards were paid."""
        paid, batch = 0, BATCH
        while True:
            async with transaction(self._engine) as conn:
                off = (await budgets.switches_now(conn)).kinds
                owed = await farm.lock_owed(conn, limit=batch, except_kinds=off)
                if not owed:
                    return paid
                done = await pay_recorded(conn, owed, economy=self._economy(), now=now)
            if done:
                paid += len(owed)
            elif batch == 1:
                return paid  # not even the oldest: the others wait behind it
            else:
                batch = max(1, batch // 4)

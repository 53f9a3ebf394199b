"""Record what each open budget has spent, hour by hour: the actual line beside its plan."""

from datetime import datetime

from rewards.pacing import hour_of
from server.stores import budgets, money
from server.stores.db import AsyncEngine, transaction
from server.stores.money import SpendPoint


class RecordSpending:
    """The job, to be run about every minute. A point is the last that was seen within its hour."""

    name = "record_spending"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Write the hour's points; returns 0, since nothing is left to do until the next minute."""
        hour = hour_of(now)
        async with transaction(self._engine) as conn:
            found = await budgets.spending(conn, now=now)
            await money.record_spending(
                conn,
                [
                    (each.budget.budget_id, SpendPoint(hour, each.budget.settled_g, each.budget.reserved_g))
                    for each in found
                ],
            )
        return 0

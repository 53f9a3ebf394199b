"""Pace budgets: open or close the gate of each budget that has a plan, so that it is spent over its days."""

from datetime import datetime, timedelta

from rewards.pacing import deal_permille, hour_of, pace
from server.stores import budgets
from server.stores.budgets import Paced
from server.stores.db import AsyncConnection, AsyncEngine, transaction

INTERVAL = timedelta(seconds=10)
HEARD_OF = timedelta(seconds=30)
"""How long what a process said of its demand is believed."""
SILENT = timedelta(hours=1)


class PaceBudgets:
    """The job, to be run about every ten seconds. It throttles what is dealt; what was promised is paid in any case."""

    name = "pace_budgets"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Set the gate of every paced budget; returns 0, since nothing is left to do until the next interval."""
        async with transaction(self._engine) as conn:
            await budgets.forget_old_paces(conn, before=now - SILENT)
            for each in await budgets.paced(conn, since=now - HEARD_OF):
                await self._set_gate(conn, each, now)
        return 0

    async def _set_gate(self, conn: AsyncConnection, each: Paced, now: datetime) -> None:
        plan = budgets.plan_of(each.budget)
        if plan is None:
            return
        current = each.current
        if current is None or current.begins_at < hour_of(now) or current.budget_g != plan.budget_g:
            current = pace(plan, promised_g=each.promised_g, now=now)
        permille = deal_permille(
            current,
            promised_g=each.promised_g,
            # Where nothing was asked yet the gate is open, unless the plan is used up: one gram asked says just that.
            asked_g=max(1, each.asked_g_per_minute * int(INTERVAL.total_seconds()) // 60),
            interval=INTERVAL,
            now=now,
        )
        await budgets.record_pace(conn, each.budget.budget_id, current, deal_permille=permille, now=now)

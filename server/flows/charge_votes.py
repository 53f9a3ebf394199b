"""Charge a merchant for the votes that were settled since the last charge."""

from datetime import datetime
from uuid import UUID

from rewards import budgets as rules
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


async def charge_votes(conn: AsyncConnection, test_id: UUID, *, now: datetime) -> int:
    """Move what the settled grams of a test cost from its escrow to the platform; returns the fen charged.

    On the surface it might seem natural to charge each vote as it is settled. Every settlement would then queue for the
    one account that all charges go to; one transfer for whatever was settled meanwhile charges the same sum to the fen.
    """
    budget = await budgets.lock(conn, test_id)
    if budget is None or budget.settled_g <= budget.charged_g:
        return 0
    settled_g = budget.settled_g
    transfer = rules.charge(
        test_id=test_id,
        settled_before_g=budget.charged_g,
        settled_after_g=settled_g,
        rate=budget.rate,
        transfer_id=uuid7(),
        now=now,
    )
    await budgets.count_charge(conn, test_id, charged_g=settled_g)
    if transfer is None:
        return 0
    await ledger.post(conn, [transfer])
    return transfer.amount

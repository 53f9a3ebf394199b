"""Turn a merchant's money into a test's grams: at launch, and for each top-up."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from rewards import budgets as rules
from rewards.budgets import Purchase
from rewards.economy import Economy
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


async def buy_budget(
    conn: AsyncConnection,
    *,
    test_id: UUID,
    merchant_id: UUID,
    budget_fen: int,
    economy: Economy,
    now: datetime,
    plan_ends_at: datetime | None = None,
) -> Purchase:
    """Money from the merchant's account into the test's escrow, and the grams that it buys into the test's budget.

    With `plan_ends_at` the spending is paced until then; without it offers are made as fast as players ask. Call it in
    the transaction that launches the test: called twice it buys twice. A top-up buys at the rate of the launch.

    Raises `BudgetTooSmall`, and `BelowFloor` when the merchant has not paid in enough.
    """
    await budgets.open_budget(
        conn,
        budget_id=test_id,
        kind="test",
        merchant_id=merchant_id,
        rate=rules.rate_of(economy),
        plan_ends_at=plan_ends_at,
        now=now,
    )
    budget = await budgets.lock(conn, test_id)
    assert budget is not None
    assert budget.merchant_id == merchant_id
    assert budget.closed_at is None, "a test that is over is not funded any more"
    agreed = replace(economy, vote_price_fen=budget.rate.fen, choice_g=budget.rate.grams)
    purchase = rules.buy(budget_fen, agreed)
    transfers = rules.funding(
        purchase,
        test_id=test_id,
        merchant_id=merchant_id,
        part=budget.purchases,
        fen_transfer_id=uuid7(),
        grams_transfer_id=uuid7(),
        now=now,
    )
    await budgets.count_purchase(conn, test_id, paid_fen=purchase.budget_fen, bought_g=purchase.budget_g)
    await ledger.post(conn, transfers)
    return purchase

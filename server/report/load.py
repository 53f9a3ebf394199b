"""Load what a report is made of: the test, its newest snapshot, its money, the merchant's plan and earlier sales."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from game.style_test import StyleTest
from ranking.order_advice import Calibration, calibrate
from rewards.economy import Economy
from server.flows.show_ranking import show_ranking
from server.report.model import Money, Report, build
from server.report.plan import Plan, plan_from
from server.stores import budgets, sales, snapshots, tests
from server.stores.db import AsyncConnection
from server.stores.sales import Outcome


async def report_of(
    conn: AsyncConnection,
    test: StyleTest,
    *,
    economy: Economy,
    now: datetime,
    english: bool = False,
    plan: Plan | None = None,
) -> Report:
    """The report of a test as it stands; with `plan`, as it would be under another plan than the stored one."""
    snapshot = await snapshots.latest(conn, test.test_id)
    document = await show_ranking(conn, test, test.state)
    return build(
        test,
        document=document,
        state=snapshot.state if snapshot else None,
        money=await money_of(conn, test, economy, promised_g=int((document or {}).get("promised_g", 0))),
        merchant=await tests.merchant_name(conn, test.merchant_id) or "",
        plan=plan or plan_from(await sales.plan_of(conn, test.test_id)),
        calibration=calibration_of(test, document, await sales.outcomes_of_merchant(conn, test.merchant_id)),
        now=now,
        english=english,
    )


async def money_of(conn: AsyncConnection, test: StyleTest, economy: Economy, *, promised_g: int) -> Money:
    """What a test cost so far; `promised_g`: the grams of all votes that were given."""
    budget = await budgets.find(conn, test.test_id)
    if budget is None:
        return Money(test.budget_fen, 0, 0, 0, economy.vote_price_fen)
    spent_fen = budget.cost_fen()
    held_fen = max(0, budget.rate.charge_fen(promised_g) - spent_fen)
    # What is neither spent nor promised any more has gone back once the budget is closed.
    kept_fen = budget.rate.charge_fen(budget.reserved_g + budget.left_g)
    returned_fen = max(0, budget.paid_fen - spent_fen - kept_fen) if budget.closed_at else 0
    return Money(budget.paid_fen, spent_fen, held_fen, returned_fen, budget.rate.fen)


def calibration_of(test: StyleTest, document: Mapping[str, Any] | None, outcomes: Sequence[Outcome]) -> Calibration:
    """What is known of how strengths become sales: this test's reference styles, and the merchant's earlier tests."""
    known: dict[UUID, list[tuple[float, int]]] = {}
    for one in outcomes:
        known.setdefault(one.test_id, []).append((one.strength, one.sold))
    items = {item["style_id"]: item for item in (document or {}).get("items", [])}
    own = [
        (items[str(style.style_id)]["strength"], style.reference_sales)
        for style in test.ranked
        if style.reference_sales is not None and str(style.style_id) in items
    ]
    if own and test.test_id not in known:
        known[test.test_id] = own
    strengths: list[float] = []
    sold: list[float] = []
    for pairs in known.values():
        if len(pairs) < 2:
            continue
        x = np.array([strength for strength, _ in pairs])
        y = np.log(np.array([units for _, units in pairs], dtype=float) + 1.0)
        # Each test has its own level (season, shop, advertising); what carries over is how the differences go.
        strengths += (x - x.mean()).tolist()
        sold += np.expm1(np.maximum(y - y.mean() + 7.0, 0.0)).tolist()
    if not strengths:
        return Calibration(n_references=len(own))
    return calibrate(strengths, sold)

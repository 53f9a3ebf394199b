"""Return what a test that is over has not spent: grams to where they were issued, money to the merchant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rewards import budgets as rules
from rewards import ledger as books
from rewards.ledger import Unit
from server.flows.charge_votes import charge_votes
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Returned:
    """What went back by one call."""

    fen: int
    grams: int


async def return_budget(conn: AsyncConnection, test_id: UUID, *, now: datetime) -> Returned:
    """Close a test's budget and return at once all that is not promised; call it in the transaction of the decision.

    What lies in blocks and held grants keeps its price in escrow. When blocks lapse and grants are settled or voided,
    the release job calls this again, until both balances are zero; the merchant has then paid for the settled votes and
    not one fen more. A test that never had a budget returns nothing.
    """
    await budgets.close(conn, test_id, now)
    await charge_votes(conn, test_id, now=now)
    budget = await budgets.lock(conn, test_id)
    if budget is None:
        return Returned(fen=0, grams=0)
    assert budget.kind == "test"
    assert budget.merchant_id is not None
    # What was charged stays charged. Where a paid grant was taken back later, the merchant is ahead by one vote, and that
    # much of what is promised is paid for already.
    ahead_g = max(0, budget.charged_g - budget.settled_g)
    transfers = rules.refund(
        test_id=test_id,
        merchant_id=budget.merchant_id,
        part=budget.refunds,
        escrow_fen=await ledger.balance(conn, books.test_escrow(test_id)),
        budget_g=budget.left_g,
        settled_g=budget.settled_g + ahead_g,
        promised_g=max(0, budget.reserved_g - ahead_g),
        rate=budget.rate,
        fen_transfer_id=uuid7(),
        grams_transfer_id=uuid7(),
        now=now,
    )
    if not transfers:
        return Returned(fen=0, grams=0)
    await budgets.count_refund(conn, test_id, returned_g=budget.left_g)
    await ledger.post(conn, transfers)
    return Returned(
        fen=sum(each.amount for each in transfers if each.unit is Unit.FEN),
        grams=sum(each.amount for each in transfers if each.unit is Unit.GRAMS),
    )

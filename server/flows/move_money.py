"""Move money by hand: at once where one person may, else as a proposal that waits for a second one."""

from dataclasses import replace
from datetime import datetime

from rewards import budgets as budget_rules
from rewards import ledger as books
from rewards import moves as rules
from rewards.economy import Economy
from rewards.errors import (
    BelowFloor,
    BudgetIsClosed,
    ConflictingTransfer,
    NotThatMuch,
    NotTheSameMerchant,
    PaymentKnown,
)
from rewards.ledger import Posting, Reason, Transfer
from rewards.moves import MoneyMove, MoveKind, MoveState
from server.flows.buy_budget import buy_budget
from server.flows.fund_merchant import fund_merchant
from server.flows.pay_awards import PROGRAMME
from server.ids import uuid7
from server.stores import audit, budgets, ledger, money
from server.stores.budgets import Budget
from server.stores.db import AsyncConnection


async def move_money(
    conn: AsyncConnection,
    asked: MoneyMove,
    *,
    alone_most_fen: int,
    economy: Economy,
    now: datetime,
    request_id: str = "",
) -> MoneyMove:
    """The move on record: done, or waiting for another person when it is worth more than one may move alone.

    The one who asks holds no lock and has checked that merchant and tests exist. Raises `NotThatMuch` for more than there
    is, `PaymentKnown` for a reference that was booked, `BudgetIsClosed`, `BudgetTooSmall`, `NotTheSameMerchant`. A waiting
    move that could not be made now is refused now, too; it is checked again when it is approved.
    """
    alone = not rules.needs_two(asked.kind, asked.amount, alone_most_fen=alone_most_fen, economy=economy)
    asked = replace(asked, alone=alone)
    await money.add(conn, asked)
    if alone:
        made = replace(
            await _made(conn, asked, economy=economy, now=now),
            state=MoveState.DONE, decided_who=asked.proposed_who, decided_at=now,
        )  # fmt: skip
        await money.write_decision(conn, made)
    else:
        trial = await conn.begin_nested()
        await _made(conn, asked, economy=economy, now=now)
        await trial.rollback()
        made = asked
    await audit.write(
        conn,
        who=asked.proposed_who,
        what=f"money.{asked.kind.value}" if alone else f"money.{asked.kind.value}.proposed",
        object_id=asked.test_id or asked.merchant_id or PROGRAMME,
        before=None,
        after={"move_id": str(asked.id), "amount": asked.amount, "unit": asked.unit.value, "moved": made.moved}
        | ({"reference": asked.reference} if asked.reference else {})
        | ({"to_test_id": str(asked.to_test_id)} if asked.to_test_id else {}),
        why=asked.why,
        now=now,
        request_id=request_id,
    )
    return made


async def decide_move(conn: AsyncConnection, move: MoneyMove, *, economy: Economy, request_id: str = "") -> MoneyMove:
    """Make a move that was approved (or write that it was declined). The caller holds its lock and has asked the rules.

    Raises as `move_money` does, and then the move still waits.
    """
    now = move.decided_at
    assert now is not None, "somebody decided it"
    if move.state is MoveState.DONE:
        move = await _made(conn, move, economy=economy, now=now)
    await money.write_decision(conn, move)
    await audit.write(
        conn,
        who=move.decided_who,
        what=f"money.{move.kind.value}.{'approved' if move.state is MoveState.DONE else 'declined'}",
        object_id=move.test_id or move.merchant_id or PROGRAMME,
        before={"state": MoveState.WAITING.value, "proposed_by": move.proposed_who},
        after={"move_id": str(move.id), "state": move.state.value, "amount": move.amount, "moved": move.moved},
        why=move.note,
        now=now,
        request_id=request_id,
    )
    return move


async def _made(conn: AsyncConnection, move: MoneyMove, *, economy: Economy, now: datetime) -> MoneyMove:
    """Post what the move says; returns it with the amount that was moved."""
    try:
        return replace(move, moved=await _MAKE[move.kind](conn, move, economy, now))
    except BelowFloor as refusal:
        raise NotThatMuch(there=refusal.params["balance"], wanted=move.amount, unit=move.unit.value) from refusal
    except ConflictingTransfer as refusal:
        raise PaymentKnown(reference=move.reference) from refusal


async def _deposit(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    assert move.merchant_id is not None
    posting = await fund_merchant(
        conn, merchant_id=move.merchant_id, amount_fen=move.amount, payment_no=move.reference, now=now
    )
    if posting is Posting.EXISTS:
        # Booked before there was a record of moves, or by another way in: it is not booked twice.
        raise PaymentKnown(reference=move.reference)
    return move.amount


async def _payout(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    assert move.merchant_id is not None
    payout = Transfer(
        id=uuid7(),
        reason=Reason.MERCHANT_WITHDRAWAL,
        out_biz_no=move.reference,
        debit=books.merchant(move.merchant_id),
        credit=books.BANK,
        amount=move.amount,
        at=now,
    )
    if (await ledger.post(conn, [payout]))[0] is Posting.EXISTS:
        raise PaymentKnown(reference=move.reference)
    return move.amount


async def _open_budget(conn: AsyncConnection, test_id: object) -> Budget:
    budget = await budgets.lock(conn, test_id)  # type: ignore[arg-type]
    if budget is None or budget.closed_at is not None or budget.merchant_id is None:
        raise BudgetIsClosed()
    return budget


async def _top_up(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    budget = await _open_budget(conn, move.test_id)
    assert budget.merchant_id is not None
    # Whole votes only: what is over would lie in escrow until the end of the test, and buy nothing.
    amount_fen = move.amount // budget.rate.fen * budget.rate.fen if budget.rate.fen else move.amount
    purchase = await buy_budget(
        conn,
        test_id=budget.budget_id,
        merchant_id=budget.merchant_id,
        budget_fen=amount_fen,
        economy=economy,
        now=now,
    )
    return purchase.budget_fen


async def _return(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    budget = await _open_budget(conn, move.test_id)
    assert budget.merchant_id is not None
    fen, grams = rules.returned_part(
        test_id=budget.budget_id,
        merchant_id=budget.merchant_id,
        wanted_fen=move.amount,
        left_g=budget.left_g,
        part=budget.refunds,
        rate=budget.rate,
        fen_transfer_id=uuid7(),
        grams_transfer_id=uuid7(),
        now=now,
    )
    await budgets.count_refund(conn, budget.budget_id, returned_g=grams.amount)
    await ledger.post(conn, [fen, grams])
    return fen.amount


async def _between_tests(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    assert move.test_id is not None
    assert move.to_test_id is not None
    # Both locked in the order of their ids, so that two opposite moves do not wait for each other in a circle.
    first, second = [await _open_budget(conn, each) for each in sorted((move.test_id, move.to_test_id))]
    if first.merchant_id != second.merchant_id or first.budget_id == second.budget_id:
        raise NotTheSameMerchant()
    returned_fen = await _return(conn, move, economy, now)
    target = replace(move, test_id=move.to_test_id, amount=returned_fen)
    return await _top_up(conn, target, economy, now)


async def _programme_fund(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    await budgets.open_budget(
        conn,
        budget_id=PROGRAMME,
        kind="programme",
        merchant_id=None,
        rate=budget_rules.Rate(0, economy.choice_g),
        plan_ends_at=None,
        now=now,
    )
    budget = await budgets.lock(conn, PROGRAMME)
    assert budget is not None
    await budgets.count_purchase(conn, PROGRAMME, paid_fen=0, bought_g=move.amount)
    await ledger.post(conn, [_programme(move, now=now, back=False)])
    return move.amount


async def _programme_return(conn: AsyncConnection, move: MoneyMove, economy: Economy, now: datetime) -> int:
    budget = await budgets.lock(conn, PROGRAMME)
    if budget is None or budget.left_g < move.amount:
        raise NotThatMuch(there=budget.left_g if budget else 0, wanted=move.amount, unit=move.unit.value)
    await budgets.count_refund(conn, PROGRAMME, returned_g=move.amount)
    await ledger.post(conn, [_programme(move, now=now, back=True)])
    return move.amount


def _programme(move: MoneyMove, *, now: datetime, back: bool) -> Transfer:
    budget = books.programme_budget(PROGRAMME)
    return Transfer(
        id=uuid7(),
        reason=Reason.PROGRAMME_CLOSED if back else Reason.PROGRAMME_FUNDED,
        out_biz_no=f"{PROGRAMME}:{move.id}",
        debit=budget if back else books.ISSUANCE,
        credit=books.ISSUANCE if back else budget,
        amount=move.amount,
        at=now,
    )


_MAKE = {
    MoveKind.DEPOSIT: _deposit,
    MoveKind.PAYOUT: _payout,
    MoveKind.TOP_UP: _top_up,
    MoveKind.RETURN: _return,
    MoveKind.BETWEEN_TESTS: _between_tests,
    MoveKind.PROGRAMME_FUND: _programme_fund,
    MoveKind.PROGRAMME_RETURN: _programme_return,
}

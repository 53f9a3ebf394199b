"""Moves of money that an operator makes by hand: what each kind moves, and from which worth on it takes two persons."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from rewards import ledger
from rewards.budgets import Rate
from rewards.economy import Economy
from rewards.errors import BudgetTooSmall, MoneyMoveDecided, NotThatMuch
from rewards.ledger import Reason, Transfer, Unit


class MoveKind(StrEnum):
    """What can be moved by hand. Amounts are fen, but for the two of the programme, which are grams."""

    DEPOSIT = "deposit"  # money that a merchant has paid in
    PAYOUT = "payout"  # money back to a merchant
    TOP_UP = "top_up"  # from a merchant's balance into a test of theirs
    RETURN = "return"  # from a test that still runs back to its merchant
    BETWEEN_TESTS = "between_tests"  # from one test of a merchant into another one of theirs
    PROGRAMME_FUND = "programme_fund"  # grams for what the platform gives itself
    PROGRAMME_RETURN = "programme_return"  # and back to where they were issued

    @property
    def unit(self) -> Unit:
        programme = self in (MoveKind.PROGRAMME_FUND, MoveKind.PROGRAMME_RETURN)
        return Unit.GRAMS if programme else Unit.FEN


class MoveState(StrEnum):
    """Where a move stands: it waits for a second person, was made, or was not made."""

    WAITING = "waiting"
    DONE = "done"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMove:
    """One move as somebody asked for it, and what became of it. `alone`: it was small enough for one person."""

    id: UUID
    kind: MoveKind
    amount: int
    why: str
    proposed_who: str
    proposed_at: datetime
    proposed_by: UUID | None = None
    merchant_id: UUID | None = None
    test_id: UUID | None = None
    to_test_id: UUID | None = None
    reference: str = ""
    state: MoveState = MoveState.WAITING
    alone: bool = False
    moved: int = 0
    decided_who: str = ""
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    note: str = ""

    @property
    def unit(self) -> Unit:
        return self.kind.unit


def worth_fen(kind: MoveKind, amount: int, economy: Economy) -> int:
    """What a move is worth, for the question whether one person may make it: grams at the first variety's price of a box."""
    if kind.unit is Unit.FEN:
        return amount
    variety = economy.varieties[0]
    return -(-amount * variety.box_cost_fen // variety.requirement_g)


def needs_two(kind: MoveKind, amount: int, *, alone_most_fen: int, economy: Economy) -> bool:
    """Whether a second person must approve. The limit comes from the configuration: who moves money cannot raise it."""
    return worth_fen(kind, amount, economy) > alone_most_fen


def decided(move: MoneyMove, *, state: MoveState, who: str, by: UUID | None, note: str, now: datetime) -> MoneyMove:
    """The move after somebody's word. Raises `MoneyMoveDecided` for one that does not wait any more."""
    if move.state is not MoveState.WAITING:
        raise MoneyMoveDecided(state=move.state.value, who=move.decided_who, at=f"{move.decided_at:%Y-%m-%d %H:%M} UTC")
    return replace(move, state=state, decided_who=who, decided_by=by, decided_at=now, note=note)


def returned_part(
    *,
    test_id: UUID,
    merchant_id: UUID,
    wanted_fen: int,
    left_g: int,
    part: int,
    rate: Rate,
    fen_transfer_id: UUID,
    grams_transfer_id: UUID,
    now: datetime,
) -> tuple[Transfer, Transfer]:
    """What goes back of a test that still runs: the price of whole votes, at most `wanted_fen`, and their grams.

    A whole vote's grams cost exactly its price, so that the rest of the escrow still pays for the rest of the grams.
    Raises `BudgetTooSmall` for less than a vote, `NotThatMuch` for more than is neither paid nor reserved.
    """
    votes = wanted_fen // rate.fen if rate.fen else 0
    if votes < 1:
        raise BudgetTooSmall(budget_fen=wanted_fen, price_fen=rate.fen)
    if votes * rate.grams > left_g:
        raise NotThatMuch(there=left_g // rate.grams * rate.fen, wanted=wanted_fen, unit=Unit.FEN.value)
    out_biz_no = f"{test_id}:{part}"
    return (
        Transfer(
            id=fen_transfer_id,
            reason=Reason.TEST_REFUNDED,
            out_biz_no=out_biz_no,
            debit=ledger.test_escrow(test_id),
            credit=ledger.merchant(merchant_id),
            amount=votes * rate.fen,
            at=now,
        ),
        Transfer(
            id=grams_transfer_id,
            reason=Reason.GRAMS_RETURNED,
            out_biz_no=out_biz_no,
            debit=ledger.test_budget(test_id),
            credit=ledger.ISSUANCE,
            amount=votes * rate.grams,
            at=now,
        ),
    )

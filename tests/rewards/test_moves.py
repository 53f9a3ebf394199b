"""Laws of moves by hand: a large one takes two, a decided one stays decided, a part of a budget goes back without a rest."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import ledger
from rewards.budgets import Rate
from rewards.economy import DEFAULT
from rewards.errors import BudgetTooSmall, MoneyMoveDecided, NotThatMuch
from rewards.ledger import Unit
from rewards.moves import MoneyMove, MoveKind, MoveState, decided, needs_two, returned_part, worth_fen
from rewards.pacing import Plan, planned_curve, planned_g

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TEST, MERCHANT = UUID(int=1), UUID(int=2)


def a_move(**fields: object) -> MoneyMove:
    named = {
        "id": UUID(int=9),
        "kind": MoveKind.DEPOSIT,
        "amount": 5,
        "why": "w",
        "proposed_who": "qian",
        "proposed_at": NOW,
    }
    return MoneyMove(**{**named, **fields})  # type: ignore[arg-type]


def a_return(**fields: object):
    named = {
        "test_id": TEST, "merchant_id": MERCHANT, "wanted_fen": 30, "left_g": 1000, "part": 0, "rate": Rate(3, 10),
        "fen_transfer_id": UUID(int=3), "grams_transfer_id": UUID(int=4), "now": NOW,
    }  # fmt: skip
    return returned_part(**{**named, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", MoveKind)
def test_the_limit_itself_is_moved_alone_and_one_more_takes_two(kind: MoveKind):
    """Grams count at the price of a box, rounded up; fen count as they are."""
    most = 1 if kind.unit is Unit.FEN else 6  # 6 g are worth 0.87 fen, 7 g more than one
    assert not needs_two(kind, most, alone_most_fen=1, economy=DEFAULT)
    assert needs_two(kind, most + 1, alone_most_fen=1, economy=DEFAULT)


def test_a_box_of_grams_is_worth_a_box():
    variety = DEFAULT.varieties[0]
    assert worth_fen(MoveKind.PROGRAMME_FUND, variety.requirement_g, DEFAULT) == variety.box_cost_fen


@pytest.mark.parametrize("state", [MoveState.DONE, MoveState.DECLINED])
def test_a_move_is_decided_once(state: MoveState):
    """Whoever comes second is told who was first."""
    done = decided(a_move(), state=state, who="sun", by=UUID(int=7), note="n", now=NOW)
    assert (done.state, done.decided_who, done.decided_at) == (state, "sun", NOW)
    with pytest.raises(MoneyMoveDecided, match="sun"):
        decided(done, state=MoveState.DONE, who="li", by=None, note="", now=NOW)


@given(wanted_fen=st.integers(-5, 400), left_g=st.integers(0, 1000), fen=st.integers(0, 9), grams=st.integers(1, 30))
def test_a_part_that_goes_back_is_whole_votes_and_never_more_than_is_left(wanted_fen, left_g, fen, grams):
    """Money and grams go in the very ratio of the rate, so that what stays in escrow still pays for what stays."""
    rate = Rate(fen, grams)
    try:
        money, fertilizer = a_return(wanted_fen=wanted_fen, left_g=left_g, rate=rate)
    except BudgetTooSmall:
        assert fen == 0 or wanted_fen < fen
        return
    except NotThatMuch:
        assert wanted_fen // fen * grams > left_g
        return
    assert money.amount <= wanted_fen
    assert fertilizer.amount <= left_g
    assert money.amount * grams == fertilizer.amount * fen
    assert rate.charge_fen(fertilizer.amount) == money.amount
    assert (money.credit, fertilizer.credit) == (ledger.merchant(MERCHANT), ledger.ISSUANCE)


def test_who_asks_for_more_is_told_what_there_is():
    with pytest.raises(NotThatMuch) as refused:
        a_return(wanted_fen=303, left_g=1009)
    assert refused.value.params == {"there": 300, "wanted": 303, "unit": "fen"}


@settings(deadline=None, max_examples=30)
@given(hours=st.integers(1, 200), minutes=st.integers(0, 59), budget_g=st.integers(0, 10**6), most=st.integers(1, 60))
def test_a_drawn_plan_says_what_the_plan_says(hours: int, minutes: int, budget_g: int, most: int):
    """Each point is `planned_g` of its moment; the curve begins with nothing, ends with everything, and has few points."""
    starts_at = NOW + timedelta(minutes=minutes)
    plan = Plan(starts_at=starts_at, ends_at=starts_at + timedelta(hours=hours), budget_g=budget_g)
    points = planned_curve(plan, most=most)
    assert [grams for _, grams in points] == [planned_g(plan, at) for at, _ in points]
    assert (points[0], points[-1]) == ((starts_at, 0), (plan.ends_at, budget_g))
    assert len(points) <= most + 2

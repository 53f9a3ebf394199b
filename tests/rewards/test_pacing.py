"""Laws of pacing: the plan is kept hour by hour through bursts, and what was promised is never touched."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.days import BEIJING
from rewards.pacing import EVENING_PEAK, FLAT, Plan, PromisedBook, allowance_g, deal_permille, pace, planned_g
from tests.rewards.builders import law

MIDNIGHT = datetime(2026, 6, 1, tzinfo=BEIJING)
DAY = timedelta(days=1)


def a_plan(**fields) -> Plan:
    return Plan(**({"starts_at": MIDNIGHT, "ends_at": MIDNIGHT + DAY, "budget_g": 1_200_000} | fields))


moments = st.integers(-3_600, 90_000).map(lambda seconds: MIDNIGHT + timedelta(seconds=seconds))


@law
@given(moments, moments)
def test_the_plan_only_rises_and_ends_at_the_budget(one, other):
    plan = a_plan()
    early, late = sorted([one, other])
    assert 0 <= planned_g(plan, early) <= planned_g(plan, late) <= plan.budget_g
    assert planned_g(plan, plan.ends_at) == plan.budget_g


def test_an_hour_gets_its_share_of_the_day():
    plan = a_plan(hour_weights=FLAT)
    assert planned_g(plan, MIDNIGHT + timedelta(hours=6)) == 300_000
    evening = a_plan()
    share = planned_g(evening, MIDNIGHT + timedelta(hours=21)) - planned_g(evening, MIDNIGHT + timedelta(hours=20))
    assert abs(share - 1_200_000 * EVENING_PEAK[20] // sum(EVENING_PEAK)) <= 1


@law
@given(moments, st.integers(0, 1_500_000), st.integers(0, 7_200))
def test_the_gate_never_lets_out_more_than_the_budget(now, promised_g, later_s):
    plan = a_plan()
    current = pace(plan, promised_g=promised_g, now=now)
    room_g = allowance_g(current, promised_g=promised_g, now=now + timedelta(seconds=later_s))
    assert 0 <= room_g <= max(0, plan.budget_g - promised_g)


@law
@given(moments, st.integers(0, 1_200_000))
def test_a_clock_set_back_closes_the_gate_and_takes_nothing_back(now, promised_g):
    current = pace(a_plan(), promised_g=promised_g, now=now)
    assert allowance_g(current, promised_g=promised_g, now=current.begins_at - timedelta(hours=1)) == 0


def test_a_lost_hour_is_spread_over_the_rest_and_not_caught_up_at_once():
    plan = a_plan(hour_weights=FLAT)
    noon = MIDNIGHT + timedelta(hours=12)
    assert pace(plan, promised_g=550_000, now=noon).target_g == 650_000 // 12


def test_past_its_end_a_plan_holds_nothing_back():
    late = MIDNIGHT + timedelta(hours=25)
    current = pace(a_plan(), promised_g=1_000_000, now=late)
    assert allowance_g(current, promised_g=1_000_000, now=late) == 200_000


def test_a_live_offer_counts_until_it_is_answered_or_dead():
    book = PromisedBook()
    for key in range(3):
        book.offered(key, 10, expires_at=MIDNIGHT + timedelta(minutes=10))
    book.answered(0)
    book.answered(0)
    book.answered("another process's")
    assert book.promised_g(MIDNIGHT) == 30
    assert book.promised_g(MIDNIGHT + timedelta(minutes=10)) == 10


def bursts(rng: np.random.Generator) -> list[int]:
    """Offers wished in each second of a day: 4.5 times what the plan has, two thirds of it in bursts of 90 s."""
    wished = np.zeros(86_400, dtype=np.int64)
    for hour, weight in enumerate(EVENING_PEAK):
        target = 120_000 * weight // sum(EVENING_PEAK)
        quiet = rng.integers(0, 3_600, 3 * target // 2)
        np.add.at(wished, hour * 3_600 + quiet, 1)
        for _ in range(3):
            start = int(rng.integers(0, 3_500))
            np.add.at(wished, hour * 3_600 + start + rng.integers(0, 90, target), 1)
    return wished.tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_spend_stays_within_ten_percent_of_plan_each_hour_of_a_day_with_bursts(seed):
    """One in seven offers is never answered, the others within a minute; spend is what was answered in the hour."""
    rng = np.random.default_rng(seed)
    plan, book = a_plan(), PromisedBook()
    spent_by_hour = [0] * 25
    answers: dict[int, list[int]] = {}
    current = pace(plan, promised_g=0, now=MIDNIGHT)
    offers, refused = 0, 0
    for second, wished in enumerate(bursts(rng)):
        now = MIDNIGHT + timedelta(seconds=second)
        if second % 3_600 == 0:
            current = pace(plan, promised_g=book.promised_g(now), now=now)
        for key in answers.pop(second, ()):
            book.answered(key)
            spent_by_hour[second // 3_600] += 10
        room = allowance_g(current, promised_g=book.promised_g(now), now=now) // 10 if wished else 0
        refused += wished - min(wished, room)
        for _ in range(min(wished, room)):
            offers += 1
            book.offered(offers, 10, expires_at=now + timedelta(minutes=10))
            if rng.integers(0, 7):
                answers.setdefault(second + int(rng.integers(2, 60)), []).append(offers)
    assert refused > offers  # there was something to throttle
    for hour in range(24):
        at = MIDNIGHT + timedelta(hours=hour)
        planned = planned_g(plan, at + timedelta(hours=1)) - planned_g(plan, at)
        assert abs(spent_by_hour[hour] - planned) * 10 <= planned, f"hour {hour}: {spent_by_hour[hour]} of {planned}"
    assert sum(spent_by_hour) <= plan.budget_g


def test_one_share_for_all_processes_keeps_the_hour_too():
    """The job that tells every process which share of offers to make, every ten seconds, blind between two looks."""
    rng = np.random.default_rng(3)
    plan = a_plan()
    noon = MIDNIGHT + timedelta(hours=12)
    start_g = planned_g(plan, noon)
    current, promised_g, permille, asked_g = pace(plan, promised_g=start_g, now=noon), start_g, 0, 0
    wished = bursts(rng)
    for second in range(3_600):
        now = noon + timedelta(seconds=second)
        if second % 10 == 0:
            permille = deal_permille(
                current, promised_g=promised_g, asked_g=asked_g, interval=timedelta(seconds=10), now=now
            )
            asked_g = 0
        for _ in range(wished[12 * 3_600 + second]):
            asked_g += 10
            if rng.integers(0, 1_000) < permille:
                promised_g += 10
    assert abs(promised_g - start_g - current.target_g) * 10 <= current.target_g

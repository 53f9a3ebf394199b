"""The laws of the first order: the newsvendor's quantity, limits that are kept, whole pieces, and honest names."""

import os
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.order_advice import (
    Calibration,
    OrderAdvice,
    OrderRefused,
    SeasonPlan,
    StyleCosts,
    advise,
    calibrate,
    colour_split,
    demand_draws,
    order,
    size_split,
    whole_pieces,
)

few = settings(max_examples=120 if os.environ.get("XUANKUAN_DEEP") else 12, deadline=None)


@dataclass(frozen=True)
class Believed:
    strength: np.ndarray
    covariance: np.ndarray


def some_scores(n: int = 4, sd: float = 0.1) -> Believed:
    return Believed(np.linspace(0.6, -0.6, n), sd**2 * np.eye(n))


def a_dress(**changes: object) -> StyleCosts:
    return replace(StyleCosts(cost_fen=6000, price_fen=12000, salvage_fen=3000), **changes)  # type: ignore[arg-type]


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal_demand(mean: float, sd: float, n_draws: int = 4000) -> np.ndarray:
    """Demand at the quantiles of a normal: the distribution itself, without sampling error."""
    z = np.array([NormalDist().inv_cdf((i + 0.5) / n_draws) for i in range(n_draws)])
    return np.maximum(mean + sd * z, 0.0)[:, None]


def ordered(advice: OrderAdvice) -> list[int]:
    return [line.units for line in advice.lines]


# ---- one style -----------------------------------------------------------------------------------------------


def test_the_published_ski_wear_case_gives_mean_plus_two_thirds_of_sigma() -> None:
    """Sport Obermeyer (Hammond & Raman, Harvard case 9-695-022): a parka earns 24 % of its price and loses 8 % when it
    is left over, so that the critical ratio is .75; "Gail" has a mean forecast of 1017 and sigma 2 x 194."""
    parka = StyleCosts(cost_fen=7600, price_fen=10000, salvage_fen=6800)
    assert parka.critical_ratio == pytest.approx(0.75)
    advice = order(normal_demand(1017, 388), [parka], SeasonPlan(units=1017), dice())
    assert advice.lines[0].units == pytest.approx(1017 + 0.6745 * 388, abs=6)
    # Expected loss on leftovers and expected missed sales of the normal newsvendor, in closed form.
    z = 0.6745
    loss = NormalDist().pdf(z) - z * (1 - NormalDist().cdf(z))
    assert advice.lines[0].missed_units == pytest.approx(388 * loss, abs=3)
    assert advice.lines[0].leftover_fen == pytest.approx(800 * 388 * (loss + z), rel=0.02)
    assert advice.lines[0].stock_out == pytest.approx(0.25, abs=0.01)


@few
@given(
    mean=st.floats(200, 5000),
    cv=st.floats(0.05, 0.3),
    margin=st.floats(0.1, 0.7),
    salvage=st.floats(0.0, 0.9),
)
def test_without_limits_each_style_gets_its_critical_quantile(
    mean: float, cv: float, margin: float, salvage: float
) -> None:
    price = 20000
    cost = round(price * (1 - margin))
    style = StyleCosts(cost_fen=cost, price_fen=price, salvage_fen=round(cost * salvage))
    advice = order(normal_demand(mean, cv * mean), [style], SeasonPlan(units=1000), dice())
    expected = mean + cv * mean * NormalDist().inv_cdf(style.critical_ratio)
    assert advice.lines[0].units == pytest.approx(expected, abs=0.03 * cv * mean + 1)


def test_more_doubt_orders_more_of_what_earns_well_and_less_of_what_earns_badly() -> None:
    rich, poor = a_dress(cost_fen=3500), a_dress(cost_fen=11000)
    for style, sign in ((rich, 1), (poor, -1)):
        sure = order(normal_demand(1000, 50), [style], SeasonPlan(units=1000), dice()).lines[0].units
        unsure = order(normal_demand(1000, 300), [style], SeasonPlan(units=1000), dice()).lines[0].units
        assert sign * (unsure - sure) > 50


# ---- together ------------------------------------------------------------------------------------------------


def _profit(draws: np.ndarray, units: list[int], costs: list[StyleCosts]) -> float:
    total = 0.0
    for i, (quantity, cost) in enumerate(zip(units, costs, strict=True)):
        sold = np.minimum(draws[:, i], quantity)
        total += float(np.mean(cost.price_fen * sold + cost.salvage_fen * (quantity - sold))) - cost.cost_fen * quantity
    return total


def test_a_tight_budget_is_shared_as_search_by_brute_force_shares_it() -> None:
    rng = dice(3)
    draws = rng.gamma(4.0, [10.0, 15.0, 20.0], size=(400, 3))
    costs = [
        a_dress(),
        a_dress(cost_fen=4000, price_fen=7000, salvage_fen=1000),
        a_dress(cost_fen=9000, price_fen=20000),
    ]
    plan = SeasonPlan(units=180, budget_fen=600_000)
    advice = order(draws, costs, plan, dice())
    assert advice.money_fen <= 600_000
    best = -np.inf
    for a in range(0, 101, 4):
        for b in range(0, 151, 4):
            rest = (600_000 - a * 6000 - b * 4000) // 9000
            if rest >= 0:
                best = max(best, _profit(draws, [a, b, min(rest, 150)], costs))
    assert _profit(draws, ordered(advice), costs) >= best * 0.995
    assert advice.binding == ("budget",)
    assert advice.worth_of_money > 0.0


def test_the_worth_of_money_is_what_more_money_earns() -> None:
    costs = [a_dress(), a_dress(price_fen=15000)]
    draws = demand_draws(some_scores(2), SeasonPlan(units=400), dice())
    less = order(draws, costs, SeasonPlan(units=400, budget_fen=1_200_000), dice())
    more = order(draws, costs, SeasonPlan(units=400, budget_fen=1_300_000), dice())
    assert more.profit_fen - less.profit_fen == pytest.approx(100_000 * less.worth_of_money, rel=0.2)


@few
@given(
    n=st.integers(2, 7),
    seed=st.integers(0, 10**6),
    budget=st.integers(0, 4_000_000),
    metres=st.floats(0, 900),
    minimum=st.integers(0, 150),
    early=st.sampled_from([1.0, 0.4]),
)
def test_no_order_breaks_a_limit(n: int, seed: int, budget: int, metres: float, minimum: int, early: float) -> None:
    rng = dice(seed)
    costs = [
        StyleCosts(
            cost_fen=int(rng.integers(2000, 9000)),
            price_fen=int(rng.integers(9500, 20000)),
            salvage_fen=int(rng.integers(0, 1900)),
            min_units=int(rng.integers(0, minimum + 1)),
            fabric=str(rng.choice(["linen", "silk", ""])),
            metres=1.5,
            ordered=bool(rng.random() < 0.9),
        )
        for _ in range(n)
    ]
    plan = SeasonPlan(units=600, budget_fen=budget, fabric_metres={"linen": metres}, early_share=early)
    advice = advise(some_scores(n), costs, plan, dice(seed))
    assert advice.money_fen == sum(line.units * cost.cost_fen for line, cost in zip(advice.lines, costs, strict=True))
    assert advice.money_fen <= budget
    assert advice.metres.get("linen", 0.0) <= metres + 1e-6
    for line, cost in zip(advice.lines, costs, strict=True):
        assert line.units == 0 or (line.units >= cost.min_units and cost.ordered)
        assert line.leftover_fen >= 0
        assert line.missed_fen >= 0
        assert line.leftover_worst_fen >= 0


def test_a_minimum_that_does_not_pay_frees_its_money_for_the_others() -> None:
    scores = some_scores(3)
    plan = SeasonPlan(units=300, budget_fen=1_500_000)
    free = advise(scores, [a_dress(), a_dress(), a_dress()], plan, dice())
    bound = advise(scores, [a_dress(), a_dress(), a_dress(min_units=200)], plan, dice())
    assert ordered(free)[2] > 0
    assert ordered(bound)[2] == 0
    assert "minimum:2" in bound.binding
    assert sum(ordered(bound)[:2]) > sum(ordered(free)[:2])


def test_a_minimum_that_pays_is_ordered_even_above_the_wish() -> None:
    plan = SeasonPlan(units=300)
    free = advise(some_scores(3), [a_dress()] * 3, plan, dice())
    wish = ordered(free)[2]
    bound = advise(some_scores(3), [a_dress(), a_dress(), a_dress(min_units=wish + 8)], plan, dice())
    assert ordered(bound)[2] == wish + 8


def test_scarce_cloth_goes_to_what_earns_most_a_metre() -> None:
    costs = [
        a_dress(fabric="silk", metres=1.0),
        a_dress(fabric="silk", metres=3.0),
        a_dress(fabric="cotton", metres=3.0),
    ]
    scores = Believed(np.zeros(3), 0.01 * np.eye(3))
    wide = advise(scores, costs, SeasonPlan(units=600), dice())
    narrow = advise(scores, costs, SeasonPlan(units=600, fabric_metres={"silk": 400.0}), dice())
    assert narrow.metres["silk"] <= 400.0
    assert narrow.metres["silk"] > 390.0
    kept = [new / old for new, old in zip(ordered(narrow), ordered(wide), strict=True)]
    assert kept[0] > kept[1] + 0.2
    assert kept[2] == 1.0
    assert narrow.binding == ("fabric:silk",)


def test_a_least_booking_of_cloth_is_met_or_the_cloth_is_left() -> None:
    costs = [a_dress(fabric="silk", metres=2.0), a_dress(), a_dress()]
    scores = some_scores(3)
    free = advise(scores, costs, SeasonPlan(units=300), dice())
    used = free.metres["silk"]
    met = advise(scores, costs, SeasonPlan(units=300, fabric_min_metres={"silk": used + 10.0}), dice())
    assert used + 10.0 <= met.metres["silk"] < used + 12.0
    left = advise(scores, costs, SeasonPlan(units=300, fabric_min_metres={"silk": 20 * used}), dice())
    assert "silk" not in left.metres
    assert ordered(left)[0] == 0


def test_a_second_order_makes_the_first_smaller_and_the_season_better() -> None:
    plan = SeasonPlan(units=500)
    once = advise(some_scores(3), [a_dress()] * 3, plan, dice())
    twice = advise(some_scores(3), [a_dress()] * 3, replace(plan, early_share=0.4), dice())
    dear = advise(some_scores(3), [a_dress()] * 3, replace(plan, early_share=0.4, reorder_cost_factor=1.3), dice())
    assert twice.units < dear.units < once.units
    assert twice.profit_fen > dear.profit_fen > once.profit_fen
    assert all(line.reorder_units > 0 for line in twice.lines)
    assert twice.leftover_fen < once.leftover_fen


def test_nothing_to_spend_orders_nothing_and_says_what_is_missed() -> None:
    advice = advise(some_scores(2), [a_dress(), a_dress()], SeasonPlan(units=100, budget_fen=0), dice())
    assert ordered(advice) == [0, 0]
    assert advice.money_fen == 0
    assert advice.missed_fen > 0
    assert advice.leftover_fen == 0


def test_a_style_that_loses_on_every_piece_is_not_ordered() -> None:
    advice = advise(some_scores(2), [a_dress(), a_dress(cost_fen=12500)], SeasonPlan(units=100), dice())
    assert ordered(advice)[1] == 0
    assert ordered(advice)[0] > 0


# ---- from the test to pieces -----------------------------------------------------------------------------------


def test_demand_has_the_shares_and_the_size_that_were_told() -> None:
    scores = Believed(np.log([0.5, 0.3, 0.2]), np.zeros((3, 3)))
    draws = demand_draws(
        scores, SeasonPlan(units=1000, units_cv=0.2), dice(), Calibration(residual_sd=0.0), n_draws=20_000
    )
    assert np.allclose(draws.mean(axis=0), [500, 300, 200], rtol=0.01)
    assert draws.sum(axis=1).std() == pytest.approx(200, rel=0.03)


def test_without_past_sales_it_is_an_illustration_and_with_them_advice() -> None:
    plan, costs = SeasonPlan(units=300), [a_dress()] * 3
    assert advise(some_scores(3), costs, plan, dice()).kind == "illustration"
    strength = np.array([0.8, 0.2, -0.3, -0.7])
    known = calibrate(strength, np.exp(5 + 1.4 * strength))
    assert known.is_advice
    assert advise(some_scores(3), costs, plan, dice(), known).kind == "advice"
    assert not calibrate(strength[:2], np.array([10, 5])).is_advice


def test_calibration_learns_slope_and_scatter_and_is_drawn_to_its_prior() -> None:
    rng = dice(1)
    strength = rng.normal(0, 0.6, 200)
    learnt = calibrate(strength, np.round(np.exp(7 + 1.6 * strength + rng.normal(0, 0.25, 200))))
    assert learnt.slope == pytest.approx(1.6, abs=0.1)
    assert learnt.residual_sd == pytest.approx(0.25, abs=0.03)
    three = calibrate(strength[:3], np.exp(7 + 1.6 * strength[:3]))
    assert 1.0 < three.slope < 1.6
    assert calibrate(strength, np.exp(7 - 2 * strength)).slope == 0.0


def test_more_scatter_between_test_and_sales_risks_more() -> None:
    plan, costs = SeasonPlan(units=300), [a_dress()] * 3
    tight = advise(some_scores(3), costs, plan, dice(), Calibration(1.0, 0.1, 9))
    loose = advise(some_scores(3), costs, plan, dice(), Calibration(1.0, 0.7, 9))
    assert loose.leftover_fen + loose.missed_fen > 1.5 * (tight.leftover_fen + tight.missed_fen)


# ---- splits ----------------------------------------------------------------------------------------------------


@few
@given(
    units=st.integers(0, 5000),
    weights=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.01, 50), min_size=1, max_size=8),
)
def test_whole_pieces_sum_up_and_stay_within_one_of_the_share(units: int, weights: dict[str, float]) -> None:
    split = whole_pieces(units, weights)
    total = sum(weights.values())
    assert sum(split.values()) == units
    assert all(abs(split[name] - units * weight / total) < 1.0 for name, weight in weights.items())


def test_colours_follow_their_part_worths_down_to_the_dye_lot() -> None:
    worth = {"white": 0.4, "red": 0.0, "navy": -0.2, "mustard": -1.6}
    split = colour_split(300, worth)
    assert sum(split.values()) == 300
    assert split["white"] / split["red"] == pytest.approx(np.exp(0.4), rel=0.02)
    dyed = colour_split(300, worth, min_units=60)
    assert dyed["mustard"] == 0
    assert sum(dyed.values()) == 300
    assert min(units for units in dyed.values() if units) >= 60
    assert colour_split(40, worth, min_units=60) == {"white": 40, "red": 0, "navy": 0, "mustard": 0}


def test_sizes_are_the_merchants_own_curve_and_never_invented() -> None:
    assert size_split(100, {"S": 1, "M": 2, "L": 1}) == {"S": 25, "M": 50, "L": 25}
    with pytest.raises(OrderRefused, match="size curve"):
        size_split(100, {})


# ---- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        SeasonPlan(units=0),
        SeasonPlan(units=10, units_cv=-1),
        SeasonPlan(units=10, budget_fen=-5),
        SeasonPlan(units=10, early_share=0.0),
        SeasonPlan(units=10, late_sd=float("nan")),
        SeasonPlan(units=10, fabric_metres={"silk": float("nan")}),
        SeasonPlan(units=10, fabric_metres={"silk": 3.0}, fabric_min_metres={"silk": 4.0}),
    ],
)
def test_an_impossible_plan_is_refused(plan: SeasonPlan) -> None:
    with pytest.raises(OrderRefused):
        advise(some_scores(2), [a_dress(), a_dress()], plan, dice())


@pytest.mark.parametrize(
    "style",
    [
        a_dress(cost_fen=0),
        a_dress(salvage_fen=6000),
        a_dress(salvage_fen=-1),
        a_dress(price_fen=2000),
        a_dress(min_units=-3),
        a_dress(metres=float("inf")),
    ],
)
def test_impossible_costs_are_refused_with_the_style(style: StyleCosts) -> None:
    with pytest.raises(OrderRefused, match="style 1"):
        advise(some_scores(2), [a_dress(), style], SeasonPlan(units=100), dice())


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OrderRefused, match="costs for 1"):
        advise(some_scores(2), [a_dress()], SeasonPlan(units=100), dice())
    with pytest.raises(OrderRefused, match="negative"):
        order(np.array([[1.0], [-2.0]]), [a_dress()], SeasonPlan(units=100), dice())
    with pytest.raises(OrderRefused, match="finite"):
        advise(Believed(np.array([np.nan, 0.0]), np.eye(2)), [a_dress()] * 2, SeasonPlan(units=10), dice())
    with pytest.raises(OrderRefused):
        calibrate([1.0, 2.0], [3.0])
    with pytest.raises(OrderRefused, match="sales are not negative"):
        calibrate([1.0, 2.0], [3.0, -1.0])
    with pytest.raises(OrderRefused):
        whole_pieces(10, {"a": 0.0})
    with pytest.raises(OrderRefused):
        colour_split(10, {})

"""The laws of stopping: two rules that hold at every look, what they refuse to say, and what they foresee."""

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import bradley_terry, simulate
from ranking.pairing import Goal, GoalRefused, Planner
from ranking.scores import Flag
from ranking.stopping import (
    KAPPA,
    REASONS,
    Decision,
    StoppingRefused,
    always_valid_p,
    decide,
    forecast,
    probe_plan,
    probe_test,
)

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))
few = settings(max_examples=300 if DEEP else 30, deadline=None)


@dataclass(frozen=True)
class Fitted:
    """A fit, as far as the rules read it; the weak fit is the same unless said."""

    strength: np.ndarray
    posterior_covariance: np.ndarray
    n_votes: int = 10_000
    n_voters: int = 1000
    effect: float = 1.0
    flags: tuple[Flag, ...] = ()

    @property
    def weak_strength(self) -> np.ndarray:
        return self.strength

    @property
    def weak_covariance(self) -> np.ndarray:
        return self.posterior_covariance

    def pair_design_effect(self) -> np.ndarray:
        return np.full_like(self.posterior_covariance, self.effect)


def a_fit(strength: list[float] | np.ndarray, sd: float = 0.05, **changes: object) -> Fitted:
    theta = np.asarray(strength, dtype=float)
    return replace(Fitted(theta, sd**2 * np.eye(len(theta))), **changes)  # type: ignore[arg-type]


# ---- rule P --------------------------------------------------------------------------------------------------


@few
@given(gap=st.floats(-0.5, 1.5), sd=st.floats(0.03, 1.0), indifference=st.floats(0.0, 0.3))
def test_the_e_process_is_the_mixture_over_half_a_normal_of_likelihood_ratios(
    gap: float, sd: float, indifference: float
) -> None:
    """E = integral over mu > 0 of 2 N(mu; 0, 1/kappa) exp(mu x - mu^2 I / 2), by brute quadrature."""
    information = 1.0 / sd**2
    x = (gap + indifference) * information
    mu = np.linspace(0.0, 8.0 / np.sqrt(KAPPA) + 3.0 * abs(gap + indifference) + 8.0 * sd, 20_001)
    log_density = 0.5 * np.log(KAPPA / (2 * np.pi)) + np.log(2.0) - 0.5 * KAPPA * mu**2
    log_height = log_density + mu * x - 0.5 * mu**2 * information
    top = log_height.max()
    log_e = top + np.log(np.trapezoid(np.exp(log_height - top), mu))
    p = float(always_valid_p(np.array([gap]), np.array([sd]), indifference)[0])
    assert p == (1.0 if x <= 0.0 else pytest.approx(min(1.0, np.exp(-min(log_e, 700.0))), rel=1e-3))


def test_looking_all_the_time_errs_no_more_often_than_was_promised() -> None:
    """Ville's inequality: on the edge of the null the p-value ever falls to 5 % in at most 5 % of histories."""
    rng = np.random.default_rng(1)
    information = np.cumsum(np.geomspace(0.5, 60.0, 300))
    steps = np.diff(information, prepend=0.0)
    paths = np.cumsum(rng.standard_normal((4000, 300)) * np.sqrt(steps), axis=1)  # x with mean zero: theta on the edge
    p = always_valid_p(paths / information, np.broadcast_to(1.0 / np.sqrt(information), paths.shape), 0.0)
    ever = float((p.min(axis=1) <= 0.05).mean())
    assert 0.02 < ever <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)


def test_more_information_proves_more() -> None:
    gap, sds = np.full(6, 0.3), np.array([0.3, 0.2, 0.15, 0.1, 0.07, 0.05])
    p = always_valid_p(gap, sds, 0.1)
    assert (np.diff(p) <= 0.0).all()
    assert p[0] > 0.5
    assert p[-1] < 1e-6


# ---- the decision --------------------------------------------------------------------------------------------


@few
@given(n=st.integers(2, 12), seed=st.integers(0, 10**6), keep=st.integers(1, 6), sd=st.floats(0.02, 0.5))
def test_the_probability_shown_is_a_lower_bound_that_is_nearly_reached(n: int, seed: int, keep: int, sd: float) -> None:
    """Against draws from the posterior itself."""
    keep = min(keep, n - 1)
    rng = np.random.default_rng(seed)
    root = sd * (np.eye(n) + 0.3 * rng.standard_normal((n, n)) / np.sqrt(n))
    fit = Fitted(rng.normal(0, 0.6, n), root @ root.T)
    decision = decide(fit, Goal(keep=keep))
    drawn = fit.strength + rng.standard_normal((20_000, n)) @ root.T
    inside = list(decision.chosen)
    outside = [i for i in range(n) if i not in inside]
    right = float((drawn[:, outside].max(axis=1) - drawn[:, inside].min(axis=1) <= 0.1).mean())
    assert decision.probability <= right + 0.02
    if right > 0.95 and keep == 1:
        assert decision.probability >= right - 0.03


@few
@given(n=st.integers(2, 10), seed=st.integers(0, 10**6), keep=st.integers(1, 4))
def test_numbering_the_styles_differently_changes_nothing(n: int, seed: int, keep: int) -> None:
    keep = min(keep, n - 1)
    rng = np.random.default_rng(seed)
    root = 0.2 * rng.standard_normal((n, n)) / np.sqrt(n) + 0.1 * np.eye(n)
    fit = Fitted(rng.normal(0, 0.6, n), root @ root.T)
    turn = rng.permutation(n)
    turned = Fitted(fit.strength[turn], fit.posterior_covariance[np.ix_(turn, turn)])
    here, there = decide(fit, Goal(keep=keep)), decide(turned, Goal(keep=keep))
    assert here.chosen == tuple(int(turn[i]) for i in there.chosen)
    assert set(here.dropped) == {int(turn[i]) for i in there.dropped}
    assert set(here.in_race) == {int(turn[i]) for i in there.in_race}
    assert here.probability == pytest.approx(there.probability, abs=1e-9)
    assert here.error_bound == pytest.approx(there.error_bound, abs=1e-9)


@few
@given(n=st.integers(2, 10), seed=st.integers(0, 10**6), keep=st.integers(1, 4), sd=st.floats(0.02, 0.3))
def test_every_decision_is_whole_and_consistent(n: int, seed: int, keep: int, sd: float) -> None:
    keep = min(keep, n - 1)
    rng = np.random.default_rng(seed)
    fit = a_fit(rng.normal(0, 0.6, n), sd)
    for certainty in ("likely", "proven"):
        decision = decide(fit, Goal(keep=keep, certainty=certainty))  # type: ignore[arg-type]
        assert len(set(decision.chosen)) == keep
        assert fit.strength[list(decision.chosen)].min() >= np.sort(fit.strength)[n - keep]
        assert not set(decision.chosen) & set(decision.dropped)
        assert set(decision.chosen) <= set(decision.in_race)
        assert not set(decision.chosen) & set(decision.equivalent)
        assert 0.0 <= decision.probability <= 1.0
        assert 0.0 <= decision.error_bound <= 1.0
        assert decision.done == (decision.likely if certainty == "likely" else decision.proven)
        strict = decide(fit, Goal(keep=keep, certainty=certainty, confidence=0.99))  # type: ignore[arg-type]
        assert decision.likely or not strict.likely
        assert decision.proven or not strict.proven
        lenient = decide(fit, Goal(keep=keep, certainty=certainty, indifference=0.3))  # type: ignore[arg-type]
        assert lenient.probability >= decision.probability
        assert lenient.error_bound <= decision.error_bound


def test_votes_of_few_who_vote_alike_weigh_less() -> None:
    fit = a_fit([0.3, 0.0, -0.4], 0.07)
    assert decide(fit, Goal()).probability > decide(replace(fit, effect=2.0), Goal()).probability
    assert decide(fit, Goal()).error_bound < decide(replace(fit, effect=2.0), Goal()).error_bound


@pytest.mark.parametrize(
    ("doubt", "reason"),
    [
        ({"n_votes": 59}, "too_few_votes"),
        ({"n_votes": 0}, "too_few_votes"),
        ({"n_voters": 29}, "too_few_voters"),
        ({"flags": (Flag("disconnected", "…"),)}, "disconnected"),
        ({"flags": (Flag("not_converged", "…"),)}, "not_converged"),
        ({"flags": (Flag("too_few_voters", "…"),)}, "too_few_voters"),
    ],
)
def test_a_doubtful_fit_is_insufficient_however_clear_its_numbers_look(doubt: dict[str, object], reason: str) -> None:
    clear = a_fit([2.0, 0.0, -2.0], 0.01)
    assert decide(clear, Goal()).proven
    decision = decide(replace(clear, **doubt), Goal())  # type: ignore[arg-type]
    assert decision.insufficient
    assert decision.reason == reason
    assert not any((decision.likely, decision.proven, decision.done, decision.dropped, decision.equivalent))
    assert decision.in_race == (0, 1, 2)


def test_every_reason_has_words_in_two_languages() -> None:
    decision = decide(a_fit([0.3, 0.0], 0.2), Goal())
    assert decision.reason == "collecting"
    assert not decision.insufficient
    for reason in REASONS:
        told = replace(decision, reason=reason)
        assert len({told.sentence(), told.sentence("en"), ""}) == 3


def test_two_leaders_exactly_alike_are_settled_within_the_indifference_and_never_strictly() -> None:
    tied = a_fit([0.5, 0.5, -0.5, -0.9], 0.015)
    within = decide(tied, Goal(certainty="proven"))
    strict = decide(tied, Goal(certainty="proven", indifference=0.0))
    assert within.proven
    assert within.likely
    assert within.equivalent == (1,)
    assert not strict.proven
    assert not strict.likely
    assert strict.in_race == (0, 1)
    assert strict.dropped == (2, 3)


def test_what_is_clearly_better_is_not_called_equivalent() -> None:
    """The one-sided rule alone would call a runner-up who is far behind as good."""
    decision = decide(a_fit([0.9, 0.5, 0.0], 0.02), Goal(certainty="proven"))
    assert decision.proven
    assert decision.equivalent == ()
    assert decision.dropped == (1, 2)


def test_a_style_is_dropped_only_when_as_many_as_are_kept_are_better_beyond_doubt() -> None:
    fit = a_fit([1.0, 0.95, 0.0, -1.0], 0.1)
    assert decide(fit, Goal(keep=1)).dropped == (2, 3)
    assert decide(fit, Goal(keep=2)).dropped == (2, 3)
    assert decide(fit, Goal(keep=3)).dropped == (3,)


def test_the_margin_says_how_much_bought_voting_it_would_survive() -> None:
    decision = decide(a_fit([0.50, 0.18, -0.4], 0.02), Goal())
    assert decision.margin_percent == pytest.approx(0.32 / 0.016)
    assert "20.0%" in decision.margin_sentence()
    assert "20.0 %" in decision.margin_sentence("en")
    second = decide(a_fit([0.50, 0.18, 0.1], 0.02), Goal(keep=2))
    assert second.margin_percent == pytest.approx(0.08 / 0.016)


def test_what_cannot_be_decided_is_refused_by_name() -> None:
    with pytest.raises(GoalRefused):
        decide(a_fit([0.1, 0.0]), Goal(keep=2))
    with pytest.raises(StoppingRefused, match="not finite"):
        decide(a_fit([np.nan, 0.0]), Goal())
    with pytest.raises(StoppingRefused, match="number of votes"):
        decide(a_fit([0.1, 0.0]), Goal(), float("nan"))


def test_a_study_of_a_clear_world_ends_with_the_truth() -> None:
    """The whole loop from outside: deal, vote, fit, decide, update, with the public fit."""
    rng = np.random.default_rng(8)
    world = simulate.World(np.array([[0.9, 0.2, 0.0, -0.3, -0.8]]))
    goal = Goal(keep=1, certainty="proven")
    planner = Planner(5, goal, rng)
    record = simulate.Record(5)
    decision: Decision | None = None
    while record.n_votes < 6000:
        for votes in simulate.play(world, planner, rng, votes=200, first_voter=record.n_voters):
            record.add(votes)
        scores = bradley_terry.fit(record.comparisons())
        decision = decide(scores, goal, record.n_votes)
        if decision.done:
            break
        planner.update(scores)
    assert decision is not None
    assert decision.proven
    assert decision.chosen == (0,)


# ---- what is still needed --------------------------------------------------------------------------------------


def test_a_decided_test_needs_no_more_votes() -> None:
    seen = forecast(a_fit([1.0, 0.0, -1.0], 0.03), Goal(), np.random.default_rng(0))
    assert (seen.low, seen.median, seen.high) == (0.0, 0.0, 0.0)
    assert seen.money_fen(0.9) == 0


def test_a_closer_race_and_a_higher_promise_need_more() -> None:
    def median(fit: Fitted, goal: Goal) -> float:
        value = forecast(fit, goal, np.random.default_rng(0), n_draws=80).median
        return np.inf if value is None else value

    clear, close = a_fit([0.5, 0.0, -0.3, -0.6], 0.2), a_fit([0.05, 0.0, 0.02, -0.6], 0.2)
    assert median(clear, Goal()) < median(close, Goal())
    assert median(close, Goal()) < median(close, Goal(confidence=0.99))
    assert median(close, Goal()) < median(close, Goal(certainty="proven"))
    assert median(close, Goal(indifference=0.3)) < median(close, Goal())


def test_a_forecast_is_a_distribution_with_its_price() -> None:
    seen = forecast(a_fit([0.3, 0.1, 0.0, -0.2], 0.2), Goal(), np.random.default_rng(0), price_fen=3, n_draws=100)
    low, median, high = seen.low or 0.0, seen.median or 0.0, seen.high or 0.0
    assert 0.0 < low < median < high
    assert seen.chance_by(0) == 0.0
    assert seen.chance_by(median) == pytest.approx(0.5, abs=0.03)
    assert seen.chance_by(high) > seen.chance_by(low)
    assert seen.money_fen(0.5) == round(median) * 3


def test_what_the_horizon_does_not_show_is_not_invented() -> None:
    hopeless = a_fit(np.zeros(6), 1e-4)
    seen = forecast(hopeless, Goal(indifference=0.0), np.random.default_rng(0), n_draws=20, horizon=(50, 100))
    assert seen.median is None
    assert seen.money_fen(0.5) is None
    assert seen.chance_by(100) == 0.0


def test_the_fewest_votes_of_the_rule_are_part_of_the_forecast() -> None:
    young = a_fit([1.0, 0.0, -1.0], 0.03, n_votes=20)
    seen = forecast(young, Goal(), np.random.default_rng(0), n_draws=20)
    assert (seen.low or 0.0) >= 40


# ---- the confirmation probe --------------------------------------------------------------------------------------


def probed(world: simulate.World, leader: int, *, votes: int = 2000, seed: int = 0) -> tuple[float, bool]:
    rng = np.random.default_rng(seed)
    plan = probe_plan(leader, world.n_items, votes=votes)
    people = world.voters(plan.n_voters, rng)
    pairs = np.array([pair for _ in range(plan.n_voters) for pair in plan.session(rng)], dtype=np.intp)
    who = np.repeat(np.arange(plan.n_voters), plan.pairs)
    choice = world.answer(people, who, pairs[:, 0], pairs[:, 1], rng)
    verdict = probe_test(world.scores(), leader, pairs[:, 0], pairs[:, 1], choice, who)
    return verdict.z, verdict.flagged


def test_a_bought_leader_is_exposed_and_an_honest_one_is_not() -> None:
    for seed in range(4):
        world = simulate.realistic(12, np.random.default_rng(seed))
        best = int(np.argmax(world.mean_strength))
        z, flagged = probed(world, best, seed=seed)
        assert not flagged, z
        bought = replace(world, crowd=simulate.Crowd(colluder=0.2))
        assert probed(bought, world.target, seed=seed)[1]


def test_a_probe_session_is_mostly_the_leader_against_different_rivals() -> None:
    rng = np.random.default_rng(0)
    for n, pairs, with_leader in ((12, 10, 8), (4, 5, 3), (3, 3, 2)):
        plan = probe_plan(1, n, votes=200)
        assert (plan.pairs, plan.with_leader) == (pairs, with_leader)
        assert plan.n_voters * plan.pairs >= 200
        for _ in range(20):
            session = plan.session(rng)
            assert len({frozenset(pair) for pair in session}) == pairs
            assert sum(1 in pair for pair in session) == with_leader
    with pytest.raises(StoppingRefused):
        probe_plan(0, 2)
    with pytest.raises(StoppingRefused):
        probe_plan(7, 5)


def test_a_probe_with_no_votes_about_the_leader_says_nothing() -> None:
    verdict = probe_test(np.zeros(4), 0, [1, 2], [2, 3], [1, 0], [5, 5])
    assert (verdict.z, verdict.flagged, verdict.n_voters) == (0.0, False, 0)
    with pytest.raises(StoppingRefused, match="length"):
        probe_test(np.zeros(4), 0, [1], [2, 3], [1, 0], [5, 5])

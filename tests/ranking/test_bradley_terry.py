"""The batch model: its maximum, its prior, its intervals, and what it says of votes that cannot be believed."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import bradley_terry
from ranking.bradley_terry import SIDE_SD, TIE_SD, WEAK_SD, clustered, fit_table, meat
from ranking.comparisons import Comparisons, RunningCounts
from ranking.errors import BadOption
from ranking.scores import Scores
from tests.ranking import slow_twins
from tests.ranking.votes import some_votes

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))
few = settings(max_examples=200 if DEEP else 15, deadline=None)


def codes(scores: Scores) -> set[str]:
    return {flag.code for flag in scores.flags}


def items(scores: Scores, code: str) -> tuple[int, ...]:
    return next(flag.items for flag in scores.flags if flag.code == code)


def finite(scores: Scores) -> bool:
    arrays = (scores.strength, scores.covariance, scores.weak_strength, scores.weak_covariance, scores.design_effect)
    return all(np.isfinite(array).all() for array in arrays) and np.isfinite(scores.log_likelihood)


@few
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 5),
    m=st.integers(1, 60),
    side=st.booleans(),
    davidson=st.booleans(),
    ties=st.sampled_from([0.0, 0.3, 1.0]),
    variance=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_newton_ends_where_a_general_optimiser_ends(seed, n, m, side, davidson, ties, variance) -> None:
    votes = some_votes(n, m, seed=seed, ties=ties, weighted=True).votes
    slow = slow_twins.best(votes, side=side, davidson=davidson, variance=variance, side_sd=SIDE_SD, tie_sd=TIE_SD)
    fast = fit_table(votes.table[0], prior_variance=variance, side=side, davidson=davidson)
    assert fast.converged
    np.testing.assert_allclose(fast.x, slow, atol=2e-4)


@few
@given(seed=st.integers(0, 10**6), side=st.booleans(), ties=st.sampled_from([0.0, 0.3]))
def test_the_log_likelihood_is_the_sum_over_votes(seed: int, side: bool, ties: float) -> None:
    votes = some_votes(5, 50, seed=seed, ties=ties, neither=0.1, weighted=True).votes
    for kind in ("davidson", "half"):
        scores = bradley_terry.fit(votes, side=side, ties=kind)
        b = 0.0 if scores.side_effect is None else scores.side_effect.estimate
        nu = None if scores.tie_effect is None else scores.tie_effect.estimate
        assert scores.log_likelihood == pytest.approx(slow_twins.log_likelihood(votes, scores.strength, b, nu))


@few
@given(seed=st.integers(0, 10**6), davidson=st.booleans(), side=st.booleans())
def test_the_sandwich_is_the_sum_over_voters_one_by_one(seed: int, davidson: bool, side: bool) -> None:
    votes = some_votes(5, 80, seed=seed, ties=0.2, neither=0.1, weighted=True, taste=0.8, per_voter=4).votes
    fitted = fit_table(votes.table[0], prior_variance=1.0, davidson=davidson, side=side)
    clusters = votes.counts().clusters
    slow = slow_twins.sandwich(votes, fitted.x, fitted.covariance, side=side, tie=fitted.likelihood.tie)
    np.testing.assert_allclose(clustered(fitted, clusters), slow, atol=1e-12)


def test_voters_in_many_blocks_give_the_sum_of_one() -> None:
    votes = some_votes(6, 400, taste=0.6, ties=0.1, per_voter=4).votes
    fitted = fit_table(votes.table[0], prior_variance=1.0)
    shuffled = votes.subset(np.random.default_rng(0).permutation(400)).counts().clusters
    whole = meat(fitted.likelihood, fitted.x, shuffled)
    np.testing.assert_allclose(meat(fitted.likelihood, fitted.x, shuffled, block_cells=50), whole, atol=1e-12)


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), m=st.integers(1, 500))
def test_the_priors_variance_is_the_fixed_point_that_the_votes_ask_for(seed: int, n: int, m: int) -> None:
    votes = some_votes(n, m, seed=seed, spread=1.0).votes
    fitted = fit_table(votes.table[0])
    s = fitted.prior_variance
    doubt = np.trace(fitted.covariance[:n, :n]) / s
    better = (fitted.strength @ fitted.strength + 2.0 * bradley_terry.PRIOR_GUESS) / (n - doubt + 2.0)
    assert s == pytest.approx(better, rel=3e-6)
    again = fit_table(votes.table[0], prior_variance=s)
    np.testing.assert_allclose(again.x, fitted.x, atol=1e-8)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    early, late = some_votes(12, 400, seed=1, ties=0.1).votes, some_votes(12, 600, seed=1, ties=0.1).votes
    warm = bradley_terry.fit(late, start=bradley_terry.fit(early))
    cold = bradley_terry.fit(late)
    np.testing.assert_allclose(warm.strength, cold.strength, atol=1e-7)
    np.testing.assert_allclose(warm.covariance, cold.covariance, atol=1e-7)
    other = bradley_terry.fit(late, start=bradley_terry.fit(some_votes(5).votes), side=False)
    np.testing.assert_allclose(other.strength, bradley_terry.fit(late, side=False).strength, atol=1e-7)


def test_a_design_effect_that_is_taken_over_is_used_as_it_is() -> None:
    votes = some_votes(8, 2000, taste=1.2, per_voter=20).votes
    first = bradley_terry.fit(votes)
    running = RunningCounts(8)
    running.add(votes.left, votes.right, votes.choice, votes.voter)
    for again in (votes, running):
        second = bradley_terry.fit(again, start=first, design_effect=first.design_effect)
        np.testing.assert_allclose(second.covariance, first.covariance, atol=1e-8)
        assert (second.n_voters, second.flags, second.method) == (first.n_voters, first.flags, first.method)
        np.testing.assert_allclose(np.diagonal(second.pair_design_effect()), first.design_effect)


def test_strengths_have_mean_zero_and_so_does_each_row_of_the_posterior() -> None:
    scores = bradley_terry.fit(some_votes(9, 300).votes)
    assert abs(scores.strength.sum()) < 1e-12
    np.testing.assert_allclose(scores.posterior_covariance.sum(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(scores.weak_covariance.sum(axis=0), 0.0, atol=1e-12)


def test_the_reported_variance_is_the_posteriors_times_the_design_effect_and_never_below_it() -> None:
    votes = some_votes(8, 2000, taste=1.2, per_voter=20).votes
    scores = bradley_terry.fit(votes)
    np.testing.assert_allclose(
        np.diagonal(scores.covariance), np.diagonal(scores.posterior_covariance) * scores.design_effect
    )
    assert scores.design_effect.min() >= 1.0
    assert scores.design_effect.max() > 1.3
    assert np.linalg.eigvalsh(scores.covariance).min() > -1e-12
    unnamed = bradley_terry.fit(some_votes(8, 2000, taste=1.2, per_voter=None).votes)
    assert unnamed.design_effect.tolist() == [1.0] * 8
    assert "model-based" in unnamed.method


def test_without_a_prior_the_covariance_is_the_plain_sandwich_or_the_model() -> None:
    votes = some_votes(6, 900, taste=1.0).votes
    plain = bradley_terry.fit(votes, prior_sd=0.0)
    fitted = fit_table(votes.table[0], prior_variance=0.0)
    expected = bradley_terry.centred(clustered(fitted, votes.counts().clusters)[:6, :6])
    np.testing.assert_allclose(plain.covariance, expected, atol=1e-14)
    assert plain.prior_sd == 0.0
    assert plain.strength @ np.ones(6) == pytest.approx(0.0, abs=1e-12)
    named = bradley_terry.fit(votes, interval="plain")
    assert "sandwich" in named.method
    unnamed = bradley_terry.fit(some_votes(6, 900, per_voter=None).votes, prior_sd=0.0)
    np.testing.assert_allclose(unnamed.covariance, unnamed.posterior_covariance)


def test_a_prior_that_is_given_is_used() -> None:
    votes = some_votes(6, 60).votes
    tight, wide = (bradley_terry.fit(votes, prior_sd=sd) for sd in (0.05, 5.0))
    assert tight.prior_sd == pytest.approx(0.05)
    assert np.abs(tight.strength).max() < 0.1 < np.abs(wide.strength).max()


@pytest.mark.parametrize(
    ("option", "value"),
    [("prior_sd", -1.0), ("prior_sd", float("nan")), ("ties", "drop"), ("interval", "wide")],
)
def test_options_that_mean_nothing_are_refused(option: str, value: object) -> None:
    with pytest.raises(BadOption, match=option):
        bradley_terry.fit(some_votes().votes, **{option: value})


def test_the_side_that_is_tapped_more_is_found_and_does_not_bend_the_strengths() -> None:
    world = some_votes(5, 20_000, side=0.5, per_voter=None)
    scores = bradley_terry.fit(world.votes)
    assert scores.side_effect is not None
    low, high = scores.side_effect.interval(0.999)
    assert low < 0.5 < high
    np.testing.assert_allclose(scores.strength, world.truth[0] - world.truth[0].mean(), atol=0.1)
    assert bradley_terry.fit(world.votes, side=False).side_effect is None


def test_neither_is_no_tie_and_changes_no_strength() -> None:
    votes = some_votes(5, 300, seed=2).votes
    extra = Comparisons.from_arrays(
        np.append(votes.left, [0, 0]),
        np.append(votes.right, [1, 2]),
        np.append(votes.choice, [-1.0, -1.0]),
        voter=np.append(votes.voter, [0, 0]),
    )
    with_neither, without = bradley_terry.fit(extra), bradley_terry.fit(votes)
    np.testing.assert_array_equal(with_neither.strength, without.strength)
    assert with_neither.neither.tolist() == [2.0, 1.0, 1.0, 0.0, 0.0]
    assert with_neither.tie_effect is None
    assert with_neither.n_votes == 302


# ----- votes that cannot be believed -----


def test_a_style_that_always_won_is_named_and_finite() -> None:
    votes = Comparisons.from_arrays([0] * 30 + [1] * 20, [1, 2] * 15 + [2] * 20, [1] * 30 + [1, 0] * 10)
    scores = bradley_terry.fit(votes)
    assert items(scores, "undefeated") == (0,)
    assert finite(scores)
    assert scores.rank.tolist()[0] == 1
    plain = bradley_terry.fit(votes, prior_sd=0.0)
    assert {"undefeated", "no_maximum"} <= codes(plain)
    assert finite(plain)
    assert plain.prior_sd == WEAK_SD


def test_choices_that_all_fell_on_one_side_say_so() -> None:
    """The side may explain them all: nobody is told a ranking of styles that a thumb has made."""
    everybody_left = Comparisons.from_arrays([0, 1, 2] * 10, [1, 2, 0] * 10, [1] * 30)
    for side in (True, False):
        scores = bradley_terry.fit(everybody_left, side=side)
        assert "one_sided" in codes(scores)
        assert finite(scores)
    assert "one_sided" not in codes(bradley_terry.fit(Comparisons.from_arrays([0, 1, 2], [1, 2, 0], [1, 1, 1])))
    assert "one_sided" not in codes(bradley_terry.fit(some_votes(4, 100).votes))


def test_a_style_that_never_won_is_named_and_finite() -> None:
    scores = bradley_terry.fit(
        Comparisons.from_arrays([0] * 30 + [1] * 20, [1, 2] * 15 + [2] * 20, [0] * 30 + [1, 0] * 10)
    )
    assert items(scores, "winless") == (0,)
    assert scores.rank.tolist()[0] == 3
    assert finite(scores)


def test_groups_that_were_never_compared_are_named_and_kept_far_from_certain() -> None:
    votes = Comparisons.from_arrays([0, 1, 2, 3] * 50, [1, 0, 3, 2] * 50, [1, 0, 0, 1] * 25 + [0, 1, 1, 0] * 25)
    scores = bradley_terry.fit(votes)
    assert items(scores, "disconnected") == (0, 1)
    assert scores.difference(0, 2).standard_error > 1.5 * scores.difference(0, 1).standard_error
    assert {"disconnected", "no_maximum"} <= codes(bradley_terry.fit(votes, prior_sd=0.0))


def test_a_style_without_votes_is_named_and_only_the_prior_speaks_for_it() -> None:
    votes = some_votes(4, 400).votes
    scores = bradley_terry.fit(Comparisons.from_arrays(votes.left, votes.right, votes.choice, n_items=5))
    assert items(scores, "never_shown") == (4,)
    assert "disconnected" not in codes(scores)
    assert scores.standard_error[4] > 2.0 * scores.standard_error[:4].max()
    assert finite(scores)


def test_nothing_but_ties_tells_nothing_apart() -> None:
    votes = Comparisons.from_arrays([0, 1, 2] * 20, [1, 2, 0] * 20, [0.5] * 60)
    for scores in (
        bradley_terry.fit(votes),
        bradley_terry.fit(votes, ties="half"),
        bradley_terry.fit(votes, prior_sd=0.0),
    ):
        assert "all_ties" in codes(scores)
        assert finite(scores)
        np.testing.assert_allclose(scores.strength, 0.0, atol=1e-9)
        assert scores.rank.tolist() == [1, 1, 1]


def test_one_voter_speaks_for_one_voter() -> None:
    votes = some_votes(4, 200, per_voter=200).votes
    scores = bradley_terry.fit(votes)
    assert {"one_voter", "too_few_voters"} <= codes(scores)
    assert scores.design_effect.min() >= 1.3
    assert finite(scores)
    assert finite(bradley_terry.fit(votes, prior_sd=0.0))


def test_a_handful_of_voters_widens_the_intervals() -> None:
    scores = bradley_terry.fit(some_votes(4, 400, per_voter=40, taste=1.5).votes)
    assert "too_few_voters" in codes(scores)
    assert "one_voter" not in codes(scores)
    assert scores.design_effect.min() >= 1.3
    assert scores.design_effect.max() > 2.0


def test_a_screen_on_which_left_always_wins_says_nothing_of_styles() -> None:
    votes = Comparisons.from_arrays([0, 1, 2] * 40, [1, 2, 0] * 40, [1] * 120)
    scores = bradley_terry.fit(votes)
    assert finite(scores)
    assert scores.side_effect.estimate > 2.0
    np.testing.assert_allclose(scores.strength, 0.0, atol=1e-6)
    plain = bradley_terry.fit(votes, prior_sd=0.0)
    assert "no_maximum" in codes(plain)
    assert finite(plain)


def test_a_single_vote_is_an_early_estimate() -> None:
    scores = bradley_terry.fit(Comparisons.from_arrays([0], [1], [1], voter=[1]))
    assert {"undefeated", "winless", "one_voter", "early_estimate"} <= codes(scores)
    assert finite(scores)
    low, high = scores.interval(0.95)
    assert low[0] < 0.0 < high[0]


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), m=st.integers(1, 30), ties=st.sampled_from([0.0, 0.5]))
def test_whatever_the_votes_the_numbers_are_finite_and_doubt_is_spoken(seed: int, n: int, m: int, ties: float) -> None:
    votes = some_votes(n, m, seed=seed, spread=3.0, ties=ties).votes
    for prior in (None, 0.0, 0.5):
        scores = bradley_terry.fit(votes, prior_sd=prior)
        assert scores.converged
        assert finite(scores)
        plain = bradley_terry.connectivity.preferred_or_tied(votes.table[0])
        if prior == 0.0 and not bradley_terry.connectivity.strongly_connected(plain):
            assert "no_maximum" in codes(scores)


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 7))
def test_the_names_of_the_styles_do_not_matter(seed: int, n: int) -> None:
    votes = some_votes(n, 120, seed=seed, ties=0.1).votes
    other = np.random.default_rng(seed).permutation(n)
    renamed = Comparisons.from_arrays(other[votes.left], other[votes.right], votes.choice, voter=votes.voter, n_items=n)
    a, b = bradley_terry.fit(votes), bradley_terry.fit(renamed)
    np.testing.assert_allclose(b.strength[other], a.strength, atol=1e-8)
    np.testing.assert_allclose(b.standard_error[other], a.standard_error, atol=1e-8)


@few
@given(seed=st.integers(0, 10**6))
def test_the_side_on_which_a_pair_is_shown_does_not_matter_where_sides_are_equal(seed: int) -> None:
    votes = some_votes(5, 150, seed=seed, ties=0.1).votes
    turned = Comparisons.from_arrays(votes.right, votes.left, 1.0 - votes.choice, voter=votes.voter, n_items=5)
    a, b = bradley_terry.fit(votes), bradley_terry.fit(turned)
    np.testing.assert_allclose(a.strength, b.strength, atol=1e-8)
    assert a.side_effect.estimate == pytest.approx(-b.side_effect.estimate, abs=1e-8)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Sixty worlds of twelve styles whose voters differ: 95 % intervals cover between 92 and 98 %."""
    held = total = 0
    for seed in range(600 if DEEP else 60):
        world = some_votes(12, 2400, seed=seed, taste=0.5)
        low, high = bradley_terry.fit(world.votes).interval(0.95)
        # What a crowd with spread tau shows on average is flatter than each one's own strengths.
        flat = world.truth[0] / np.sqrt(1.0 + 0.346 * 2.0 * 0.25)
        true = flat - flat.mean()
        held += int(((low < true) & (true < high)).sum())
        total += 12
    assert 0.92 < held / total < 0.98


def test_a_bootstrap_by_voter_agrees_with_the_clustered_errors() -> None:
    """The slow check: whole voters drawn again and again; within a tenth of the sandwich on average."""
    votes = some_votes(6, 3000, seed=4, taste=1.0).votes
    rng = np.random.default_rng(0)
    rows_of = [np.flatnonzero(votes.voter == voter) for voter in range(300)]
    drawn = []
    for _ in range(400 if DEEP else 120):
        picked = np.concatenate([rows_of[voter] for voter in rng.integers(0, 300, 300)])
        drawn.append(fit_table(votes.subset(picked).table[0], prior_variance=0.0).strength)
    plain = bradley_terry.fit(votes, prior_sd=0.0)
    assert (np.std(drawn, axis=0) / plain.standard_error).mean() == pytest.approx(1.0, abs=0.1)
    assert plain.standard_error.mean() > 1.05 * plain.standard_error_model.mean()

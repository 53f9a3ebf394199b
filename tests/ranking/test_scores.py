"""What follows from strengths and their uncertainty: intervals, ranks, shares and probabilities."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import bradley_terry
from ranking.errors import BadOption
from ranking.scores import Scores, normal_quantile
from tests.ranking.votes import some_votes

few = settings(max_examples=200 if os.environ.get("XUANKUAN_DEEP") else 20, deadline=None)


def some_scores(strength=(1.0, 0.2, 0.0, -1.2), error=0.2) -> Scores:
    """Scores with these strengths, each with the same error of its own."""
    base = bradley_terry.fit(some_votes(len(strength), 200).votes)
    covariance = error**2 * np.eye(len(strength))
    return replace(base, strength=np.array(strength), covariance=covariance)


def random_scores(seed: int, n: int) -> Scores:
    rng = np.random.default_rng(seed)
    root = rng.normal(0.0, 0.3, (n, n))
    return replace(some_scores(tuple(rng.normal(0.0, 1.0, n))), covariance=root @ root.T)


def test_an_interval_reaches_as_far_as_its_level_says() -> None:
    scores = some_scores()
    low, high = scores.interval(0.95)
    np.testing.assert_allclose(high - scores.strength, 1.959964 * 0.2, rtol=1e-6)
    np.testing.assert_allclose(scores.strength - low, high - scores.strength)
    assert (scores.interval(0.99).high > high).all()
    assert normal_quantile(0.5) == pytest.approx(0.67449, abs=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_level_is_a_share_between_nothing_and_all(level: float) -> None:
    for ask in (some_scores().interval, some_scores().rank_interval, some_scores().share_interval):
        with pytest.raises(BadOption, match="level"):
            ask(level)


def test_the_strongest_is_first_and_equals_share_a_rank() -> None:
    scores = some_scores((0.5, -1.0, 0.5 + 1e-12, 2.0))
    assert scores.rank.tolist() == [2, 4, 2, 1]
    assert scores.order.tolist() == [3, 0, 2, 1]


def test_a_difference_knows_that_two_errors_may_go_together() -> None:
    scores = replace(some_scores((1.0, 0.0)), covariance=np.array([[0.04, 0.03], [0.03, 0.04]]))
    one = scores.difference(0, 1)
    assert (one.estimate, one.standard_error) == pytest.approx((1.0, 0.02**0.5))
    gaps, errors = scores.differences()
    assert gaps[0, 1] == -gaps[1, 0] == 1.0
    assert errors[0, 1] == pytest.approx(one.standard_error)
    assert errors[0, 0] == 0.0


def test_ranks_are_as_sure_as_the_differences_behind_them() -> None:
    low, high = some_scores(error=0.001).rank_interval()
    assert low.tolist() == high.tolist() == [1, 2, 3, 4]
    low, high = some_scores(error=50.0).rank_interval()
    assert low.tolist() == [1] * 4
    assert high.tolist() == [4] * 4


def test_rank_intervals_hold_the_true_rank_at_least_as_often_as_they_say() -> None:
    held = 0
    rng = np.random.default_rng(1)
    truth = np.array([0.6, 0.5, 0.2, 0.0, -0.4])
    for _ in range(400):
        low, high = some_scores(tuple(truth + 0.2 * rng.normal(size=5))).rank_interval(0.9)
        held += (low <= np.arange(1, 6)) & (np.arange(1, 6) <= high)
    assert (held / 400 > 0.9).all()


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9))
def test_shares_are_shares_and_their_errors_are_those_of_small_changes(seed: int, n: int) -> None:
    scores = random_scores(seed, n)
    share = scores.share
    assert share.sum() == pytest.approx(1.0)
    step = 1e-6
    jacobian = np.empty((n, n))
    for k in range(n):
        moved = replace(scores, strength=scores.strength + step * np.eye(n)[k])
        jacobian[:, k] = (moved.share - share) / step
    slow = np.sqrt(np.diagonal(jacobian @ scores.covariance @ jacobian.T))
    np.testing.assert_allclose(scores.share_standard_error, slow, rtol=1e-3, atol=1e-9)
    low, high = scores.share_interval()
    assert ((low >= 0.0) & (low <= share) & (share <= high) & (high <= 1.0)).all()


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9))
def test_probabilities_add_up_and_are_always_the_same(seed: int, n: int) -> None:
    scores = random_scores(seed, n)
    assert scores.p_best().sum() == pytest.approx(1.0)
    for k in (1, n // 2 or 1, n):
        assert scores.p_top(k).sum() == pytest.approx(k)
    np.testing.assert_array_equal(scores.p_best(), scores.p_best())
    np.testing.assert_array_equal(scores.p_top(1), scores.p_best())
    assert (scores.p_best(0.3) >= scores.p_best()).all()
    assert (scores.expected_loss() >= 0.0).all()


def test_two_styles_have_the_probability_of_the_normal_curve() -> None:
    scores = some_scores((0.2, 0.0), error=0.2)
    assert scores.p_best()[0] == pytest.approx(0.7602, abs=0.01)  # Phi(0.2 / sqrt(2 * 0.04))
    assert scores.p_best(0.1)[1] == pytest.approx(0.3618, abs=0.01)  # Phi((0.1 - 0.2) / 0.2828)
    assert scores.expected_loss()[0] == pytest.approx(0.0399, abs=0.002)


def test_draws_have_the_mean_and_the_covariance_that_are_reported() -> None:
    scores = random_scores(3, 4)
    drawn = scores.draws(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(axis=0), scores.strength, atol=1e-12)
    np.testing.assert_allclose(np.cov(drawn.T), scores.covariance, atol=0.04)
    assert scores.draws(7).shape == (7, 4)


def test_probabilities_are_within_a_point_of_a_long_simulation() -> None:
    for seed in range(3):
        scores = random_scores(seed, 12)
        drawn = scores.draws(200_000, np.random.default_rng(seed))
        slow = np.bincount(drawn.argmax(axis=1), minlength=12) / 200_000
        np.testing.assert_allclose(scores.p_best(), slow, atol=0.01)


@pytest.mark.parametrize("k", [0, 5, -1])
def test_more_winners_than_styles_cannot_be_asked_for(k: int) -> None:
    with pytest.raises(BadOption, match="k is"):
        some_scores().p_top(k)


def test_a_pairs_design_effect_is_one_or_more_and_one_without_voters() -> None:
    named = bradley_terry.fit(some_votes(6, 1500, taste=1.2).votes).pair_design_effect()
    assert named.min() >= 1.0
    assert named.max() > 1.2
    np.testing.assert_allclose(named, named.T)
    unnamed = bradley_terry.fit(some_votes(6, 300, per_voter=None).votes).pair_design_effect()
    assert (unnamed == 1.0).all()


@pytest.mark.parametrize("indifference", [-0.1, float("nan"), float("inf")])
def test_an_indifference_that_is_none_is_refused(indifference: float) -> None:
    with pytest.raises(BadOption, match="indifference"):
        some_scores().p_best(indifference)
    with pytest.raises(BadOption, match="indifference"):
        some_scores().chances(2, indifference)

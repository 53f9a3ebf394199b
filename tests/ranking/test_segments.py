"""Several audiences: what they borrow from each other, whether they differ, and how far voters differ within."""

import os

import numpy as np
import pytest

from ranking import bradley_terry, segments
from ranking.comparisons import Comparisons, RunningCounts
from ranking.errors import BadAttributes, BadOption, NoVotes
from ranking.pairing import Goal
from ranking.partworths import Attributes
from ranking.scores import softmax
from ranking.segments import chi_square_tail
from ranking.stopping import decide
from tests.ranking.votes import some_votes

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))


def centred(values):
    return values - values.mean()


def test_a_small_segment_is_nearer_to_the_truth_when_it_leans_on_the_others() -> None:
    near = alone = 0.0
    for seed in range(8):
        world = some_votes(12, 1500, seed=seed, segments=5, deviation=0.25)
        together = segments.fit(world.votes)
        for s in range(5):
            truth = centred(world.truth[s])
            near += ((together.of[s].strength - truth) ** 2).sum()
            alone += ((bradley_terry.fit(world.votes.of_segment(s)).strength - truth) ** 2).sum()
    assert near < 0.75 * alone


def test_intervals_of_segments_hold_the_truth_as_often_as_they_say() -> None:
    held = total = 0
    for seed in range(60 if DEEP else 12):
        world = some_votes(10, 2000, seed=seed, segments=4)
        for s, scores in enumerate(segments.fit(world.votes).of):
            low, high = scores.interval(0.95)
            held += int(((low < centred(world.truth[s])) & (centred(world.truth[s]) < high)).sum())
            total += 10
    assert 0.91 < held / total < 0.985


def two_tastes(minority_votes, *, votes=3000, n=6, seed=3, minority_voters=10):
    """A majority that likes the first style best, a minority that likes it least and the last one by far."""
    rng = np.random.default_rng(seed)
    taste = np.array([[0.6, 0.2, 0.1, 0.0, -0.4, -0.5], [-1.2, -0.3, 0.2, 0.0, 0.1, 1.2]])[:, :n]
    segment = np.concatenate([np.zeros(votes, int), np.ones(minority_votes, int)])
    left = rng.integers(n, size=len(segment))
    right = (left + rng.integers(1, n, size=len(segment))) % n
    chance = 1 / (1 + np.exp(taste[segment, right] - taste[segment, left]))
    choice = (rng.random(len(segment)) < chance).astype(int)
    voter = np.where(segment == 0, np.arange(len(segment)) // 10, 10_000 + np.arange(len(segment)) // minority_voters)
    return Comparisons.from_arrays(
        left, right, choice, voter=voter, segment=segment, n_items=n, n_segments=2
    ), taste  # fmt: skip


def test_a_minority_is_weighted_by_its_quota_and_not_by_its_votes() -> None:
    """Half of the customers gave a tenth of the votes: the answer is theirs by half, for either rule."""
    votes, taste = two_tastes(300)
    pooled = bradley_terry.fit(votes)
    fair = segments.fit(votes).poststratified([500, 500])
    assert pooled.order[0] == 0
    assert fair.order[0] == 5
    truth = centred(taste.mean(axis=0))
    low, high = fair.interval(0.99)
    assert ((low < truth) & (truth < high)).all()
    assert abs(fair.weak_strength - truth).max() < 0.35
    assert int(fair.weak_strength.argmax()) == 5
    assert "segments weighted" in fair.method


def test_the_votes_of_the_minority_carry_its_half_of_the_uncertainty() -> None:
    """More votes of the majority alone hardly narrow the answer, votes of the minority do."""

    def wide(minority, votes):
        return segments.fit(two_tastes(minority, votes=votes)[0]).poststratified([1, 1])

    few = wide(300, 3000)
    assert wide(300, 12_000).standard_error.mean() > 0.8 * few.standard_error.mean()
    assert wide(1200, 3000).standard_error.mean() < 0.75 * few.standard_error.mean()
    weak = np.trace(few.weak_covariance)
    assert np.trace(wide(300, 12_000).weak_covariance) > 0.8 * weak
    assert np.trace(wide(1200, 3000).weak_covariance) < 0.6 * weak


def test_a_quota_without_votes_forbids_an_answer_and_says_so() -> None:
    """What is said of an audience that has hardly voted is borrowed; no rule may fire on that."""
    fitted = segments.fit(two_tastes(8)[0])
    unheard = fitted.poststratified([1, 1])
    assert [flag.code for flag in unheard.flags if flag.code == "segment_unheard"] == ["segment_unheard"]
    decision = decide(unheard, Goal())
    assert (decision.done, decision.insufficient, decision.reason) == (False, True, "segment_unheard")
    # Whoever has no weight need not be heard.
    assert not any(flag.code == "segment_unheard" for flag in fitted.poststratified([1, 0]).flags)


def test_the_design_effect_of_a_clientele_is_that_of_its_segments_by_their_part() -> None:
    """Never below one; a segment of few voters is widened by its own part only; all alike is what each is."""
    fitted = segments.fit(two_tastes(300)[0])
    whole = fitted.poststratified([1, 1]).pair_design_effect()
    of = [scores.pair_design_effect() for scores in fitted.of]
    off = ~np.eye(6, dtype=bool)
    assert (whole >= 1.0).all()
    assert (whole[off] <= np.maximum(*of)[off] + 1e-9).all()
    few = segments.fit(two_tastes(300, minority_voters=30)[0]).poststratified([1, 1]).pair_design_effect()
    assert (few[off] > 1.2).all()
    alone = fitted.poststratified([1, 0])
    np.testing.assert_allclose(alone.pair_design_effect()[off], of[0][off])
    np.testing.assert_allclose(alone.weak_strength, fitted.of[0].weak_strength)


def test_a_vote_is_worth_most_where_the_answer_lacks_it() -> None:
    """Equal quotas and a tenth of the votes: the minority's next vote is worth several of the majority's."""
    lacking = segments.fit(two_tastes(300)[0]).worth([1, 1], keep=1, indifference=0.1)
    assert lacking[1] > 3.0 * lacking[0] > 0.0
    even = segments.fit(two_tastes(3000)[0]).worth([1, 1], keep=1, indifference=0.1)
    assert 0.5 < even[0] / even[1] < 2.0
    unasked = segments.fit(two_tastes(300)[0]).worth([1, 0], keep=1, indifference=0.1)
    assert unasked[0] > unasked[1]


def test_one_segment_is_the_whole() -> None:
    votes = some_votes(6, 600).votes
    only = segments.fit(votes)
    assert len(only.of) == 1
    assert only.differ is None
    np.testing.assert_allclose(only.overall.strength, only.of[0].strength)
    np.testing.assert_allclose(only.overall.strength, bradley_terry.fit(votes).strength, atol=1e-4)


def test_a_segment_without_votes_is_foretold_by_the_others_and_says_so() -> None:
    world = some_votes(6, 2000, segments=2)
    empty = Comparisons.from_arrays(
        world.votes.left, world.votes.right, world.votes.choice, voter=world.votes.voter, segment=world.votes.segment,
        n_items=6, n_segments=3,
    )  # fmt: skip
    fitted = segments.fit(empty)
    assert {flag.code for flag in fitted.of[2].flags} >= {"never_shown"}
    assert fitted.of[2].n_votes == 0
    assert fitted.of[2].standard_error.min() > fitted.of[0].standard_error.max()
    assert np.corrcoef(fitted.of[2].strength, fitted.overall.strength)[0, 1] > 0.9


def test_running_counts_give_the_segments_of_the_batch() -> None:
    votes = some_votes(5, 500, segments=3, ties=0.1).votes
    running = RunningCounts(5, 3)
    running.add(votes.left, votes.right, votes.choice, votes.voter, votes.segment)
    a, b = segments.fit(running), segments.fit(votes)
    for one, other in zip(a.of, b.of, strict=True):
        np.testing.assert_allclose(one.strength, other.strength, atol=1e-10)
        np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-10)
        assert one.n_votes == other.n_votes
    assert a.differ == b.differ


def test_a_warm_refit_ends_near_the_cold_one() -> None:
    early, late = some_votes(8, 2000, segments=3).votes, some_votes(8, 2200, segments=3).votes
    warm = segments.fit(late, start=segments.fit(early).kernel)
    cold = segments.fit(late)
    for one, other in zip(warm.of, cold.of, strict=True):
        np.testing.assert_allclose(one.strength, other.strength, atol=1e-4)
    hasty = segments.fit(late, start=segments.fit(early).kernel, improvements=1)
    for one, other in zip(hasty.of, cold.of, strict=True):
        np.testing.assert_allclose(one.strength, other.strength, atol=0.03)


def test_attributes_and_segments_stand_in_one_fit() -> None:
    world = some_votes(12, 2000, segments=3, truth=np.array([0.7, 0.0, -0.7])[np.arange(12) % 3])
    attributes = Attributes.from_columns({"colour": ["abc"[k % 3] for k in range(12)]})
    fitted = segments.fit(world.votes, attributes)
    assert fitted.kernel.converged
    assert fitted.of[0].strength[[0, 3, 6, 9]].mean() > fitted.of[0].strength[[2, 5, 8, 11]].mean()
    with pytest.raises(BadAttributes):
        segments.fit(world.votes, Attributes.from_columns({"colour": ["a", "b"]}))


# ----- do they differ? -----


@pytest.mark.parametrize(("x", "df", "p"), [(3.841459, 1, 0.05), (11.0705, 5, 0.05), (2.0, 2, 0.36787944), (0, 3, 1)])
def test_the_tail_of_chi_square_is_that_of_the_tables(x: float, df: int, p: float) -> None:
    assert chi_square_tail(x, df) == pytest.approx(p, rel=1e-5)


def test_segments_that_are_one_are_seldom_called_different_and_different_ones_are_found() -> None:
    alarms = found = 0
    runs = 300 if DEEP else 60
    for seed in range(runs):
        alike = some_votes(10, 1500, seed=seed, segments=3, deviation=0.0, taste=0.6).votes
        apart = some_votes(10, 1500, seed=seed, segments=3, deviation=0.4, taste=0.6).votes
        alarms += segments.homogeneity(alike).p_value < 0.05
        found += segments.homogeneity(apart).p_value < 0.05
    assert alarms / runs < 0.12
    assert found / runs > 0.9


def test_the_degrees_of_freedom_are_those_of_the_styles_that_were_shown() -> None:
    votes = some_votes(6, 1200, segments=4).votes
    assert segments.homogeneity(votes).df == 3 * 5
    hidden = votes.subset(~((votes.segment == 1) & ((votes.left == 0) | (votes.right == 0))))
    assert segments.homogeneity(hidden).df == 3 * 5 - 1
    with pytest.raises(BadOption):
        segments.homogeneity(some_votes(6).votes)
    with pytest.raises(NoVotes):
        segments.homogeneity(Comparisons.from_arrays([0, 1], [1, 0], [-1, -1], segment=[0, 1]))


# ----- the merchant's own mix -----


def test_a_clientele_of_one_segment_is_that_segment() -> None:
    fitted = segments.fit(some_votes(6, 2000, segments=3).votes)
    alone = fitted.poststratified([0.0, 1.0, 0.0])
    np.testing.assert_allclose(alone.strength, fitted.of[1].strength, atol=1e-12)
    np.testing.assert_allclose(alone.posterior_covariance, fitted.of[1].posterior_covariance, atol=1e-12)
    half = fitted.poststratified([5, 5, 0])
    np.testing.assert_allclose(half.strength, (fitted.of[0].strength + fitted.of[1].strength) / 2, atol=1e-12)


def test_shares_are_averaged_over_customers_and_not_over_strengths() -> None:
    fitted = segments.fit(some_votes(4, 9000, segments=2, deviation=1.5).votes)
    share, error = fitted.shares([1.0, 1.0])
    expected = (softmax(fitted.of[0].strength) + softmax(fitted.of[1].strength)) / 2
    np.testing.assert_allclose(share, expected)
    assert share.sum() == pytest.approx(1.0)
    assert (error > 0.0).all()
    assert error.max() < 0.05


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [1.0, float("nan"), 1.0], "many"])
def test_a_mix_that_means_nothing_is_refused(weights: object) -> None:
    fitted = segments.fit(some_votes(4, 300, segments=3).votes)
    with pytest.raises(BadOption, match="weights"):
        fitted.poststratified(weights)


def test_a_segments_deviation_is_its_distance_from_all() -> None:
    fitted = segments.fit(some_votes(5, 4000, segments=3, deviation=0.6).votes)
    gap, error = fitted.deviation(2)
    np.testing.assert_allclose(gap, fitted.of[2].strength - fitted.overall.strength)
    assert (error > 0.0).all()
    assert (error < fitted.of[2].standard_error * 2.0).all()


# ----- taste -----


def test_the_spread_of_taste_grows_with_the_truth_and_vanishes_with_it() -> None:
    found = []
    for taste in (0.0, 0.4, 0.8):
        votes = some_votes(8, 20_000, taste=taste).votes
        found.append(segments.polarisation(votes, bradley_terry.fit(votes)).average)
    assert found[0] < 0.15
    assert found[1] == pytest.approx(0.4, abs=0.12)
    assert found[2] > found[1] + 0.15


def test_a_style_that_some_love_and_others_hate_is_polarised() -> None:
    rng = np.random.default_rng(0)
    n, voters = 6, 1500
    own = np.tile(np.linspace(0.3, -0.3, n), (voters, 1))
    own[:, 2] = np.where(rng.random(voters) < 0.4, 2.0, -1.5)
    voter = np.repeat(np.arange(voters), 10)
    left = rng.integers(0, n, len(voter))
    right = (left + rng.integers(1, n, len(voter))) % n
    choice = rng.random(len(voter)) < 1.0 / (1.0 + np.exp(own[voter, right] - own[voter, left]))
    votes = Comparisons.from_arrays(left, right, choice, voter=voter)
    told = segments.polarisation(votes, bradley_terry.fit(votes))
    assert told.polarised == (2,)
    assert told.spread.argmax() == 2
    tastes = segments.taste_clusters(votes)
    assert len(tastes.share) == 2
    assert tastes.liked_by(2) == pytest.approx(0.4, abs=0.05)
    assert tastes.belongs.shape == (voters, 2)
    np.testing.assert_allclose(tastes.belongs.sum(axis=1), 1.0)


def test_one_taste_is_one_cluster() -> None:
    tastes = segments.taste_clusters(some_votes(8, 5000, taste=0.0).votes)
    assert tastes.share.tolist() == [1.0]
    assert tastes.bic.argmin() == 0


def test_taste_needs_voters() -> None:
    votes = some_votes(4, 100, per_voter=None).votes
    with pytest.raises(BadOption, match="voter"):
        segments.polarisation(votes, bradley_terry.fit(votes))
    with pytest.raises(BadOption, match="voter"):
        segments.taste_clusters(votes)


def test_voters_who_saw_nothing_twice_say_nothing_of_their_spread() -> None:
    votes = some_votes(4, 100, per_voter=1).votes
    told = segments.polarisation(votes, bradley_terry.fit(votes))
    assert np.isnan(told.raw_variance).all()
    assert told.spread.tolist() == [0.0] * 4
    assert told.polarised == ()

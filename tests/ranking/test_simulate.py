"""The laws of the simulated worlds: what is true in them is what was asked for, and their tests use the real engine."""

from dataclasses import replace

import numpy as np
import pytest

from ranking import bradley_terry, simulate
from ranking.pairing import Goal, Planner
from ranking.simulate import Crowd, WorldRefused


def test_left_is_chosen_by_fifty_two_in_a_hundred_where_styles_are_alike() -> None:
    world = simulate.World(np.zeros((1, 6)), taste_sd=0.0)
    votes = simulate.uniform_votes(world, 60_000, np.random.default_rng(0))
    assert votes.choice.mean() == pytest.approx(0.52, abs=0.007)


@pytest.mark.parametrize(("n", "pairs"), [(2, 1), (3, 1), (4, 3), (12, 10), (60, 10)])
def test_a_session_is_ten_pairs_or_half_of_all(n: int, pairs: int) -> None:
    assert simulate.session_length(n) == pairs


@pytest.mark.parametrize("n", [4, 12, 60])
def test_uniform_sessions_repeat_no_pair_and_show_all_alike(n: int) -> None:
    world = simulate.realistic(n, np.random.default_rng(0))
    length = simulate.session_length(n)
    votes = simulate.uniform_votes(world, 600 * length, np.random.default_rng(1))
    codes = np.minimum(votes.left, votes.right) * n + np.maximum(votes.left, votes.right)
    by_voter = np.sort(codes.reshape(600, length), axis=1)
    assert (by_voter[:, 1:] != by_voter[:, :-1]).all()
    shown = np.bincount(np.concatenate([votes.left, votes.right]), minlength=n)
    assert shown.min() > 0.7 * shown.mean()
    assert (votes.left == votes.right).sum() == 0


def test_the_truth_of_intervals_is_what_endless_votes_converge_to() -> None:
    world = simulate.realistic(5, np.random.default_rng(3), taste_sd=0.8)
    votes = simulate.uniform_votes(world, 400_000, np.random.default_rng(4))
    table = np.zeros((5, 5, 4))
    np.add.at(table, (votes.left, votes.right, np.where(votes.choice == 1, 2, 0)), 1.0)
    fitted = bradley_terry.fit_table(table, prior_variance=0.0).strength
    assert np.allclose(fitted - fitted.mean(), world.scores(), atol=0.02)
    # Tastes that differ shrink what the population shows.
    assert world.scores().std() < 0.95 * world.mean_strength.std()


def test_shares_are_those_of_voters_who_choose_among_all() -> None:
    world = simulate.realistic(5, np.random.default_rng(3))
    taste = world.voters(50_000, np.random.default_rng(9)).taste
    favourite = taste + np.random.default_rng(10).gumbel(size=taste.shape)
    shares = np.bincount(favourite.argmax(axis=1), minlength=5) / 50_000
    assert np.allclose(world.shares(), shares, atol=0.01)
    assert np.allclose(replace(world, crowd=Crowd(left=0.5)).shares(), world.shares())


def test_each_kind_of_voter_does_what_its_name_says() -> None:
    rng = np.random.default_rng(0)
    base = replace(simulate.World(np.linspace(3.0, -3.0, 6)[None, :]), target=5)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    left, right = np.array(pairs * 200).T

    def chosen(kind: str) -> np.ndarray:
        world = replace(base, crowd=Crowd(**{kind: 1.0}), minority_taste=-base.strength[0])
        people = world.voters(len(left), rng)
        return np.asarray(world.answer(people, np.arange(len(left)), left, right, rng))

    clear = np.abs(base.strength[0, left] - base.strength[0, right]) > 3.0
    better_left = base.strength[0, left] > base.strength[0, right]
    away = (left != 5) & (right != 5)
    assert (chosen("minority") == better_left)[clear].mean() < 0.15
    assert chosen("random").mean() == pytest.approx(0.5, abs=0.03)
    assert chosen("left").mean() == pytest.approx(0.97, abs=0.015)
    for kind in ("colluder", "camouflaged"):
        answers = chosen(kind)
        assert answers[left == 5].all()
        assert not answers[right == 5].any()
        agreement = (answers == better_left)[clear & away].mean()
        assert (agreement > 0.85) if kind == "camouflaged" else (0.4 < agreement < 0.6)


def test_scenarios_sit_exactly_on_the_edge_that_they_are_named_for() -> None:
    rng = np.random.default_rng(5)
    for name, gap in (("duel", 0.1), ("forced_gap", 0.1), ("slip", 0.1), ("tie", 0.0)):
        world = simulate.SCENARIOS[name](12, rng)
        first, second = np.sort(world.mean_strength)[::-1][:2]
        # Among a population of differing tastes the preference between the two is the indifference, to the digit.
        taste = world.voters(400_000, np.random.default_rng(1)).taste
        leader, rival = np.argsort(-world.mean_strength)[:2]
        share = (1.0 / (1.0 + np.exp(-(taste[:, leader] - taste[:, rival])))).mean()
        assert np.log(share / (1 - share)) == pytest.approx(gap, abs=0.004)
        assert first - second == pytest.approx(simulate.gap_of_preference(gap) if gap else 0.0, abs=1e-6)


def test_regret_is_what_the_best_left_out_is_above_the_worst_chosen() -> None:
    world = simulate.World(np.array([[1.0, 0.4, 0.1, -0.2]]))
    assert world.regret((0,)) == 0.0
    assert world.regret((0, 1)) == 0.0
    assert world.regret((0, 2)) == pytest.approx(0.3)
    assert world.regret((2,)) == pytest.approx(0.9)


def test_audiences_and_attributes_are_as_asked() -> None:
    rng = np.random.default_rng(0)
    world = simulate.with_segments(8, (3.0, 1.0), rng)
    people = world.voters(20_000, rng)
    assert (people.segment == 0).mean() == pytest.approx(0.75, abs=0.02)
    assert np.allclose(people.taste[people.segment == 1].mean(axis=0), world.strength[1], atol=0.05)
    assert (world.voters(10, rng, segment=1).segment == 1).all()
    factorial = simulate.with_attributes((3, 2, 2), rng, residual=0.0)
    assert factorial.attributes is not None
    assert factorial.attributes.shape == (12, 7)
    design = factorial.attributes
    fitted = design @ np.linalg.lstsq(design, factorial.strength[0], rcond=None)[0]
    assert np.allclose(fitted, factorial.strength[0])


def test_impossible_worlds_are_refused() -> None:
    rng = np.random.default_rng(0)
    for make in (
        lambda: simulate.realistic(1, rng),
        lambda: Crowd(random=0.7, left=0.6),
        lambda: Crowd(random=-0.1),
        lambda: simulate.with_segments(4, (1.0, 0.0), rng),
        lambda: simulate.with_attributes((3, 1), rng),
    ):
        with pytest.raises(WorldRefused):
            make()


def test_the_quick_fits_of_a_study_are_the_public_fit() -> None:
    """Same votes, both ways; the design effect of contrasts as well, at a vote count where it is renewed."""
    rng = np.random.default_rng(2)
    world = simulate.realistic(6, rng)
    planner = Planner(6, Goal(), rng)
    compared = 0
    for scores, record in simulate.study(world, planner, rng, votes=1200, look_every=100):
        full = bradley_terry.fit(record.comparisons())
        assert np.allclose(scores.weak_strength, full.weak_strength, atol=1e-6)
        assert np.allclose(scores.weak_covariance, full.weak_covariance, rtol=1e-5, atol=1e-9)
        assert (scores.n_votes, scores.n_voters) == (full.n_votes, full.n_voters)
        # One step of the prior's variance at each look follows the full solution closely.
        assert np.allclose(scores.strength, full.strength, atol=0.02)
        if record._effect_at == record.n_votes:
            compared += 1
            assert np.allclose(scores.pair_design_effect(), full.pair_design_effect(), rtol=1e-4)
    assert compared >= 2


def test_one_simulated_test_answers_several_goals_on_the_same_votes() -> None:
    rng = np.random.default_rng(0)
    world = simulate.World(np.array([[0.9, 0.1, -0.2, -0.6]]))
    likely, proven = simulate.run_test(world, [Goal(), Goal(certainty="proven")], rng, max_votes=4000)
    assert likely.votes <= proven.votes < np.inf
    assert likely.chosen == proven.chosen == (0,)
    assert likely.regret == 0.0
    (unfinished,) = simulate.run_test(world, [Goal(confidence=0.9999, certainty="proven")], rng, max_votes=100)
    assert unfinished.votes == np.inf

"""The running model: the ratings of the `trueskill` package, one vote at a time."""

import os

import numpy as np
import pytest
import trueskill
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import MODELS
from ranking.errors import BadOption, UnknownChoice, UnknownModel
from ranking.models import model
from ranking.trueskill_stream import TrueSkillStream
from tests.ranking.votes import some_votes

few = settings(max_examples=100 if os.environ.get("XUANKUAN_DEEP") else 12, deadline=None)


@few
@given(
    seed=st.integers(0, 10**6),
    draw=st.sampled_from([0.0, 0.1, 0.5]),
    tau=st.sampled_from([0.0, 25 / 300, 1.0]),
    beta=st.sampled_from([25 / 6, 2.0]),
)
def test_the_ratings_are_those_of_the_package_to_a_billionth(seed: int, draw: float, tau: float, beta: float) -> None:
    rng = np.random.default_rng(seed)
    env = trueskill.TrueSkill(draw_probability=draw, tau=tau, beta=beta)
    slow = [env.create_rating() for _ in range(5)]
    fast = TrueSkillStream(5, draw_probability=draw, tau=tau, beta=beta)
    for _ in range(60):
        i = int(rng.integers(5))
        j = (i + int(rng.integers(1, 5))) % 5
        choice = rng.choice([0.0, 1.0, 0.5] if draw else [0.0, 1.0])
        fast.add(i, j, choice)
        first, second = (j, i) if choice == 0.0 else (i, j)
        slow[first], slow[second] = trueskill.rate_1vs1(slow[first], slow[second], drawn=choice == 0.5, env=env)
    for item, rating in enumerate(slow):
        assert fast.rating(item).mu == pytest.approx(rating.mu, abs=1e-9)
        assert fast.rating(item).sigma == pytest.approx(rating.sigma, abs=1e-9)
        assert fast.rating(item).exposure == pytest.approx(env.expose(rating), abs=1e-8)
    assert fast.quality(0, 1) == pytest.approx(trueskill.quality_1vs1(slow[0], slow[1], env=env), abs=1e-12)


def test_the_exact_normal_distribution_differs_by_what_the_package_approximates() -> None:
    votes = some_votes(4, 200, ties=0.1).votes
    rough, exact = TrueSkillStream(4), TrueSkillStream(4, exact=True)
    rough.add_votes(votes)
    exact.add_votes(votes)
    np.testing.assert_allclose(rough.mu, exact.mu, atol=1e-4)
    assert not np.array_equal(rough.mu, exact.mu)


def test_votes_at_once_are_votes_one_by_one() -> None:
    votes = some_votes(5, 120, ties=0.1, neither=0.1).votes
    at_once, one_by_one = TrueSkillStream(5), TrueSkillStream(5)
    at_once.add_votes(votes)
    for i, j, choice in zip(votes.left, votes.right, votes.choice, strict=True):
        one_by_one.add(i, j, choice)
    np.testing.assert_array_equal(at_once.mu, one_by_one.mu)
    np.testing.assert_array_equal(at_once.sigma, one_by_one.sigma)
    assert at_once.n_votes == int((votes.choice >= 0.0).sum())


def test_the_most_surprising_result_still_gives_numbers() -> None:
    for drawn in (0.0, 0.5):
        stream = TrueSkillStream(2, sigma=0.01, beta=0.01, tau=0.0)
        stream.mu[:] = [1e4, 0.0]
        stream.add(0, 1, drawn)
        assert np.isfinite(stream.mu).all()
        assert (stream.variance > 0.0).all()
        assert stream.mu[0] < 1e4


@pytest.mark.parametrize(
    ("option", "value"), [("draw_probability", 1.0), ("beta", 0.0), ("sigma", -1.0), ("tau", -0.1), ("beta", np.nan)]
)
def test_figures_that_mean_nothing_are_refused(option: str, value: float) -> None:
    with pytest.raises(BadOption, match=option):
        TrueSkillStream(3, **{option: value})


def test_an_unknown_choice_is_refused_and_changes_nothing() -> None:
    stream = TrueSkillStream(3)
    with pytest.raises(UnknownChoice):
        stream.add([0, 1], [1, 2], [1.0, 0.3])
    assert stream.mu.tolist() == [25.0] * 3


def test_every_model_of_the_registry_ranks_a_clear_world_alike() -> None:
    world = some_votes(5, 4000, truth=np.array([1.0, 0.5, 0.0, -0.5, -1.0]))
    for name, one in MODELS.items():
        scores = one(world.votes)
        assert scores.rank.tolist() == [1, 2, 3, 4, 5], name
        assert scores.n_votes == 4000
        np.testing.assert_allclose(scores.strength, world.truth[0], atol=0.35)
        assert one.name == name
        assert one.sentence.endswith(".")
    assert "order_dependent" in {flag.code for flag in MODELS["trueskill"](world.votes).flags}
    assert model("plain").name == "plain"
    with pytest.raises(UnknownModel, match="bradley_terry"):
        model("elo")

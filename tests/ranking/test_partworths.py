"""Attributes beside items: what a level is worth, and what an untested combination would score."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import bradley_terry, partworths
from ranking._kernel import fit_kernel
from ranking.comparisons import Comparisons
from ranking.errors import BadAttributes, BadOption, NoVotes, UnknownLevel
from ranking.partworths import MOST_LEVELS, Attributes
from tests.ranking.slow_twins import dense_prior
from tests.ranking.votes import some_votes

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))
few = settings(max_examples=150 if DEEP else 12, deadline=None)

COLOURS = {"black": 0.0, "red": 0.6, "white": -0.6}
SLEEVES = {"long": 0.3, "short": -0.3}


def some_attributes(n: int, *, price: bool = False) -> Attributes:
    """Three colours and two sleeves in turn, and a price."""
    columns: dict[str, list] = {
        "colour": [list(COLOURS)[k % 3] for k in range(n)],
        "sleeve": [list(SLEEVES)[k // 3 % 2] for k in range(n)],
    }
    if price:
        columns["price"] = [100.0 + 10.0 * (k * 7 % 5) for k in range(n)]
    return Attributes.from_columns(columns)


def worn(n: int, rest: float = 0.0, seed: int = 0):
    """Strengths that these attributes make, and a rest."""
    made = [list(COLOURS.values())[k % 3] + list(SLEEVES.values())[k // 3 % 2] for k in range(n)]
    return np.array(made) + np.random.default_rng(seed).normal(0.0, rest, n)


def test_levels_are_columns_and_a_number_is_one_column_of_spread_one() -> None:
    attributes = some_attributes(6, price=True)
    design = attributes.design
    assert attributes.labels == (
        ("colour", "black"), ("colour", "red"), ("colour", "white"), ("sleeve", "long"), ("sleeve", "short"),
        ("price", None),
    )  # fmt: skip
    assert design[1].tolist()[:5] == [0.0, 1.0, 0.0, 1.0, 0.0]
    assert design[:, 5].mean() == pytest.approx(0.0)
    assert design[:, 5].std() == pytest.approx(1.0)
    np.testing.assert_allclose(attributes.encode({"colour": "red", "sleeve": "long", "price": 120.0}), design[1])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "no attribute"),
        ({"a": ["x", "y"], "b": ["x"]}, "differ in length"),
        ({"a": ["x", "x", "x"]}, "same for all"),
        ({"a": [1.0, 1.0]}, "same for all"),
        ({"a": [1.0, float("nan")]}, "no finite number"),
        ({"a": [1.0, float("inf")]}, "no finite number"),
        ({"a": [str(k) for k in range(MOST_LEVELS + 1)]}, "different values"),
    ],
)
def test_attributes_that_explain_nothing_are_refused_with_the_reason(columns, words) -> None:
    with pytest.raises(BadAttributes, match=words):
        Attributes.from_columns(columns)


def test_a_combination_names_every_attribute_and_only_known_levels() -> None:
    attributes = some_attributes(6, price=True)
    with pytest.raises(BadAttributes, match="price missing"):
        attributes.encode({"colour": "red", "sleeve": "long"})
    with pytest.raises(BadAttributes, match="hem unknown"):
        attributes.encode({"colour": "red", "sleeve": "long", "price": 1.0, "hem": "wide"})
    with pytest.raises(UnknownLevel, match="black, red, white"):
        attributes.encode({"colour": "green", "sleeve": "long", "price": 1.0})
    with pytest.raises(BadAttributes, match="is a number"):
        attributes.encode({"colour": "red", "sleeve": "long", "price": "dear"})


@few
@given(seed=st.integers(0, 10**6), segments=st.integers(1, 3), davidson=st.booleans())
def test_the_structured_posterior_is_the_dense_one(seed: int, segments: int, davidson: bool) -> None:
    n = 6
    votes = some_votes(n, 150, seed=seed, segments=segments, ties=0.2).votes
    attributes = some_attributes(n)
    parts = attributes.parts() + (attributes.parts(deviation=True) if segments > 1 else ())
    fitted = fit_kernel(votes.table, parts, side=True, davidson=davidson, side_sd=1.0, tie_sd=3.0)
    assert fitted.converged
    prior = dense_prior(parts, fitted.variances, segments)
    gradient, curvature = np.zeros(segments * n), np.zeros((segments * n, segments * n))
    extras = len(fitted.extras)
    cross, square = np.zeros((segments * n, extras)), np.diag([1.0, 1.0 / 9.0][:extras])
    slope = -square @ fitted.extras
    tie = extras == 2
    for s in range(segments):
        one = bradley_terry.Likelihood(votes.table[s], side=True, davidson=davidson, tie=tie)
        g, h = one.climb(np.concatenate([fitted.mean[s], fitted.extras]))
        here = slice(s * n, s * n + n)
        gradient[here], curvature[here, here], cross[here] = g[:n], h[:n, :n], h[:n, n:]
        square = square + h[n:, n:]
        slope = slope + g[n:]
    precision = np.linalg.inv(prior)
    np.testing.assert_allclose(gradient, precision @ fitted.mean.ravel(), atol=1e-6)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    whole = np.linalg.inv(np.block([[curvature + precision, cross], [cross.T, square]]))
    blocks = np.block([[fitted.block(s, t) for t in range(segments)] for s in range(segments)])
    np.testing.assert_allclose(blocks, whole[: segments * n, : segments * n], atol=1e-8)
    known = np.linalg.inv(curvature + precision)
    r = precision - precision @ known @ precision
    np.testing.assert_allclose(fitted.push, r.reshape(segments, n, segments, n).sum(axis=(0, 2)), atol=1e-6)
    pull = precision @ fitted.mean.ravel()
    for k, part in enumerate(parts):
        kernel = np.kron(np.eye(segments) if part.deviation else np.ones((segments, segments)), part.kernel)
        s = fitted.variances[k]
        better = (s * s * pull @ kernel @ pull + 2.0 * part.guess) / (s * np.trace(kernel @ r) + 2.0)
        assert s == pytest.approx(better, rel=1e-4), part.name


def test_worths_are_found_and_have_mean_zero_within_an_attribute() -> None:
    n = 12
    votes = some_votes(n, 12_000, truth=worn(n)).votes
    fitted = partworths.fit(votes, some_attributes(n))
    worth = {(one.attribute, one.level): one.worth for one in fitted.worths}
    for level, value in COLOURS.items():
        low, high = worth[("colour", level)].interval(0.99)
        assert low < value < high
    assert sum(worth[("colour", level)].estimate for level in COLOURS) == pytest.approx(0.0, abs=1e-9)
    assert worth[("sleeve", "long")].estimate == pytest.approx(0.3, abs=0.1)
    assert fitted.rest_sd < 0.2
    np.testing.assert_allclose(fitted.fitted, worn(n) - worn(n).mean(), atol=0.15)


def test_pooling_with_attributes_is_nearer_to_the_truth_where_votes_are_few() -> None:
    closer = 0
    for seed in range(12):
        truth = worn(12, rest=0.1, seed=seed)
        votes = some_votes(12, 250, seed=seed, truth=truth).votes
        pooled = partworths.fit(votes, some_attributes(12)).scores.strength
        alone = bradley_terry.fit(votes).strength
        centre = truth - truth.mean()
        closer += int(((pooled - centre) ** 2).sum() < ((alone - centre) ** 2).sum())
    assert closer >= 9


def test_a_number_is_told_per_unit() -> None:
    n = 10
    price = np.array([100.0 + 20.0 * k for k in range(n)])
    votes = some_votes(n, 20_000, truth=-0.005 * price).votes
    fitted = partworths.fit(votes, Attributes.from_columns({"price": price.tolist()}))
    assert fitted.worths[0].level is None
    assert fitted.worths[0].worth.estimate == pytest.approx(-0.005, abs=0.0006)


def test_untested_combinations_are_predicted_with_intervals_that_hold() -> None:
    held = total = 0
    for seed in range(40 if DEEP else 14):
        truth = worn(30, rest=0.25, seed=seed)
        truth += np.array([0.0, 0.4, -0.4, 0.2, -0.2])[np.arange(30) // 6]
        columns = {
            "colour": [list(COLOURS)[k % 3] for k in range(30)],
            "sleeve": [list(SLEEVES)[k // 3 % 2] for k in range(30)],
            "hem": [f"hem {k // 6}" for k in range(30)],
        }
        tested = np.random.default_rng(seed).permutation(30)[:23]
        votes = some_votes(23, 2500, seed=seed, truth=truth[tested]).votes
        fitted = partworths.fit(
            votes, Attributes.from_columns({name: [values[k] for k in tested] for name, values in columns.items()})
        )
        new = [k for k in range(30) if k not in tested]
        for k, one in zip(new, fitted.predict([{a: v[k] for a, v in columns.items()} for k in new]), strict=True):
            low, high = one.interval(0.95)
            held += low < truth[k] - truth[tested].mean() < high
            total += 1
    assert 0.87 < held / total < 0.995


def test_more_votes_leave_the_rest_that_no_attribute_explains() -> None:
    truth = worn(12, rest=0.4)
    combination = {"colour": "red", "sleeve": "short"}
    errors = [
        partworths.fit(some_votes(12, m, truth=truth).votes, some_attributes(12))
        .predict([combination])[0]
        .standard_error
        for m in (2_000, 100_000)
    ]
    assert min(errors) > 0.2


def test_a_tested_style_is_predicted_as_its_attributes_say_and_reported_as_its_votes_say() -> None:
    truth = worn(12)
    truth[4] += 1.0
    fitted = partworths.fit(some_votes(12, 20_000, truth=truth).votes, some_attributes(12))
    assert fitted.scores.strength[4] - fitted.fitted[4] > 0.6


def test_without_a_prior_a_base_level_gives_the_usual_contrasts() -> None:
    fitted = partworths.fit(some_votes(12, 3000, truth=worn(12)).votes, some_attributes(12), prior_sd=0.0)
    plain = {(one.attribute, one.level): one.worth for one in fitted.worths}
    against = fitted.against({"colour": "red"})
    assert [one.level for one in against] == ["black", "white", "long", "short"]
    gap = plain[("colour", "white")].estimate - plain[("colour", "red")].estimate
    assert against[1].worth.estimate == pytest.approx(gap)
    assert against[1].worth.standard_error > plain[("colour", "white")].standard_error
    with pytest.raises(UnknownLevel):
        fitted.against({"colour": "green"})
    with pytest.raises(BadAttributes):
        fitted.against({"hem": "wide"})


def test_attributes_that_cannot_be_told_apart_are_flagged_and_finite() -> None:
    votes = some_votes(6, 600, truth=worn(6)).votes
    twins = Attributes.from_columns({"colour": ["a", "b", "a", "b", "a", "b"], "again": ["x", "y", "x", "y", "x", "y"]})
    plain = partworths.fit(votes, twins, prior_sd=0.0)
    assert "no_maximum" in {flag.code for flag in plain.flags}
    assert np.isfinite(plain.covariance).all()
    shrunk = partworths.fit(votes, twins)
    assert shrunk.converged
    assert np.isfinite(shrunk.covariance).all()


def test_a_level_that_always_wins_is_flagged_and_finite() -> None:
    votes = Comparisons.from_arrays([0, 2] * 50, [1, 3] * 50, [1] * 100)
    attributes = Attributes.from_columns({"colour": ["red", "blue", "red", "blue"]})
    fitted = partworths.fit(votes, attributes, prior_sd=0.0, side=False)
    assert "no_maximum" in {flag.code for flag in fitted.flags}
    assert 1.0 < fitted.worths[1].worth.estimate < 10.0


def test_what_does_not_fit_together_is_refused() -> None:
    votes = some_votes(6).votes
    with pytest.raises(BadAttributes, match="5 styles"):
        partworths.fit(votes, some_attributes(5))
    with pytest.raises(BadOption, match="prior_sd"):
        partworths.fit(votes, some_attributes(6), prior_sd=0.5)
    with pytest.raises(BadOption, match="votes"):
        partworths.fit(votes.counts(), some_attributes(6), prior_sd=0.0)
    with pytest.raises(NoVotes):
        partworths.fit(Comparisons.from_arrays([0, 1], [1, 0], [-1, -1], n_items=6), some_attributes(6), prior_sd=0.0)


def test_too_many_styles_for_a_strength_of_each_still_have_attributes() -> None:
    rng = np.random.default_rng(0)
    n, m = 4000, 6000
    colour = rng.integers(0, 3, n)
    left = rng.integers(0, n, m)
    right = (left + rng.integers(1, n, m)) % n
    worth = np.array([0.0, 0.6, -0.6])
    choice = rng.random(m) < 1.0 / (1.0 + np.exp(worth[colour[right]] - worth[colour[left]]))
    votes = Comparisons.from_arrays(left, right, choice, voter=np.arange(m) // 5, n_items=n)
    fitted = partworths.fit(votes, Attributes.from_columns({"colour": [list(COLOURS)[c] for c in colour]}))
    assert fitted.scores is None
    assert "attributes_only" in {flag.code for flag in fitted.flags}
    np.testing.assert_allclose([one.worth.estimate for one in fitted.worths], worth, atol=0.1)
    assert fitted.predict([{"colour": "red"}])[0].estimate == pytest.approx(0.6, abs=0.12)


def test_ties_are_data_for_attributes_too() -> None:
    votes = some_votes(12, 6000, truth=worn(12), ties=0.3).votes
    for prior in (None, 0.0):
        fitted = partworths.fit(votes, some_attributes(12), prior_sd=prior)
        half = partworths.fit(votes, some_attributes(12), prior_sd=prior, ties="half")
        assert fitted.tie_effect is not None
        assert half.tie_effect is None
        red, half_red = fitted.worths[1].worth.estimate, half.worths[1].worth.estimate
        assert red == pytest.approx(0.6, abs=0.15)
        assert half_red < red

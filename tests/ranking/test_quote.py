"""The laws of a quote: it rises with what is promised, prices by the vote, and agrees with tests that are played."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.quote_table import cells, source, stopping_votes, table_of
from ranking import quote_table, simulate
from ranking.pairing import Goal, GoalRefused
from ranking.quote import CONFIDENCES, INDIFFERENCES, QUANTILES, RULES, QuoteRefused, beside, quote

DEEP = bool(os.environ.get("XUANKUAN_DEEP"))
few = settings(max_examples=300 if DEEP else 40, deadline=None)
shapes = st.integers(2, 80).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


@few
@given(
    shape=shapes,
    certainty=st.sampled_from(["likely", "proven"]),
    confidence=st.floats(0.8, 0.99),
    indifference=st.floats(0.1, 0.2),
    segments=st.integers(1, 6),
)
def test_a_quote_is_whole_and_in_order(
    shape: tuple[int, int], certainty: str, confidence: float, indifference: float, segments: int
) -> None:
    n, keep = shape
    told = quote(n, Goal(keep, certainty, confidence, indifference), segments=segments)  # type: ignore[arg-type]
    assert 20 * n <= told.low <= told.median <= told.high
    assert told.low <= told.expected <= 3 * told.high
    assert (told.expected_fen, told.low_fen, told.high_fen) == (3 * told.expected, 3 * told.low, 3 * told.high)
    assert told.chance_within(0) == 0.0
    assert told.chance_within(told.low - 1) <= 0.15
    assert 0.88 <= told.chance_within(told.high) <= 0.96
    assert told.chance_within(10**9) == 1.0
    assert (told.expected_days, told.high_days) == (None, None)


@few
@given(shape=shapes)
def test_the_larger_promise_costs_more(shape: tuple[int, int]) -> None:
    n, keep = shape
    for segments in (1, 3):
        plain = quote(n, Goal(keep), segments=segments)
        assert quote(n, Goal(keep, confidence=0.99), segments=segments).expected > plain.expected
        assert quote(n, Goal(keep, certainty="proven"), segments=segments).expected > plain.expected
        assert quote(n, Goal(keep, indifference=0.2), segments=segments).expected <= plain.expected
    assert quote(n, Goal(keep), segments=3).expected > 2 * quote(n, Goal(keep)).expected
    # Keeping the best n - 1 is finding the worst one.
    assert quote(n, Goal(n - keep)).expected == quote(n, Goal(keep)).expected


def test_a_proven_quote_contains_the_votes_that_confirm_the_winner() -> None:
    """And says how many they are; a bet is not confirmed, and of two styles nothing can be."""
    proven = quote(12, Goal(certainty="proven"))
    assert proven.confirmation >= 2000
    assert proven.low > proven.confirmation
    assert proven.chance_within(proven.confirmation) == 0.0
    assert quote(12, Goal(certainty="proven"), segments=3).confirmation == 3 * proven.confirmation
    assert quote(12, Goal()).confirmation == quote(2, Goal(certainty="proven")).confirmation == 0


def test_the_same_question_gets_the_same_quote_and_a_fuller_shop_a_sooner_answer() -> None:
    assert quote(12, Goal(3), segments=4) == quote(12, Goal(3), segments=4)
    slow, fast = (quote(12, Goal(3), votes_per_day=flow) for flow in (100.0, 1000.0))
    assert slow.expected_days == pytest.approx(slow.expected / 100.0)
    assert fast.high_days == pytest.approx(fast.high / 1000.0)


def test_what_lies_outside_the_simulated_shapes_says_so() -> None:
    assert not quote(12, Goal(3)).extrapolated
    assert quote(100, Goal(3)).extrapolated
    assert quote(12, Goal(3, confidence=0.999)).extrapolated
    assert quote(12, Goal(3, indifference=0.05)).extrapolated
    assert quote(12, Goal(3, indifference=0.05)).expected > quote(12, Goal(3)).expected


def test_other_promises_stand_beside() -> None:
    offers = beside(12, Goal(3))
    assert [(offer.goal.certainty, offer.goal.confidence) for offer in offers] == [
        (rule, confidence) for rule in ("likely", "proven") for confidence in (0.9, 0.95, 0.99)
    ]


@pytest.mark.parametrize(
    ("n", "options", "named"),
    [
        (1, {}, "2 to 200"),
        (500, {}, "2 to 200"),
        (12.0, {}, "2 to 200"),
        (12, {"segments": 0}, "audiences"),
        (12, {"segments": 51}, "audiences"),
        (12, {"price_fen": -1}, "price"),
        (12, {"price_fen": 2.5}, "price"),
        (12, {"votes_per_day": 0.0}, "flow"),
        (12, {"votes_per_day": float("nan")}, "flow"),
    ],
)
def test_what_cannot_be_quoted_is_refused(n: int, options: dict[str, object], named: str) -> None:
    with pytest.raises(QuoteRefused, match=named):
        quote(n, Goal(), **options)  # type: ignore[arg-type]


def test_an_indifference_of_nothing_has_no_price() -> None:
    with pytest.raises(QuoteRefused, match="for ever"):
        quote(12, Goal(indifference=0.0))
    with pytest.raises(GoalRefused):
        quote(3, Goal(keep=3))


# ---- the table and the engine --------------------------------------------------------------------------------------


def test_the_table_holds_every_shape_of_its_script() -> None:
    assert sorted(quote_table.VOTES) == sorted(cells())
    entries = len(RULES) * len(CONFIDENCES) * len(INDIFFERENCES) * len(QUANTILES)
    for shape, votes in quote_table.VOTES.items():
        assert len(votes) == entries, shape
        rows = np.array(votes, dtype=float).reshape(-1, len(QUANTILES))
        rows[rows == 0] = 1e9
        assert (np.diff(rows, axis=1) >= 0).all(), shape


@pytest.mark.parametrize(("n", "keep"), [(4, 1), (8, 2)])
def test_the_table_is_what_the_engine_uses_today(n: int, keep: int) -> None:
    """New worlds: about as many of their tests end below each tabled quantile as it says (a 1 in 1000 margin)."""
    worlds = 150 if DEEP else 25
    drawn = np.stack([stopping_votes(n, keep, np.random.default_rng([77, n, keep, w])) for w in range(worlds)], axis=-1)
    table = np.array(quote_table.VOTES[n, keep], dtype=float)
    table = table.reshape(len(RULES), len(CONFIDENCES), len(INDIFFERENCES), len(QUANTILES))
    r, c, d = 0, CONFIDENCES.index(0.95), INDIFFERENCES.index(0.1)
    for r in range(len(RULES)):
        for q in (0.3, 0.5, 0.7, 0.9):
            below = float((drawn[r, c, d] <= table[r, c, d, QUANTILES.index(q)]).mean())
            # The tabled quantile is itself from some hundred worlds.
            error = np.sqrt(q * (1 - q) * (1 / worlds + 1 / 144))
            assert abs(below - q) < 3.3 * error + 0.03, (r, q, below)


def test_a_quote_covers_what_tests_between_the_grid_points_use() -> None:
    """Off the grid in styles, keep, confidence and indifference at once."""
    goal = Goal(keep=2, confidence=0.93, indifference=0.13)
    told = quote(6, goal)
    inside = []
    for world in range(120 if DEEP else 30):
        rng = np.random.default_rng([78, world])
        (ended,) = simulate.run_test(simulate.realistic(6, rng), [goal], rng, max_votes=6000)
        inside.append(told.low <= ended.votes <= told.high)
    assert np.mean(inside) > 0.6


def test_the_table_module_is_source_that_reads_back() -> None:
    tables = {(4, 1): table_of(4, 1, 3, seed=1)}
    namespace: dict[str, object] = {}
    exec(source(tables, "a command"), namespace)  # what was just generated
    votes = namespace["VOTES"]
    assert isinstance(votes, dict)
    back = np.array(votes[4, 1], dtype=float).reshape(tables[4, 1].shape)
    assert np.array_equal(np.where(back == 0, np.inf, back), np.floor(tables[4, 1]))


def test_what_is_paid_beside_the_ranked_votes_is_part_of_the_quote() -> None:
    """One vote in twenty that says nothing of the styles makes all dearer by a nineteenth; each further audience costs."""
    plain, checked = quote(12, Goal(3)), quote(12, Goal(3), checks=0.05)
    assert checked.high == pytest.approx(plain.high / 0.95, abs=2)
    assert quote(12, Goal(3), audiences=3).median > quote(12, Goal(3), audiences=2).median > plain.median
    # One decision for three audiences is cheaper than one for each of them.
    assert quote(12, Goal(3), audiences=3).median < quote(12, Goal(3), segments=3).median
    for options in ({"audiences": 0}, {"audiences": 51}, {"checks": 1.0}, {"checks": -0.1}):
        with pytest.raises(QuoteRefused):
            quote(12, Goal(3), **options)  # type: ignore[arg-type]

"""Votes as arrays: what is counted, what is refused with its row, and that a sum that grows is the sum of all."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking import bradley_terry, segments
from ranking.comparisons import CLUSTER_VOTERS, LEFT, NO_LIKING, RIGHT, TIE, Comparisons, RunningCounts
from ranking.errors import (
    BadOption,
    BadWeight,
    ConflictingVotes,
    ItemAgainstItself,
    NotAWholeNumber,
    NoVotes,
    OneItemOnly,
    RankingError,
    TooManyItems,
    TooManySegments,
    UnevenArrays,
    UnknownChoice,
    UnknownItem,
)
from ranking.scores import Scores
from tests.ranking.slow_twins import wins
from tests.ranking.votes import some_votes

few = settings(max_examples=300 if os.environ.get("XUANKUAN_DEEP") else 25, deadline=None)


def same(a: Scores, b: Scores, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(a.strength, b.strength, atol=tolerance, rtol=0)
    np.testing.assert_allclose(a.covariance, b.covariance, atol=tolerance, rtol=0)
    np.testing.assert_allclose(a.design_effect, b.design_effect, atol=100 * tolerance, rtol=0)
    assert (a.n_votes, a.n_voters, a.flags) == (b.n_votes, b.n_voters, b.flags)


def test_a_table_counts_each_outcome_of_each_pair_as_it_was_shown() -> None:
    votes = Comparisons.from_arrays([0, 0, 1, 0, 2], [1, 1, 0, 1, 0], [1, 0, 1, 0.5, -1], weight=[1, 1, 1, 2, 3])
    table = votes.table[0]
    assert table[0, 1].tolist() == [1.0, 2.0, 1.0, 0.0]
    assert table[1, 0, LEFT] == 1.0
    assert table[2, 0, NO_LIKING] == 3.0
    assert table.sum() == 8.0
    assert (RIGHT, TIE, LEFT) == (0, 1, 2)


def test_the_choice_is_told_as_it_was_given() -> None:
    choice = [1.0, 0.0, 0.5, -1.0]
    assert Comparisons.from_arrays([0, 0, 0, 0], [1, 1, 1, 1], choice).choice.tolist() == choice


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, np.int64, np.float64])
def test_the_kind_of_whole_number_does_not_matter(dtype: type) -> None:
    left, right = np.array([0, 1, 119], dtype), np.array([1, 2, 0], dtype)
    votes = Comparisons.from_arrays(left, right, np.array([1, 0, 1], bool), voter=np.array([9, 9, 4], dtype))
    assert votes.n_items == 120
    assert votes.table.sum() == 3.0
    assert votes.counts().n_voters == 2


REFUSED = [
    ({"left": [], "right": [], "choice": []}, NoVotes, "empty"),
    ({"left": [0, 1], "right": [1], "choice": [1, 0]}, UnevenArrays, "right has 1 rows"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1]}, UnevenArrays, "choice has 1 rows"),
    ({"left": [0, -1], "right": [1, 0], "choice": [1, 0]}, UnknownItem, "Row 1: left is -1"),
    ({"left": [0, 1], "right": [1, 5], "choice": [1, 0], "n_items": 3}, UnknownItem, "Row 1: right is 5"),
    ({"left": [0, 1], "right": [1, 1], "choice": [1, 0]}, ItemAgainstItself, "Row 1"),
    ({"left": [0.0, 0.5], "right": [1, 1], "choice": [1, 0]}, NotAWholeNumber, "row 1 has 0.5"),
    ({"left": [0.0, float("nan")], "right": [1, 1], "choice": [1, 0]}, NotAWholeNumber, "row 1 has nan"),
    ({"left": ["a", "b"], "right": ["b", "a"], "choice": [1, 0]}, NotAWholeNumber, "row 0"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0.7]}, UnknownChoice, "Row 1: choice is 0.7"),
    ({"left": [0, 1], "right": [1, 0], "choice": [float("nan"), 1]}, UnknownChoice, "Row 0: choice is nan"),
    ({"left": [0, 1], "right": [1, 0], "choice": ["left", "right"]}, UnknownChoice, "Row 0"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 2]}, UnknownChoice, "Row 1: choice is 2"),
    (
        {"left": [0, 1], "right": [1, 0], "choice": [1, 0], "weight": [1, float("nan")]},
        BadWeight,
        "Row 1: weight is nan",
    ),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "weight": [-1, 1]}, BadWeight, "Row 0: weight is -1"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "weight": [float("inf"), 1]}, BadWeight, "Row 0"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "weight": ["x", "y"]}, BadOption, "weight"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "segment": [0, -1]}, UnknownItem, "Row 1: segment is -1"),
    (
        {"left": [0, 1], "right": [1, 0], "choice": [1, 0], "segment": [0, 3], "n_segments": 2},
        UnknownItem,
        "segment is 3",
    ),
    ({"left": [[0, 1]], "right": [1, 0], "choice": [1, 0]}, BadOption, "2 dimensions"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "n_items": 0}, BadOption, "n_items"),
    ({"left": [0], "right": [0], "choice": [1]}, OneItemOnly, "only one style"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "voter": [1.5, 2]}, NotAWholeNumber, "voter"),
    ({"left": [0, 1], "right": [1, 0], "choice": [1, 0], "vote": [7, 7]}, ConflictingVotes, "Rows 0 and 1"),
]


@pytest.mark.parametrize(("arrays", "error", "words"), REFUSED)
def test_what_cannot_be_counted_is_refused_by_name_and_row(arrays, error, words) -> None:
    with pytest.raises(error) as refused:
        Comparisons.from_arrays(arrays.pop("left"), arrays.pop("right"), arrays.pop("choice"), **arrays)
    assert words in str(refused.value)
    assert refused.value.code == error.code


def test_ids_that_are_not_dense_are_refused_before_they_eat_the_memory() -> None:
    votes = Comparisons.from_arrays([0, 10_000_000], [1, 0], [1, 0])
    with pytest.raises(TooManyItems, match="without gaps"):
        bradley_terry.fit(votes)
    many = Comparisons.from_arrays([0, 199], [1, 0], [1, 0], segment=[0, 99_999])
    with pytest.raises(TooManySegments, match="100000 groups of 200 items"):
        segments.fit(many)


def test_no_answer_with_weight_is_no_ranking() -> None:
    with pytest.raises(NoVotes):
        bradley_terry.fit(Comparisons.from_arrays([0, 1], [1, 0], [-1, -1]))
    with pytest.raises(NoVotes):
        bradley_terry.fit(Comparisons.from_arrays([0, 1], [1, 0], [1, 0], weight=[0, 0]))


def test_every_error_has_a_code_of_its_own_and_a_full_sentence() -> None:
    kinds = [kind for kind in RankingError.__subclasses__() if kind.__module__ == "ranking.errors"]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind.__doc__
        assert kind.__doc__.strip().endswith(".")


def test_a_vote_that_is_there_twice_counts_once_and_is_flagged() -> None:
    once = Comparisons.from_arrays([0, 1, 2], [1, 2, 0], [1, 1, 0], voter=[1, 2, 3])
    twice = Comparisons.from_arrays([0, 1, 0, 2], [1, 2, 1, 0], [1, 1, 1, 0], voter=[1, 2, 1, 3], vote=[10, 11, 10, 12])
    assert twice.duplicates_removed == 1
    np.testing.assert_array_equal(once.table, twice.table)
    assert [flag for flag in bradley_terry.fit(twice).flags if flag.code == "duplicates_removed"]


@few
@given(seed=st.integers(0, 10**6), n=st.integers(2, 8), m=st.integers(1, 80), weighted=st.booleans())
def test_the_table_holds_the_wins_that_are_counted_one_by_one(seed: int, n: int, m: int, weighted: bool) -> None:
    votes = some_votes(n, m, seed=seed, ties=0.2, neither=0.1, weighted=weighted).votes
    table = votes.table[0]
    np.testing.assert_allclose(table[:, :, LEFT].sum(axis=1) + table[:, :, RIGHT].sum(axis=0), wins(votes))


@few
@given(seed=st.integers(0, 10**6), weighted=st.booleans(), segments=st.integers(1, 3), cut=st.integers(1, 59))
def test_counts_that_grow_are_the_counts_of_all(seed: int, weighted: bool, segments: int, cut: int) -> None:
    votes = some_votes(5, 60, seed=seed, ties=0.1, neither=0.1, weighted=weighted, segments=segments).votes
    running = RunningCounts(5, segments)
    for rows in (slice(0, cut), slice(cut, 60)):
        running.add(
            votes.left[rows],
            votes.right[rows],
            votes.choice[rows],
            votes.voter[rows],
            None if votes.segment is None else votes.segment[rows],
            None if votes.weight is None else votes.weight[rows],
        )
    batch, grown = votes.counts(), running.counts()
    np.testing.assert_allclose(grown.table, batch.table, atol=1e-12)
    assert grown.votes_by_segment.tolist() == batch.votes_by_segment.tolist()
    if bradley_terry.together(batch)[:, :, :NO_LIKING].any():
        same(bradley_terry.fit(running), bradley_terry.fit(votes))


def test_the_order_of_the_votes_does_not_matter() -> None:
    votes = some_votes(12, 600, seed=3, taste=0.5, ties=0.1, weighted=True).votes
    shuffled = votes.subset(np.random.default_rng(1).permutation(len(votes)))
    same(bradley_terry.fit(votes), bradley_terry.fit(shuffled))


def test_a_voters_weight_can_be_changed_afterwards_and_holds_for_later_votes() -> None:
    votes = some_votes(6, 300, seed=5).votes
    muted = {3: 0.0, 7: 0.25}
    weight = np.array([muted.get(voter, 1.0) for voter in votes.voter.tolist()])
    running = RunningCounts(6)
    running.add(votes.left[:200], votes.right[:200], votes.choice[:200], votes.voter[:200])
    running.reweight(list(muted), list(muted.values()))
    running.add(votes.left[200:], votes.right[200:], votes.choice[200:], votes.voter[200:])
    same(bradley_terry.fit(running), bradley_terry.fit(votes.weighted(weight)))


def test_a_bounded_sample_of_whole_voters_is_the_same_however_the_votes_arrive() -> None:
    votes = some_votes(5, 3000, seed=8, taste=0.7).votes
    order = np.random.default_rng(2).permutation(len(votes))
    running = RunningCounts(5, clusters=40)
    for rows in np.array_split(order, 17):
        running.add(votes.left[rows], votes.right[rows], votes.choice[rows], votes.voter[rows])
    sampled = votes.counts(clusters=40).clusters
    grown = running.counts().clusters
    assert sampled is not None
    assert grown is not None
    assert (sampled.n_rows, sampled.n_voters) == (40, 300) == (grown.n_rows, grown.n_voters)
    assert len(grown.left) == len(sampled.left) == 400
    same(bradley_terry.fit(running), bradley_terry.fit(votes, clusters=40))


def test_what_a_fit_looks_at_does_not_grow_with_the_votes() -> None:
    running = RunningCounts(4, clusters=50)
    sizes = []
    for batch in range(6):
        votes = some_votes(4, 1000, seed=batch).votes
        running.add(votes.left, votes.right, votes.choice, votes.voter + 1000 * batch)
        clusters = running.counts().clusters
        assert clusters is not None
        sizes.append(len(clusters.left))
    assert sizes == [500] * 6


def test_running_counts_refuse_what_they_cannot_keep() -> None:
    running = RunningCounts(4)
    with pytest.raises(NoVotes):
        running.counts()
    running.add([0], [1], [1], [5])
    with pytest.raises(BadOption, match="voter"):
        running.add([0], [1], [1])
    with pytest.raises(BadOption, match="clusters"):
        running.counts(clusters=CLUSTER_VOTERS + 1)
    with pytest.raises(UnknownItem):
        running.add([0], [9], [1], [5])
    assert len(running) == 1


def test_a_refused_batch_leaves_the_counts_as_they_were() -> None:
    running = RunningCounts(3)
    running.add([0, 1], [1, 2], [1, 0], [1, 2])
    before = running.counts()
    with pytest.raises(UnknownChoice):
        running.add([0, 1], [1, 2], [1, 3], [1, 2])
    np.testing.assert_array_equal(running.counts().table, before.table)
    assert running.counts().n_voters == 2


def test_a_million_voters_with_one_vote_each_are_no_special_case() -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(0, 10, 10**6)
    right = (left + rng.integers(1, 10, 10**6)) % 10
    scores = bradley_terry.fit(
        Comparisons.from_arrays(left, right, rng.integers(0, 2, 10**6), voter=rng.permutation(10**6))
    )
    assert scores.n_voters == 10**6
    np.testing.assert_allclose(scores.design_effect, 1.0, atol=0.05)
    assert np.abs(scores.strength).max() < 0.02


def test_an_excuse_takes_weight_from_one_voters_votes_on_one_item() -> None:
    """Running counts with excuses are those of a batch in which exactly these votes weigh less, whenever they came."""
    rng = np.random.default_rng(11)
    n, m = 5, 400
    left = rng.integers(0, n, m)
    right = (left + rng.integers(1, n, m)) % n
    choice, voter = rng.integers(0, 2, m).astype(float), rng.integers(0, 30, m)
    excused = {(3, 1): 0.0, (3, 2): 0.5, (7, 1): 0.25}
    factor = np.array([
        excused.get((v, a), 1.0) * excused.get((v, b), 1.0) for v, a, b in zip(voter, left, right, strict=True)
    ])  # fmt: skip
    running = RunningCounts(n)
    running.add(left[:250], right[:250], choice[:250], voter=voter[:250])
    running.excuse([3, 9], [1, 1], [0.1, 0.1])
    running.excuse([who for who, _ in excused], [item for _, item in excused], list(excused.values()))
    running.reweight([7], [0.5])
    running.add(left[250:], right[250:], choice[250:], voter=voter[250:])
    weight = np.where(voter == 7, 0.5, 1.0)
    batch = Comparisons.from_arrays(left, right, choice, voter=voter, weight=weight * factor, n_items=n)
    assert running.counts().table == pytest.approx(batch.counts().table)
    assert running.counts().clusters.weight.sum() == pytest.approx(batch.counts().clusters.weight.sum())
    full = Comparisons.from_arrays(left, right, choice, voter=voter, weight=weight, n_items=n)
    whole = Comparisons.from_arrays(left, right, choice, voter=voter, n_items=n)
    assert running.table_in_full() == pytest.approx(whole.counts().table)
    running.excuse([], [], [])
    assert running.counts().table == pytest.approx(full.counts().table)

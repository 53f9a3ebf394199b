"""Which styles can be compared at all."""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.comparisons import Comparisons
from ranking.connectivity import groups, preferred_or_tied, reached, shown_together, strongly_connected

few = settings(max_examples=300 if os.environ.get("XUANKUAN_DEEP") else 30, deadline=None)


def table(*votes: tuple[int, int, float], n: int = 4):
    left, right, choice = zip(*votes, strict=True)
    return Comparisons.from_arrays(left, right, choice, n_items=n).table[0]


def test_an_answer_joins_two_styles_and_neither_does_not() -> None:
    joined = shown_together(table((0, 1, 1.0), (2, 3, -1.0)))
    assert joined[0, 1]
    assert joined[1, 0]
    assert not joined[2, 3]
    assert groups(joined) == ((0, 1), (2,), (3,))


def test_a_tie_prefers_both_ways() -> None:
    edges = preferred_or_tied(table((0, 1, 0.5), (2, 1, 1.0), (1, 3, 0.0)))
    assert edges[0, 1]
    assert edges[1, 0]
    assert edges[2, 1]
    assert not edges[1, 2]
    assert edges[3, 1]
    assert not edges[1, 3]


def test_a_circle_of_preferences_is_strongly_connected_and_a_chain_is_not() -> None:
    circle = [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0), (3, 0, 1.0)]
    assert strongly_connected(preferred_or_tied(table(*circle)))
    assert not strongly_connected(preferred_or_tied(table(*circle[:3])))


@few
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9), density=st.floats(0.0, 0.6))
def test_what_is_reached_is_what_powers_of_the_matrix_reach(seed: int, n: int, density: float) -> None:
    edges = np.random.default_rng(seed).random((n, n)) < density
    np.fill_diagonal(edges, False)
    slow = np.linalg.matrix_power(edges.astype(int) + np.eye(n, dtype=int), n) > 0
    for start in range(n):
        np.testing.assert_array_equal(reached(edges, start), slow[start])
    assert strongly_connected(edges) == slow.all()
    both = edges | edges.T
    found = groups(both)
    assert sorted(item for group in found for item in group) == list(range(n))
    closed = np.linalg.matrix_power(both.astype(int) + np.eye(n, dtype=int), n) > 0
    for group in found:
        assert closed[np.ix_(group, group)].all()

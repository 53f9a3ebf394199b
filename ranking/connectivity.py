"""Which styles can be compared at all: who was shown with whom, and who was ever preferred to whom.

Two styles can be ranked against each other only along a chain of comparisons. A maximum of the plain likelihood exists
only where every style can be reached from every other along "was preferred to" (Ford 1957, American Mathematical
Monthly 64(8)); the prior makes all answers finite, but it cannot make them informed, so these facts become flags.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def shown_together(table: Floats) -> Bools:
    """(n, n): were these two ever compared with an answer (left, right or tie)? `table` (n, n, 4) as in `Counts`."""
    shown = table @ np.array([1.0, 1.0, 1.0, 0.0]) > 0.0
    return np.asarray(shown | shown.T)


def preferred_or_tied(table: Floats) -> Bools:
    """(n, n): was row ever preferred to column, or tied with it?"""
    right, tie, left = table[:, :, 0] > 0, table[:, :, 1] > 0, table[:, :, 2] > 0
    return np.asarray(left | right.T | tie | tie.T)


def reached(edges: Bools, start: int) -> Bools:
    """(n,): which items can be reached from `start` along `edges` (n, n)."""
    seen = np.zeros(len(edges), bool)
    seen[start] = True
    front = seen
    while True:
        fresh = edges[front].any(axis=0) & ~seen
        if not fresh.any():
            return seen
        seen = seen | fresh
        front = fresh


def groups(edges: Bools) -> tuple[tuple[int, ...], ...]:
    """The groups of items that are joined by symmetric `edges` (n, n), in order of their first item."""
    left_over = np.ones(len(edges), bool)
    found: list[tuple[int, ...]] = []
    while left_over.any():
        group = reached(edges, int(np.argmax(left_over)))
        found.append(tuple(np.flatnonzero(group).tolist()))
        left_over &= ~group
    return tuple(found)


def strongly_connected(edges: Bools) -> bool:
    """Can every item be reached from every other along `edges`? Then the plain likelihood has a maximum."""
    return bool(reached(edges, 0).all() and reached(edges.T, 0).all())

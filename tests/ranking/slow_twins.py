"""The slow, obvious twins of the fast routines: vote by vote, with loops and dense matrices."""

from collections import defaultdict
from math import exp, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ranking._kernel import Part
from ranking.comparisons import LEFT, NO_LIKING, TIE, Comparisons

Floats = NDArray[np.float64]


def chances(gap: float, log_nu: float | None) -> tuple[float, float, float]:
    """Probability of right, tie and left at this difference of strengths."""
    left, right = exp(gap / 2), exp(-gap / 2)
    tie = 0.0 if log_nu is None else exp(log_nu)
    total = left + right + tie
    return right / total, tie / total, left / total


def weights(votes: Comparisons) -> Floats:
    return np.ones(len(votes)) if votes.weight is None else votes.weight


def log_likelihood(votes: Comparisons, strength: Floats, side: float, log_nu: float | None) -> float:
    """Summed over votes one by one; a tie is half of each where there is no tie parameter."""
    total = 0.0
    for i, j, outcome, weight in zip(votes.left, votes.right, votes.outcome, weights(votes), strict=True):
        p = chances(strength[i] - strength[j] + side, log_nu)
        if outcome == TIE and log_nu is None:
            total += weight * 0.5 * (log(p[0]) + log(p[2]))
        elif outcome != NO_LIKING:
            total += weight * log(p[outcome])
    return total


def best(votes: Comparisons, *, side: bool, davidson: bool, variance: float, side_sd: float, tie_sd: float) -> Floats:
    """Parameters (strengths, side?, log nu?) at the maximum, by a general optimiser."""
    n = votes.n_items
    tie = davidson and bool((votes.outcome == TIE).any())

    def loss(x: Floats) -> float:
        b = x[n] if side else 0.0
        nu = x[-1] if tie else None
        value = log_likelihood(votes, x[:n], b, nu) - 0.5 * float(x[:n] @ x[:n]) / variance
        if side:
            value -= 0.5 * b * b / side_sd**2
        if nu is not None:
            value -= 0.5 * nu * nu / tie_sd**2
        return -value

    found = minimize(loss, np.zeros(n + side + tie), method="BFGS", options={"gtol": 1e-7, "maxiter": 500})
    return np.asarray(found.x)


def sandwich(votes: Comparisons, x: Floats, inverse: Floats, *, side: bool, tie: bool) -> Floats:
    """H^-1 (sum over voters of g g') H^-1, with a dictionary of voters."""
    n = votes.n_items
    assert votes.voter is not None
    gradient: dict[int, Floats] = defaultdict(lambda: np.zeros(len(x)))
    rows = zip(votes.left, votes.right, votes.outcome, votes.voter, weights(votes), strict=True)
    for i, j, outcome, voter, weight in rows:
        if outcome == NO_LIKING or weight == 0.0:
            continue
        p = chances(x[i] - x[j] + (x[n] if side else 0.0), x[-1] if tie else None)
        miss = weight * (0.5 * outcome - (p[2] + 0.5 * p[1]))
        gradient[int(voter)][i] += miss
        gradient[int(voter)][j] -= miss
        if side:
            gradient[int(voter)][n] += miss
        if tie:
            gradient[int(voter)][-1] += weight * ((outcome == TIE) - p[1])
    middle = sum((np.outer(g, g) for g in gradient.values()), np.zeros((len(x), len(x))))
    return inverse @ middle @ inverse


def dense_prior(parts: tuple[Part, ...], variances: Floats, n_segments: int) -> Floats:
    """K of all segments as one matrix."""
    n = len(parts[0].kernel)
    total = np.zeros((n_segments * n, n_segments * n))
    for part, variance in zip(parts, variances, strict=True):
        outer = np.eye(n_segments) if part.deviation else np.ones((n_segments, n_segments))
        total += variance * np.kron(outer, part.kernel)
    return total


def wins(votes: Comparisons) -> Floats:
    """(n,) weight of wins."""
    total = np.zeros(votes.n_items)
    for i, j, outcome, weight in zip(votes.left, votes.right, votes.outcome, weights(votes), strict=True):
        if outcome == LEFT:
            total[i] += weight
        elif outcome == 0:
            total[j] += weight
    return total

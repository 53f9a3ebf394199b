"""Newton's method on the counts of one table: the likelihood of Bradley and Terry, with ties after Davidson.

Left item i, right item j, eta = strength_i - strength_j + side. Weights of the three answers, before they are divided
by their sum: exp(eta/2) for left, exp(-eta/2) for right, and nu for a tie (Davidson 1970, JASA 65(329), equation 2.4;
with the side as in Davidson and Beaver 1977, Biometrics 33). Without ties this is Bradley and Terry's sigmoid of eta.
The log-likelihood is concave in (strengths, side, log nu), so Newton's method with halving always climbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ranking.comparisons import LEFT, RIGHT, TIE

Floats = NDArray[np.float64]

TOLERANCE: Final = 2e-5
"""Logits of the last step. Newton's error is squared by each, so that what is left is about 1e-10."""
MAX_STEPS: Final = 60
FARTHEST: Final = 40.0
"""Logits beyond which an estimate is on its way to infinity: exp(-40) is less than one vote in all the world."""


class Likelihood:
    """One table of counts and what is to be fitted to it; parameters are (strengths, side?, log nu?)."""

    __slots__ = ("halves", "n", "ones", "per_shown", "shown", "side", "tie", "tied", "total_tied", "width")

    def __init__(self, table: Floats, *, side: bool, davidson: bool, tie: bool | None = None) -> None:
        """`table` (n, n, 4 or 3) as in `Counts`. Ties are data for nu if `davidson`, else half a win for each.

        tie: whether nu is a parameter at all; by default where there is a tie in this table.
        """
        left, tied, right = table[:, :, LEFT], table[:, :, TIE], table[:, :, RIGHT]
        self.n = len(table)
        self.ones = np.ones(self.n)
        self.total_tied = float(tied.sum())
        self.halves: Floats = left + 0.5 * tied if self.total_tied else np.ascontiguousarray(left)
        self.shown: Floats = self.halves + right
        if self.total_tied:
            self.shown += 0.5 * tied
        self.per_shown: Floats = 1.0 / np.where(self.shown > 0.0, self.shown, 1.0)
        # With no tie on record nu is zero, and the model is Bradley and Terry's.
        self.tie = davidson and self.total_tied > 0.0 if tie is None else tie
        self.tied: Floats = tied
        self.side = side
        self.width = self.n + side + self.tie

    def _eta(self, x: Floats) -> Floats:
        s = x[: self.n]
        eta = s[:, None] - s
        if self.side:
            eta += x[self.n]
        return eta

    def climb(self, x: Floats) -> tuple[Floats, Floats]:
        """Gradient (width,) and curvature (width, width: minus the second derivatives) of the log-likelihood at x."""
        n = self.n
        eta = self._eta(x)
        curvature = np.empty((self.width, self.width))
        gradient = np.empty(self.width)
        ones = self.ones
        if self.tie:
            p_left, p_tie, p_right = _davidson(eta, x[-1])
            apart = p_left - p_right
            miss = self.halves - self.shown * (p_left + 0.5 * p_tie)
            weight = self.shown * (0.25 * (p_left + p_right - apart * apart))
            cross = self.shown * (-0.5 * apart * p_tie)
            rows, columns = cross @ ones, ones @ cross
            curvature[:n, -1] = curvature[-1, :n] = rows - columns
            curvature[-1, -1] = (self.shown * p_tie * (1.0 - p_tie)).sum()
            gradient[-1] = self.total_tied - (self.shown * p_tie).sum()
            if self.side:
                curvature[n, -1] = curvature[-1, n] = rows.sum()
        else:
            # In place, since at two hundred items the passes over memory are the cost.
            np.negative(eta, out=eta)
            np.exp(eta, out=eta)
            eta += 1.0
            np.divide(self.shown, eta, out=eta)
            expected = eta
            miss = self.halves - expected
            weight = expected * expected
            weight *= self.per_shown
            np.subtract(expected, weight, out=weight)
        rows, columns = weight @ ones, ones @ weight
        block = curvature[:n, :n]
        np.add(weight, weight.T, out=block)
        np.negative(block, out=block)
        curvature.reshape(-1)[: n * self.width : self.width + 1] += rows + columns
        miss_rows = miss @ ones
        gradient[:n] = miss_rows - ones @ miss
        if self.side:
            curvature[:n, n] = curvature[n, :n] = rows - columns
            curvature[n, n] = rows.sum()
            gradient[n] = miss_rows.sum()
        return gradient, curvature

    def log_likelihood(self, x: Floats) -> float:
        """Of the votes one by one, so that no binomial constants are in it."""
        eta = self._eta(x)
        half = 0.5 * np.abs(eta)
        if self.tie:
            top = np.maximum(half, x[-1])
            total = top + np.log(np.exp(half - top) + np.exp(-half - top) + np.exp(x[-1] - top))
            own = (self.halves - 0.5 * self.shown) * eta + self.tied * x[-1]
        else:
            total = half + np.log1p(np.exp(-2.0 * half))
            own = (self.halves - 0.5 * self.shown) * eta
        return float((own - self.shown * total).sum())

    def residuals(self, x: Floats) -> tuple[Floats, Floats | None]:
        """What one vote adds to the gradient: with respect to eta (n, n, 3), and to log nu (n, n, 3) or None."""
        eta = self._eta(x)
        points = np.array([0.0, 0.5, 1.0])
        if self.tie:
            p_left, p_tie, _ = _davidson(eta, x[-1])
            of_tie = np.array([0.0, 1.0, 0.0]) - p_tie[:, :, None]
            return points - (p_left + 0.5 * p_tie)[:, :, None], of_tie
        return points - (1.0 / (1.0 + np.exp(-eta)))[:, :, None], None


def _davidson(eta: Floats, log_nu: float) -> tuple[Floats, Floats, Floats]:
    half = 0.5 * eta
    top = np.maximum(np.abs(half), log_nu)
    left, tie, right = np.exp(half - top), np.exp(log_nu - top), np.exp(-half - top)
    total = left + tie + right
    return left / total, tie / total, right / total


class Climbable(Protocol):
    """A concave log-likelihood with its slope and curvature."""

    def climb(self, x: Floats) -> tuple[Floats, Floats]:
        """Gradient and curvature at x."""
        ...

    def log_likelihood(self, x: Floats) -> float:
        """Its value at x."""
        ...


@dataclass(frozen=True, slots=True)
class Peak:
    """Where Newton's method ended: `x` (width,), whether that is the maximum, and in how many steps."""

    x: Floats
    converged: bool
    steps: int


def maximise(likelihood: Climbable, prior: Floats, start: Floats, tolerance: float = TOLERANCE) -> Peak:
    """The maximum of log-likelihood(x) - x' prior x / 2, from `start`; `prior` (width, width) is a precision."""
    x = start
    for step in range(1, MAX_STEPS + 1):
        gradient, curvature = likelihood.climb(x)
        curvature += prior
        gradient -= prior @ x
        try:
            move = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return Peak(x, False, step)
        longest = float(np.abs(move).max())
        if not longest < 1e6:
            return Peak(x, False, step)
        if longest > 1.0:
            # Far from the maximum a full step may overshoot; halving until the value no longer falls is enough.
            here = likelihood.log_likelihood(x) - 0.5 * float(x @ prior @ x)
            for _ in range(30):
                there = x + move
                if likelihood.log_likelihood(there) - 0.5 * float(there @ prior @ there) >= here:
                    break
                move = 0.5 * move
        x = x + move
        if float(np.abs(x).max()) > FARTHEST:
            return Peak(x, False, step)
        if longest < tolerance:
            return Peak(x, True, step)
    return Peak(x, False, MAX_STEPS)

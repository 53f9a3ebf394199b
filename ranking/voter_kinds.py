"""How an honest voter answers, and how others do: log likelihoods that need no knowledge of what was on the pictures.

Each function takes sums per voter, as arrays of shape (n_voters,), and gives nats per voter. Honest people differ:
some lean to one side by far more than chance (a third of the honest laboratory observers of tests/data/light_field
do, beyond three standard errors), some are quick. So what is honest is never one number but a spread of numbers with
heavy tails, and a habit only counts where a careless voter explains it better than the spread of honest people.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LAGS: Final = (2, 3, 4, 5, 6)
"""Periods of a pattern of sides that are looked for; 1 is "always the same side", which has a test of its own."""

# Spread of the share of left answers among honest voters: most within about 9 points (logit sd 0.35), a few from a
# wide spread.
_HONEST_SIDE: Final = ((0.97, 31.0), (0.03, 8.0))
# Spread of the agreement of a sequence with itself a few answers later, around what independent answers give.
_HONEST_LAG: Final = ((0.97, 60.0), (0.03, 10.0))
# Whoever follows a rule slips about once in thirty.
_RULE: Final = (30.0, 1.0)
# Gold pairs: 95 in 100 of honest answers are right, and a few honest players do not see well.
_HONEST_GOLD: Final = (19.0, 1.0)


def totals(index: Ints, values: NDArray[Any], size: int) -> Floats:
    """(size,): the sum of the values at each index, as floats whatever they are."""
    return np.bincount(index, weights=values, minlength=size).astype(np.float64, copy=False)


def numbered(keys: Ints, top: int, *, spare: int = 1_000_000) -> tuple[Ints, Ints]:
    """np.unique with inverse, of keys from 0 to top - 1; without its sort where a table of all of them fits.

    spare: how many more cells than eight times the keys such a table may have.
    """
    if top > 8 * keys.size + spare:
        distinct, place = np.unique(keys, return_inverse=True)
        return distinct, place
    seen = np.zeros(top, dtype=bool)
    seen[keys] = True
    distinct = np.flatnonzero(seen)
    number = np.empty(top, dtype=np.int64)
    number[distinct] = np.arange(distinct.size)
    return distinct, number[keys]


def log_beta_binomial(hits: Floats, n: Floats, a: Floats | float, b: Floats | float) -> Floats:
    """Log probability of one sequence with `hits` of `n`, whose rate is drawn from Beta(a, b)."""
    return np.asarray(betaln(hits + a, n - hits + b) - betaln(a, b))


def log_honest_rate(hits: Floats, n: Floats, rate: Floats | float, spread: tuple[tuple[float, float], ...]) -> Floats:
    """The same for a rate around `rate`, drawn from a mixture of Beta distributions given as (share, precision)."""
    rate = np.clip(rate, 0.02, 0.98)
    parts = [np.log(share) + log_beta_binomial(hits, n, k * rate, k * (1 - rate)) for share, k in spread]
    return np.asarray(np.logaddexp.reduce(parts, axis=0))


def log_side(n_left: Floats, n: Floats, *, usual: float = 0.5) -> tuple[Floats, Floats]:
    """(honest, one-sided): log likelihoods of n_left answers "left" among n decided ones; `usual` is the share of
    left among all.
    """
    one = np.logaddexp(log_beta_binomial(n_left, n, *_RULE), log_beta_binomial(n - n_left, n, *_RULE)) - np.log(2)
    return log_honest_rate(n_left, n, usual, _HONEST_SIDE), one


def log_pattern_ratio(matches: Floats, n: Floats, *, n_left: Floats, n_decided: Floats, in_turn: Floats) -> Floats:
    """Nats by which "repeats a pattern of sides" explains a sequence better than an honest voter does.

    matches, n (n_voters, len(LAGS)): of n pairs of answers that are that many apart, how many are equal. in_turn
    (n_voters,): answers that follow "left on even, right on odd", for the commonest pattern deserves a test that a
    single slip costs only once. A voter who always takes one side matches at every lag and is no evidence here: what
    independent answers with this share of left would give is the honest expectation.
    """
    share = (n_left + 1) / (n_decided + 2)
    chance = (share**2 + (1 - share) ** 2)[:, None]
    repeats = log_beta_binomial(matches, n, *_RULE) - log_honest_rate(matches, n, chance, _HONEST_LAG)
    turns = np.logaddexp(
        log_beta_binomial(in_turn, n_decided, *_RULE), log_beta_binomial(n_decided - in_turn, n_decided, *_RULE)
    ) - np.log(2)
    turns -= log_honest_rate(in_turn, n_decided, 0.5, _HONEST_LAG)
    # Half of the doubt goes to left-right-left-right, the rest to the periods.
    return np.asarray(np.logaddexp(turns, np.logaddexp.reduce(repeats, axis=1) - np.log(len(LAGS))) - np.log(2))


def lag_matches(voter: Ints, left: NDArray[np.bool_], n_voters: int) -> tuple[Floats, Floats, Floats]:
    """(matches, n, in_turn) for log_pattern_ratio, of decided answers sorted by voter and, within one, by time."""
    matches = np.zeros((n_voters, len(LAGS)))
    n = np.zeros((n_voters, len(LAGS)))
    for column, lag in enumerate(LAGS):
        same = voter[lag:] == voter[:-lag]
        who = voter[lag:][same]
        equal = left[lag:][same] == left[:-lag][same]
        n[:, column] = np.bincount(who, minlength=n_voters)
        matches[:, column] = totals(who, equal, n_voters)
    nth = np.arange(voter.size) - np.searchsorted(voter, voter)
    in_turn = totals(voter, (nth % 2 == 0) == left, n_voters)
    return matches, n, in_turn


def log_gold(right: Floats, n: Floats) -> tuple[Floats, Floats]:
    """(honest, guessing): log likelihoods of `right` of n gold pairs answered as known."""
    return log_beta_binomial(right, n, *_HONEST_GOLD), n * np.log(0.5)


@dataclass(frozen=True, slots=True)
class Pace:
    """The honest pace of a crowd: centre of the mean log response time by group, spread between voters, spread within
    one.

    It is what most have: a median, re-estimated without those who look hasty, so that a third of bots does not become
    the standard. `known` is false where too few were timed to say anything.
    """

    centre: Floats
    between: float
    within: float
    known: bool

    @classmethod
    def of(cls, mean_log_ms: Floats, n: Floats, group: Ints | None = None) -> Self:
        """mean_log_ms: each voter's mean of log response times, the pairs' own difficulty taken off; n: how many were
        timed; group: the segment (from 0), since the old are slower than the young.
        """
        timed = n >= 2
        groups = np.zeros(n.size, dtype=np.int64) if group is None else np.maximum(group, 0)
        n_groups = int(groups.max(initial=0)) + 1
        if timed.sum() < 8:
            return cls(np.zeros(n_groups), 0.3, 0.5, known=False)
        value, count, of_group = mean_log_ms[timed], n[timed], groups[timed]
        weight = np.ones(value.size)
        pace = cls(np.zeros(n_groups), 0.3, 0.5, known=True)
        for _ in range(6):
            whole, _ = _centre(value, weight)
            centre = np.full(n_groups, whole)
            for g in np.unique(of_group):
                mine = of_group == g
                own, _ = _centre(value[mine], weight[mine])
                n_mine = weight[mine].sum()
                # A segment cannot be hasty as a whole: its pace is its own, within half a logarithm of everybody's.
                centre[g] += (np.clip(own, whole - 0.5, whole + 0.5) - whole) * n_mine / (n_mine + 20)
            _, spread = _centre(value - centre[of_group], weight)
            pace = cls(centre, max(spread, 0.15), 0.5, known=True)
            weight = 1 / (1 + 0.03 * np.exp(np.minimum(pace.log_ratio(value, count, of_group), 50)))
        return pace

    def log_ratio(self, mean_log_ms: Floats, n: Floats, group: Ints | None = None) -> Floats:
        """Nats by which "does not look" explains a voter's pace better than an honest pace does; 0 where nothing was
        timed.

        Honest is a normal distribution and, for two in a hundred, one that is two and a half times as wide. Haste is
        anchored to be at least twice as fast: in an honest crowd a free second component would only cut off the quick
        ones. Three careless voters in ten keep an honest pace.
        """
        groups = np.zeros(n.size, dtype=np.int64) if group is None else np.maximum(group, 0)
        count = np.maximum(n, 1)
        residual = mean_log_ms - self.centre[np.minimum(groups, self.centre.size - 1)]
        scale = np.sqrt(self.between**2 + self.within**2 / count)
        z = residual / scale
        honest = np.logaddexp(_LOG_MOST - 0.5 * z**2, _LOG_FEW - 0.5 * (z / _FEW_WIDER) ** 2) - np.log(scale) - 0.919
        hasty = np.logaddexp.reduce([-0.5 * ((residual + shift) / scale) ** 2 for shift in _HASTE], axis=0)
        hasty += -np.log(scale) - 0.919 - np.log(len(_HASTE))
        ratio = np.logaddexp(np.log(0.7) + hasty - honest, np.log(0.3))
        return np.where((n >= 1) & self.known, ratio, 0.0)


_FEW_WIDER: Final = 2.5
_LOG_MOST: Final = float(np.log(0.98))
_LOG_FEW: Final = float(np.log(0.02 / _FEW_WIDER))
_HASTE: Final = (0.75, 1.0, 1.3, 1.7, 2.2)


def _centre(values: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted median, and weighted median absolute deviation as a standard deviation."""
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    middle = float(values[order][np.searchsorted(total, total[-1] / 2)])
    away = np.abs(values - middle)
    order = np.argsort(away)
    total = np.cumsum(weight[order])
    return middle, 1.4826 * float(away[order][np.searchsorted(total, total[-1] / 2)])

"""What every model returns: strengths with their uncertainty, and all that follows from the two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ranking._blas import one_thread
from ranking.errors import BadOption

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SEED: Final = 0x5EED
DRAWS: Final = 16_384
"""Enough for probabilities within a point; a quarter of them beyond 64 items."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A reason to doubt a result: a stable code, a sentence, and the items (or none) that it is about."""

    code: str
    sentence: str
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its standard error."""

    estimate: float
    standard_error: float

    def interval(self, level: float = 0.95) -> Interval:
        """Low and high end at this level (a share, 0.95 for 95 %)."""
        reach = normal_quantile(level) * self.standard_error
        return Interval(self.estimate - reach, self.estimate + reach)


class Interval(NamedTuple):
    """Low and high ends: two numbers, or two arrays with one entry per item."""

    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class Scores:
    """Strengths of n items in logits, mean zero, and how far they can be believed.

    Two items that are d logits apart are chosen exp(d) : 1 between them, ties aside.

    strength (n,)              the estimate that is reported (shrunken, where the prior was estimated)
    covariance (n, n)          of `strength`, as it is reported: posterior x voter-clustered design effect,
                               or the plain sandwich where that was asked for
    posterior_covariance (n, n)  the posterior alone, for choosing pairs; its rows sum to zero
    design_effect (n,)         how many times the variance grows since votes of one voter are alike; 1 or more
    weak_strength (n,), weak_covariance (n, n)  under the weak prior of sd 2, unshrunken, for the proven rule
    weak_sandwich (n, n)       the voter-clustered covariance of `weak_strength`; None without voters
    side_effect, tie_effect    advantage of the left side in logits; log of Davidson's tie parameter; None if not fitted
    shown (n,), wins (n,)      weight of the answers (left, right, tie) about each item, and of those it won
    neither (n,)               weight of the answers "none of the two" that each item was part of
    prior_sd                   sd of the prior of strengths, 0 for none
    contrast_effect (n, n)     design effect of each difference of two items where it is known beforehand (several
                               segments in one answer); else None, and `pair_design_effect` works it out
    """

    strength: Floats
    covariance: Floats
    posterior_covariance: Floats
    design_effect: Floats
    weak_strength: Floats
    weak_covariance: Floats
    weak_sandwich: Floats | None
    side_effect: Estimate | None
    tie_effect: Estimate | None
    flags: tuple[Flag, ...]
    converged: bool
    n_votes: int
    n_voters: int
    shown: Floats
    wins: Floats
    neither: Floats
    prior_sd: float
    log_likelihood: float
    method: str
    contrast_effect: Floats | None = None

    @property
    def n_items(self) -> int:
        return len(self.strength)

    @property
    def standard_error(self) -> Floats:
        """(n,) logits, as reported."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))

    @property
    def standard_error_model(self) -> Floats:
        """(n,) logits, if every vote came from another voter."""
        return np.asarray(np.sqrt(np.diagonal(self.posterior_covariance)))

    def interval(self, level: float = 0.95) -> Interval:
        """(low, high), each (n,) logits: each item's own interval."""
        reach = normal_quantile(level) * self.standard_error
        return Interval(self.strength - reach, self.strength + reach)

    @property
    def rank(self) -> Integers:
        """(n,) 1 is the strongest; equal strengths share a rank."""
        # Rounded, since sums in another order differ in the sixteenth digit, and equals must stay equal.
        value = np.round(self.strength, 9)
        ordered = np.sort(value)
        return np.asarray(1 + len(value) - np.searchsorted(ordered, value, side="right"))

    @property
    def order(self) -> Integers:
        """(n,) item numbers from the strongest to the weakest; equals by number."""
        return np.asarray(np.argsort(-np.round(self.strength, 9), kind="stable"))

    def difference(self, first: int, second: int) -> Estimate:
        """How much stronger `first` is than `second`, in logits."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - c[first, second] - c[second, first]
        return Estimate(float(self.strength[first] - self.strength[second]), float(max(variance, 0.0) ** 0.5))

    def differences(self) -> tuple[Floats, Floats]:
        """(n, n) strengths of row minus column, and their standard errors, logits."""
        d = np.diagonal(self.covariance)
        variance = d[:, None] + d[None, :] - self.covariance - self.covariance.T
        return self.strength[:, None] - self.strength[None, :], np.sqrt(np.maximum(variance, 0.0))

    def pair_design_effect(self) -> Floats:
        """(n, n) design effect of each difference of two items, 1 or more.

        Where the design effects were taken over from an earlier fit (or there are no voters) it is that of the two
        items, averaged.
        """
        if self.contrast_effect is not None:
            return self.contrast_effect
        if self.weak_sandwich is None:
            root = np.sqrt(self.design_effect)
            return np.outer(root, root)
        clustered, model = _contrast_variances(self.weak_sandwich), _contrast_variances(self.weak_covariance)
        np.fill_diagonal(model, 1.0)
        return np.maximum(1.0, clustered / np.maximum(model, 1e-300))

    def rank_interval(self, level: float = 0.95) -> Interval:
        """(low, high), each (n,) ranks: holds each item's true rank with this probability at least.

        An item's rank is at least one more than the number of those surely stronger, and at most n less the number of
        those surely weaker; all n - 1 differences of an item hold together (Bonferroni), as in Mogstad, Romano, Shaikh
        and Wilhelm, Inference for Ranks, Review of Economic Studies 91 (2024).
        """
        n = self.n_items
        gap, error = self.differences()
        surely = gap > normal_quantile(1.0 - (1.0 - _share(level, "level")) / max(n - 1, 1)) * error
        np.fill_diagonal(surely, False)
        return Interval(1 + surely.sum(axis=0), n - surely.sum(axis=1))

    @property
    def share(self) -> Floats:
        """(n,) share of first choices if all were offered together: softmax of the strengths; sums to 1."""
        return softmax(self.strength)

    @property
    def share_standard_error(self) -> Floats:
        """(n,) by the delta method: J S J' with J = diag(p) - pp'."""
        p = self.share
        onward = self.covariance @ p
        variance = np.diagonal(self.covariance) - 2.0 * onward + p @ onward
        return np.asarray(p * np.sqrt(np.maximum(variance, 0.0)))

    def share_interval(self, level: float = 0.95) -> Interval:
        """(low, high), each (n,), within 0 and 1: the delta method on the logit of the share."""
        p, error = self.share, self.share_standard_error
        inside = np.clip(p, 1e-12, 1.0 - 1e-12)
        logit, reach = np.log(inside / (1.0 - inside)), normal_quantile(level) * error / (inside * (1.0 - inside))
        return Interval(1.0 / (1.0 + np.exp(-(logit - reach))), 1.0 / (1.0 + np.exp(-(logit + reach))))

    @one_thread
    def draws(self, n_draws: int | None = None, generator: np.random.Generator | None = None) -> Floats:
        """(n_draws, n) strengths as likely as the reported uncertainty says, in pairs mirrored at the mean.

        Drawn by `generator`; without one always from the same numbers, so that nothing flickers that is computed from
        them.
        """
        if n_draws is None:
            n_draws = DRAWS if self.n_items <= 64 else DRAWS // 4
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        half = (n_draws + 1) // 2
        normal = nodes(self.n_items, half) if generator is None else generator.standard_normal((self.n_items, half))
        away = root @ normal
        return np.asarray((self.strength[:, None] + np.concatenate([away, -away], axis=1)[:, :n_draws]).T)

    def p_best(self, indifference: float = 0.0) -> Floats:
        """(n,) probability that no other item is better by more than `indifference` logits; for 0 they sum to one.

        Raises BadOption.
        """
        if not 0.0 <= indifference < float("inf"):
            raise BadOption(option="indifference", value=indifference, allowed="a number of logits, 0 or more")
        return _p_best(self.draws(), indifference)

    def p_top(self, k: int) -> Floats:
        """(n,) probability of being among the k strongest; they sum to k. Raises BadOption."""
        return _p_top(self.draws(), k)

    def expected_loss(self) -> Floats:
        """(n,) logits that are lost on average by choosing this item when another is better."""
        return _expected_loss(self.draws())

    def chances(self, k: int, indifference: float = 0.0) -> Chances:
        """All of these from one set of draws. Raises BadOption."""
        if not 0.0 <= indifference < float("inf"):
            raise BadOption(option="indifference", value=indifference, allowed="a number of logits, 0 or more")
        drawn = self.draws()
        return Chances(_p_best(drawn, 0.0), _p_best(drawn, indifference), _p_top(drawn, k), _expected_loss(drawn))


# Draws come as (draws, n), each item's draws side by side in memory: maxima over items are long vector operations.


def _p_best(drawn: Floats, indifference: float) -> Floats:
    return np.asarray((drawn >= drawn.max(axis=1, keepdims=True) - indifference).mean(axis=0))


def _p_top(drawn: Floats, k: int) -> Floats:
    n = drawn.shape[1]
    if not 1 <= k <= n:
        raise BadOption(option="k", value=k, allowed=f"a whole number from 1 to {n}")
    bar = np.partition(np.ascontiguousarray(drawn), n - k, axis=1)[:, n - k]
    return np.asarray((drawn >= bar[:, None]).mean(axis=0))


def _expected_loss(drawn: Floats) -> Floats:
    return np.asarray(np.maximum(drawn.max(axis=1).mean() - drawn.mean(axis=0), 0.0))


@dataclass(frozen=True, slots=True)
class Chances:
    """(n,) each: probability of being the best, of being within the indifference of it, of being among the k best, and
    the logits that are lost on average by choosing this item.
    """

    best: Floats
    best_within: Floats
    top: Floats
    expected_loss: Floats


@lru_cache(maxsize=8)
def nodes(n: int, n_points: int) -> Floats:
    """(n, n_points) fixed standard normal numbers: a rule of integration, not chance, so that nothing flickers."""
    points = np.random.default_rng(_SEED).standard_normal((n, n_points))
    points.setflags(write=False)
    return points


def softmax(strength: Floats) -> Floats:
    """exp(strength) as shares of their sum, along the last axis."""
    up = np.exp(strength - strength.max(axis=-1, keepdims=True))
    return np.asarray(up / up.sum(axis=-1, keepdims=True))


def normal_quantile(level: float) -> float:
    """Standard errors on each side of an estimate for an interval of this level: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + 0.5 * _share(level, "level"))


def _share(value: float, option: str) -> float:
    if not 0.0 < value < 1.0:
        raise BadOption(option=option, value=value, allowed="between 0 and 1")
    return value


def _contrast_variances(covariance: Floats) -> Floats:
    d = np.diagonal(covariance)
    return np.asarray(d[:, None] + d[None, :] - covariance - covariance.T)

"""The running model: one vote at a time, for matchmaking between refits.

TrueSkill for one against one has a closed form (Herbrich, Minka and Graepel 2007, NIPS 19), so that a vote costs a
microsecond or two and no history. It is for pairing new players' first rounds, and for merchants who ask for
TrueSkill ratings. It does not decide: its ratings depend on the order of the votes, know nothing of which votes came
from one voter, drift by `tau` for ever, and their sigma is no honest interval. The batch model decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc as exact_erfc
from math import exp, log, pi, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking import bradley_terry
from ranking.comparisons import LEFT, NO_LIKING, RIGHT, TIE, Comparisons
from ranking.errors import BadOption
from ranking.scores import Flag, Scores

Floats = NDArray[np.float64]

MU: Final = 25.0
SIGMA: Final = MU / 3
BETA: Final = SIGMA / 2
TAU: Final = SIGMA / 100
DRAW_PROBABILITY: Final = 0.10
LOGIT_PER_PROBIT: Final = 1.702
"""The logistic curve that is nearest to the normal one is steeper by this factor."""


def package_erfc(x: float) -> float:
    """The complementary error function as the `trueskill` package computes it (Press et al., Numerical Recipes, 6.2).

    Its relative error of up to 1.2e-7 matters to nobody, but whoever compares ratings with that package's wants them
    equal.
    """
    z = abs(x)
    t = 1.0 / (1.0 + 0.5 * z)
    p = -0.82215223 + t * 0.17087277
    for c in (1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368):
        p = c + t * p
    r = t * exp(-z * z - 1.26551223 + t * p)
    return 2.0 - r if x < 0.0 else r


def _package_quantile(p: float) -> float:
    """The package's normal quantile: two steps of Halley's method from a rational start, on its own erfc."""
    y = 2.0 * p
    low = y if y < 1.0 else 2.0 - y
    t = sqrt(-2.0 * log(0.5 * low))
    x = -0.70711 * ((2.30753 + t * 0.27061) / (1.0 + t * (0.99229 + t * 0.04481)) - t)
    for _ in range(2):
        miss = package_erfc(x) - low
        x += miss / (1.12837916709551257 * exp(-(x * x)) - x * miss)
    return -sqrt(2.0) * (x if y < 1.0 else -x)


@dataclass(frozen=True, slots=True)
class Rating:
    """A belief about one item: mean and standard deviation on TrueSkill's scale (25 and 8.33 for a new one)."""

    mu: float = MU
    sigma: float = SIGMA

    @property
    def exposure(self) -> float:
        """What leader boards show: mu - 3 sigma."""
        return self.mu - 3.0 * self.sigma


class TrueSkillStream:
    """Running ratings of n items.

    beta: how much one choice wavers. tau: how far a rating may drift between votes. draw_probability: of a tie between
    equals, in [0, 1). exact: with the true normal distribution instead of the `trueskill` package's approximation of
    it.
    """

    def __init__(
        self,
        n_items: int,
        *,
        mu: float = MU,
        sigma: float = SIGMA,
        beta: float = BETA,
        tau: float = TAU,
        draw_probability: float = DRAW_PROBABILITY,
        exact: bool = False,
    ) -> None:
        if not 0.0 <= draw_probability < 1.0:
            raise BadOption(option="draw_probability", value=draw_probability, allowed="0 or more and below 1")
        for option, value in (("sigma", sigma), ("beta", beta)):
            if not 0.0 < value < float("inf"):
                raise BadOption(option=option, value=value, allowed="a finite number above 0")
        if not 0.0 <= tau < float("inf"):
            raise BadOption(option="tau", value=tau, allowed="a finite number, 0 or more")
        self.mu: Floats = np.full(n_items, float(mu))
        self.variance: Floats = np.full(n_items, float(sigma) ** 2)
        self.n_votes = 0
        self._beta = beta
        self._beta2, self._tau2 = 2.0 * beta * beta, tau * tau
        self._erfc: Callable[[float], float] = exact_erfc if exact else package_erfc
        half = 0.5 * (draw_probability + 1.0)
        quantile = NormalDist().inv_cdf(half) if exact else _package_quantile(half)
        self._margin = quantile * sqrt(2.0) * beta

    def rating(self, item: int) -> Rating:
        """What is believed of one item now."""
        return Rating(float(self.mu[item]), float(sqrt(self.variance[item])))

    @property
    def sigma(self) -> Floats:
        """(n,) standard deviations."""
        return np.asarray(np.sqrt(self.variance))

    def quality(self, first: int, second: int) -> float:
        """TrueSkill's match quality: how near to a draw these two are, between 0 and 1."""
        total = self._beta2 + float(self.variance[first] + self.variance[second])
        gap = float(self.mu[first] - self.mu[second])
        return sqrt(self._beta2 / total) * exp(-gap * gap / (2.0 * total))

    def add(self, left: ArrayLike, right: ArrayLike, choice: ArrayLike) -> None:
        """Votes in the order in which they came: arrays (m,), or single numbers; `choice` as in Comparisons.

        `neither` changes nothing. Raises what `Comparisons.from_arrays` raises.
        """
        votes = Comparisons.from_arrays(
            np.atleast_1d(left), np.atleast_1d(right), np.atleast_1d(choice), n_items=len(self.mu)
        )
        self.add_votes(votes)

    def add_votes(self, votes: Comparisons) -> None:
        """The same for votes that have been checked already; their weights are not used."""
        mu, variance = self.mu.tolist(), self.variance.tolist()
        for i, j, outcome in zip(votes.left.tolist(), votes.right.tolist(), votes.outcome.tolist(), strict=True):
            if outcome == LEFT:
                mu[i], variance[i], mu[j], variance[j] = self._rate(mu[i], variance[i], mu[j], variance[j], False)
            elif outcome == RIGHT:
                mu[j], variance[j], mu[i], variance[i] = self._rate(mu[j], variance[j], mu[i], variance[i], False)
            elif outcome == TIE:
                mu[i], variance[i], mu[j], variance[j] = self._rate(mu[i], variance[i], mu[j], variance[j], True)
        self.mu, self.variance = np.array(mu), np.array(variance)
        self.n_votes += int((votes.outcome != NO_LIKING).sum())

    def _rate(
        self, mu_w: float, var_w: float, mu_l: float, var_l: float, drawn: bool
    ) -> tuple[float, float, float, float]:
        """The first beats the second, or draws with it (Herbrich et al., section 4, with the functions v and w)."""
        var_w += self._tau2
        var_l += self._tau2
        c = sqrt(self._beta2 + var_w + var_l)
        gap, margin = (mu_w - mu_l) / c, self._margin / c
        v, w = self._drawn(gap, margin) if drawn else self._won(gap - margin)
        return (
            mu_w + var_w / c * v,
            var_w * (1.0 - var_w / (c * c) * w),
            mu_l - var_l / c * v,
            var_l * (1.0 - var_l / (c * c) * w),
        )

    def _won(self, x: float) -> tuple[float, float]:
        chance = 0.5 * self._erfc(-x / sqrt(2.0))
        if chance < 1e-300:
            # So surprising that the normal tail has run out of numbers: its asymptote.
            return -x, 1.0
        v = _density(x) / chance
        return v, min(max(v * (v + x), 0.0), 1.0)

    def _drawn(self, gap: float, margin: float) -> tuple[float, float]:
        far = abs(gap)
        a, b = margin - far, -margin - far
        chance = 0.5 * (self._erfc(-a / sqrt(2.0)) - self._erfc(-b / sqrt(2.0)))
        if chance < 1e-300:
            return (-a if gap < 0.0 else a), 1.0
        v = (_density(b) - _density(a)) / chance
        w = v * v + (a * _density(a) - b * _density(b)) / chance
        return (-v if gap < 0.0 else v), min(max(w, 0.0), 1.0)

    def scores(self, votes: Comparisons) -> Scores:
        """The ratings as Scores in logits, with the flags of `votes` and one more: sigma is no honest interval."""
        counts = votes.counts()
        table = bradley_terry.pooled(counts)
        scale = LOGIT_PER_PROBIT / (sqrt(2.0) * self._beta)
        strength = scale * (self.mu - self.mu.mean())
        covariance = bradley_terry.centred(np.diag(scale * scale * self.variance))
        items = bradley_terry.tally(table)
        sentence = "TrueSkill ratings depend on the order of the votes, and sigma is no confidence interval."
        return Scores(
            strength=strength,
            covariance=covariance,
            posterior_covariance=covariance,
            design_effect=np.ones(len(strength)),
            weak_strength=strength,
            weak_covariance=covariance,
            weak_sandwich=None,
            side_effect=None,
            tie_effect=None,
            flags=(*bradley_terry.doubts(table, counts), Flag("order_dependent", sentence)),
            converged=True,
            n_votes=counts.n_votes,
            n_voters=counts.n_voters,
            shown=items.shown,
            wins=items.won,
            neither=items.neither,
            prior_sd=scale * SIGMA,
            log_likelihood=float("nan"),
            method="TrueSkill, one vote at a time",
        )


def fit(votes: Comparisons) -> Scores:
    """TrueSkill over the votes in their order, as Scores."""
    stream = TrueSkillStream(votes.n_items)
    stream.add_votes(votes)
    return stream.scores(votes)


def _density(x: float) -> float:
    return exp(-0.5 * x * x) / sqrt(2.0 * pi)

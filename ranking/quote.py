"""What a decision costs before it is begun: expected votes, their range, money and days.

How many votes a test uses depends on how far apart its styles are, which nobody knows before. So a quote is a
distribution over tests like this one: worlds with styles N(0, 0.6^2) logits apart and shoppers of differing taste were
played with the engine itself, from the first deal to the rule that stops, for a grid of shapes (`bench/quote_table.py`
makes `ranking/quote_table.py`). Between the points of the grid the logarithm of the votes is interpolated: in the
logarithm of the number of styles, in log keep (from 1 to half of the styles, since keeping the best 9 of 10 is finding
the worst one), in the logarithm of the error allowed and in that of the indifference.

The styles of one merchant may be more alike than that, and his shoppers may say "neither" often: the range covers what
such tests use four times in five, not every test.

A proven winner is confirmed before it is announced (`ranking.stopping.probe_plan`): these votes are part of the quote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, isfinite, log
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranking import quote_table
from ranking.errors import RankingError
from ranking.pairing import Certainty, Goal
from ranking.stopping import confirmation_votes

Floats = NDArray[np.float64]

RULES: Final[tuple[Certainty, ...]] = ("likely", "proven")
CONFIDENCES: Final = (0.8, 0.9, 0.95, 0.99)
INDIFFERENCES: Final = (0.1, 0.2)
QUANTILES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

PRICE_FEN: Final = 3
MOST_STYLES: Final = 200
MOST_SEGMENTS: Final = 50
OFFERED: Final = (0.9, 0.95, 0.99)
"""The confidences that every quote is laid beside."""

UNSEEN_STEP: Final = 0.5  # log votes from one confidence of the table to the next, where none was seen to end
UNSEEN_RULE: Final = 1.0  # and from likely to proven

_FINE: Final = np.linspace(0.005, 0.995, 199)


class QuoteRefused(RankingError):
    """There is no quote for this: {reason}."""

    code = "quote_refused"


@dataclass(frozen=True, slots=True)
class Quote:
    """Votes until the decision, over tests like this one: `expected` on average, `low`-`high` four times in five,
    `median`. `extrapolated` says that the shape lies outside what was simulated, so that the range is a guess.

    All of them contain `confirmation` votes, asked after the rule has fired: those of a proven winner's probe, else 0.
    Money is `price_fen` a vote; days are votes by `votes_per_day`, None where the flow is not known.
    """

    n_styles: int
    goal: Goal
    segments: int
    expected: int
    low: int
    median: int
    high: int
    price_fen: int
    votes_per_day: float | None
    extrapolated: bool
    curve: tuple[float, ...]
    confirmation: int = 0

    @property
    def expected_fen(self) -> int:
        """Expected price."""
        return self.expected * self.price_fen

    @property
    def low_fen(self) -> int:
        """Price at the low end of the range."""
        return self.low * self.price_fen

    @property
    def high_fen(self) -> int:
        """Price at the high end of the range."""
        return self.high * self.price_fen

    @property
    def expected_days(self) -> float | None:
        """Days for the expected votes at the present flow."""
        return None if self.votes_per_day is None else self.expected / self.votes_per_day

    @property
    def high_days(self) -> float | None:
        """Days for the high end of the range at the present flow."""
        return None if self.votes_per_day is None else self.high / self.votes_per_day

    def chance_within(self, votes: float) -> float:
        """The probability that so many votes are enough: what a ceiling of money buys."""
        if votes <= 0:
            return 0.0
        return float(np.interp(log(votes), np.log(self.curve), _FINE, left=0.0, right=1.0))


def quote(
    n_styles: int,
    goal: Goal,
    *,
    segments: int = 1,
    audiences: int = 1,
    checks: float = 0.0,
    price_fen: int = PRICE_FEN,
    votes_per_day: float | None = None,
) -> Quote:
    """The quote for one test; takes about a millisecond.

    `segments`: in how many audiences the decision is wanted, each for itself; the votes are those of all together.
    `audiences`: of how many, weighted by quotas, one decision is wanted (what the service decides on). `checks`: the part
    of all votes that are pairs with a known answer, which cost like any other and say nothing of the styles.
    Raises `QuoteRefused` for what cannot be quoted and `GoalRefused` when `keep` is not below the number of styles.
    """
    if isinstance(n_styles, bool) or not isinstance(n_styles, int) or not 2 <= n_styles <= MOST_STYLES:
        raise QuoteRefused(reason=f"a test has from 2 to {MOST_STYLES} styles, and this one {n_styles!r}")
    goal.check(n_styles)
    if goal.indifference <= 0.0:
        raise QuoteRefused(
            reason="with an indifference of 0 two styles that are alike would be compared for ever; 0.1 is usual"
        )
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= MOST_SEGMENTS:
        raise QuoteRefused(reason=f"a test has from 1 to {MOST_SEGMENTS} audiences, and this one {segments!r}")
    if isinstance(audiences, bool) or not isinstance(audiences, int) or not 1 <= audiences <= MOST_SEGMENTS:
        raise QuoteRefused(reason=f"a clientele has from 1 to {MOST_SEGMENTS} audiences, and this one {audiences!r}")
    if not 0.0 <= checks < 1.0:
        raise QuoteRefused(reason=f"checks are a part of all votes, below 1, and are {checks!r}")
    if isinstance(price_fen, bool) or not isinstance(price_fen, int) or price_fen < 0:
        raise QuoteRefused(reason=f"the price of a vote is a whole number of fen, not negative, and is {price_fen!r}")
    if votes_per_day is not None and (not isfinite(votes_per_day) or votes_per_day <= 0.0):
        raise QuoteRefused(reason=f"the flow is a positive number of votes a day, and is {votes_per_day!r}")
    logs, extrapolated = _log_votes(n_styles, goal)
    if segments > 1:
        logs = _several(logs, segments, SEGMENT_POOLING[goal.certainty])
    confirmation = segments * confirmation_votes(goal, n_styles)
    votes = (np.exp(logs) * _of_clientele(audiences) + confirmation) / (1.0 - checks)
    low, median, high = (ceil(float(np.interp(q, _FINE, votes)) - 1e-6) for q in (0.1, 0.5, 0.9))
    return Quote(
        n_styles=n_styles,
        goal=goal,
        segments=segments,
        expected=ceil(float(votes.mean())),
        low=low,
        median=median,
        high=high,
        price_fen=price_fen,
        votes_per_day=votes_per_day,
        extrapolated=extrapolated,
        curve=tuple(votes.tolist()),
        confirmation=confirmation,
    )


def beside(
    n_styles: int,
    goal: Goal,
    *,
    segments: int = 1,
    audiences: int = 1,
    checks: float = 0.0,
    price_fen: int = PRICE_FEN,
    votes_per_day: float | None = None,
    confidences: Sequence[float] = OFFERED,
) -> list[Quote]:
    """The same test at other confidences and under both rules, for the merchant to compare."""
    return [
        quote(
            n_styles,
            Goal(goal.keep, rule, confidence, goal.indifference, goal.asks),
            segments=segments,
            audiences=audiences,
            checks=checks,
            price_fen=price_fen,
            votes_per_day=votes_per_day,
        )
        for rule in RULES
        for confidence in confidences
    ]


# ---- interpolation -------------------------------------------------------------------------------------------------


def _log_votes(n_styles: int, goal: Goal) -> tuple[Floats, bool]:
    """log votes at the fine quantiles, and whether the grid had to be left."""
    rule = RULES.index(goal.certainty)
    half = min(goal.keep, n_styles - goal.keep)
    sizes = sorted({n for n, _ in quote_table.VOTES})
    at_size = np.array([_at_size(n, rule, _position(half, n_styles)) for n in sizes])
    by_error = _along(np.log(sizes), at_size, log(n_styles))
    by_indifference = _along(np.log(1.0 - np.array(CONFIDENCES)), by_error, log(1.0 - goal.confidence))
    logs = _along(np.log(INDIFFERENCES), by_indifference, log(goal.indifference))
    # Whatever was interpolated, quantiles rise, and no test ends before its fewest votes.
    logs = np.maximum(np.maximum.accumulate(logs), log(20.0 * n_styles))
    outside = (
        not sizes[0] <= n_styles <= sizes[-1]
        or not CONFIDENCES[0] <= goal.confidence <= CONFIDENCES[-1]
        or not INDIFFERENCES[0] <= goal.indifference <= INDIFFERENCES[-1]
        or float(np.interp(0.9, _FINE, logs)) > log(quote_table.HORIZON)
    )
    return logs, outside


def _position(half: int, n_styles: int) -> float:
    """Where `half` lies between keeping one (0) and keeping half (1)."""
    return log(half) / log(n_styles / 2) if n_styles > 3 else 0.0


def _at_size(n: int, rule: int, position: float) -> Floats:
    """(confidences, indifferences, fine quantiles): log votes at a size of the grid, between its values of keep."""
    keeps = sorted(k for size, k in quote_table.VOTES if size == n)
    tables = np.array([_fine_table(n, k)[rule] for k in keeps])
    if len(keeps) == 1:
        return np.asarray(tables[0])
    return _along(np.array([_position(k, n) for k in keeps]), tables, position)


@lru_cache(maxsize=256)
def _fine_table(n: int, keep: int) -> Floats:
    """(rules, confidences, indifferences, fine quantiles): log votes of one shape that was simulated.

    Between its quantiles, and beyond the last one that the horizon showed, log votes run straight in the normal score:
    a lognormal tail, which is what these times have.
    """
    shape = (len(RULES), len(CONFIDENCES), len(INDIFFERENCES))
    stored = np.array(quote_table.VOTES[n, keep], dtype=np.float64).reshape(*shape, len(QUANTILES))
    score = np.array([NormalDist().inv_cdf(q) for q in QUANTILES])
    fine = np.array([NormalDist().inv_cdf(float(q)) for q in _FINE])
    out = np.empty((*shape, len(fine)))
    for rule, confidence, indifference in np.ndindex(*shape):
        row = stored[rule, confidence, indifference]
        known = row > 0.0
        if known.sum() >= 3:
            out[rule, confidence, indifference] = _lognormal_tails(score[known], np.log(row[known]), fine)
        elif confidence:
            # Hardly any test of this kind ended: it is taken to cost the usual step more than the lesser promise.
            out[rule, confidence, indifference] = out[rule, confidence - 1, indifference] + UNSEEN_STEP
        else:
            out[rule, confidence, indifference] = out[0, confidence, indifference] + UNSEEN_RULE
    return out


def _lognormal_tails(score: Floats, logs: Floats, fine: Floats) -> Floats:
    slope = np.polynomial.polynomial.polyfit(score[len(score) // 2 - 1 :], logs[len(score) // 2 - 1 :], 1)[1]
    inside = np.interp(fine, score, logs)
    above, below = fine > score[-1], fine < score[0]
    inside[above] = logs[-1] + max(float(slope), 0.3) * (fine[above] - score[-1])
    inside[below] = logs[0] + 0.3 * (fine[below] - score[0])
    return np.asarray(inside)


def _along(points: Floats, values: Floats, at: float) -> Floats:
    """Straight between the points along the first axis of `values`, and straight on beyond the ends."""
    order = np.argsort(points)
    points, values = points[order], values[order]
    right = int(np.clip(np.searchsorted(points, at), 1, len(points) - 1))
    share = (at - points[right - 1]) / (points[right] - points[right - 1])
    return np.asarray(values[right - 1] + share * (values[right] - values[right - 1]))


SEGMENT_POOLING: Final[dict[Certainty, float]] = {"likely": 0.95, "proven": 1.0}
"""Votes of several audiences fitted together relative to the sum of separate tests: `python -m bench.decision --parts
audiences` measured .88 to .98. The proven rule borrows nothing from other audiences."""


def _of_clientele(audiences: int) -> float:
    """Votes of one decision for so many audiences, relative to one for everybody: a fifth more for each further one.

    A clientele is as unsure as its audiences are together, and they do not come as its quotas ask (`python -m
    bench.quote_honesty` measured 1.3 at two and 1.7 at three in the middle, 1.0 and 1.1 at the upper end).
    """
    return 1.0 + 0.2 * (audiences - 1)


def _several(logs: Floats, segments: int, pooling: float) -> Floats:
    """log votes of `segments` audiences, each decided for itself, at the fine quantiles of their sum."""
    rng = np.random.default_rng(segments)  # nodes of an integration, not chance: the same quote every time
    drawn = np.exp(np.interp(rng.random((4000, segments)), _FINE, logs)).sum(axis=1)
    # Each audience needs its own fewest votes, however much it leans on the others.
    votes = np.maximum(pooling * np.quantile(drawn, _FINE), segments * np.exp(logs[0]))
    return np.asarray(np.log(votes))

"""Several audiences in one model: each segment its own strengths, borrowing from all others as far as they agree.

Strengths are global plus a deviation per segment, both with variances from the votes: a small segment leans on the
rest, a large one speaks for itself, and where segments agree the deviations shrink to nothing. Beside that: whether the
segments differ at all, what the merchant's own mix of customers would choose, how far voters differ within, and whether
they fall into groups of taste that nobody declared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, lgamma, log
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking import bradley_terry, partworths
from ranking._blas import one_thread
from ranking._kernel import KernelFit, Part, fit_kernel
from ranking._newton import Likelihood, maximise
from ranking.bradley_terry import PRIOR_GUESS, SIDE_SD, TIE_SD, WEAK_SD, Ties, centred
from ranking.comparisons import LEFT, NO_LIKING, Clusters, Comparisons, Counts, RunningCounts
from ranking.errors import BadAttributes, BadOption
from ranking.partworths import PART_GUESS, Attributes
from ranking.scores import Flag, Scores, softmax

Floats = NDArray[np.float64]

HEARD_VOTES: Final = 2
"""Votes a style that each audience must have given (four answers about each) before all of them are answered for."""
FEW_VOTERS: Final = bradley_terry.FEW_VOTERS
FEW_VOTERS_EFFECT: Final = bradley_terry.FEW_VOTERS_EFFECT


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """Do the segments differ? A likelihood ratio, corrected for voters, against chi-square of `df` degrees of freedom.

    A small p_value says that they do; a large one says that these votes do not show it.
    """

    statistic: float
    df: int
    p_value: float
    design_effect: float


@dataclass(frozen=True, slots=True)
class SegmentScores:
    """Strengths per segment, and of all together.

    of: one Scores per segment; overall: their average by share of the votes; differ: the test of homogeneity, None for
    one segment; kernel: the joint fit, to begin the next one from.
    """

    of: tuple[Scores, ...]
    overall: Scores
    differ: Homogeneity | None
    kernel: KernelFit
    votes: Floats

    @one_thread
    def poststratified(self, weights: ArrayLike) -> Scores:
        """Scores of a clientele in which the segments have these weights (S,), any positive scale.

        Everything in them is weighted so, whoever voted most: the posterior with the covariance between segments, the
        estimates under the weak prior (which borrow nothing, so that a segment without votes leaves them wide open),
        and the design effect, by each segment's part of the variance. A segment with weight and hardly any votes is
        flagged `segment_unheard`. Raises BadOption when the weights are not one finite number, zero or more, for each
        segment. Source: post-stratification of a hierarchical model, Gelman and Little 1997, Survey Methodology 23.
        """
        mix = _mix(weights, len(self.of))
        method = self.overall.method.replace("segments averaged", "segments weighted", 1)
        scores = _average(self.kernel, self.overall, self.of, mix, method=method)
        unheard = np.flatnonzero((mix > 0.0) & (self.votes < HEARD_VOTES * scores.n_items))
        if not len(unheard):
            return scores
        sentence = (
            f"{len(unheard)} of {len(mix)} audiences gave fewer than {HEARD_VOTES} votes a style; what is said of them is "
            "borrowed from the others."
        )
        return replace(scores, flags=(*scores.flags, Flag("segment_unheard", sentence)))

    @one_thread
    def worth(self, weights: ArrayLike, keep: int, indifference: float = 0.0) -> Floats:
        """(S,) what the best next vote of each segment takes off the doubt about that clientele's best `keep` styles.

        The gain of `ranking.pairing` with the joint covariance: for a pair x in segment s, w x'R'MRx / (1 + w x'Sx), R
        the covariance of the clientele's strengths with the segment's, S that of the segment, M the open contrasts. No
        unit: compare segments with each other.
        """
        mix = _mix(weights, len(self.of))
        n = self.overall.n_items
        kernel = self.kernel
        toward = [np.asarray(sum(w * kernel.block(t, s) for t, w in enumerate(mix))) for s in range(len(mix))]
        covariance = np.asarray(sum(w * part for w, part in zip(mix, toward, strict=True)))
        mean = mix @ kernel.mean
        order = np.argsort(-mean, kind="stable")
        inside, outside = order[:keep], order[keep:]
        variance = np.maximum(_contrasts(covariance), 1e-12)[np.ix_(inside, outside)]
        gap = mean[inside][:, None] - mean[outside][None, :] + indifference
        # Cut off where all is as good as settled: the comparison between segments stays finite.
        omega = np.exp(-0.5 * np.minimum(gap * gap / variance, 80.0)) / np.sqrt(variance)
        matrix = np.zeros((n, n))
        matrix[np.ix_(inside, outside)] = -omega
        matrix += matrix.T
        np.fill_diagonal(matrix, -matrix.sum(axis=1))
        found = np.zeros(len(mix))
        for s, reach in enumerate(toward):
            p = 1.0 / (1.0 + np.exp(-(kernel.mean[s][:, None] - kernel.mean[s][None, :])))
            weight = p * (1.0 - p)
            doubt = _contrasts(reach.T @ matrix @ reach)
            found[s] = float((weight * doubt / (1.0 + weight * _contrasts(kernel.block(s, s)))).max())
        return found

    def shares(self, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """(n,) share of first choices in that clientele, and its standard errors (delta method).

        The average of the segments' shares, not the share of their average: who loves a style buys it.
        """
        mix = _mix(self.votes if weights is None else weights, len(self.of))
        parts = [softmax(scores.strength) for scores in self.of]
        slopes = [w * (np.diag(p) - np.outer(p, p)) for w, p in zip(mix, parts, strict=True)]
        n = len(parts[0])
        covariance = np.zeros((n, n))
        for s, slope in enumerate(slopes):
            for t, other in enumerate(slopes):
                roots = np.sqrt(np.outer(self.of[s].design_effect, self.of[t].design_effect))
                covariance += slope @ (self.kernel.block(s, t) * roots) @ other.T
        share = np.asarray(sum(w * p for w, p in zip(mix, parts, strict=True)))
        return share, np.sqrt(np.maximum(np.diagonal(covariance), 0.0))

    def deviation(self, s: int) -> tuple[Floats, Floats]:
        """(n,) how much better each item does in segment s than overall, in logits, and its standard errors."""
        mix = _mix(self.votes, len(self.of))
        contrast = -mix
        contrast[s] += 1.0
        n = self.overall.n_items
        covariance = np.zeros((n, n))
        for a, x in enumerate(contrast):
            for b, y in enumerate(contrast):
                covariance += x * y * self.kernel.block(a, b)
        widen = self.of[s].design_effect
        error = np.sqrt(np.maximum(np.diagonal(centred(covariance)) * widen, 0.0))
        return self.of[s].strength - self.overall.strength, error


@one_thread
def fit(
    votes: Comparisons | RunningCounts | Counts,
    attributes: Attributes | None = None,
    *,
    side: bool = True,
    ties: Ties = "davidson",
    start: KernelFit | None = None,
    improvements: int = 40,
    test: bool = True,
) -> SegmentScores:
    """All segments of `votes` in one hierarchical fit, with attributes where they are given.

    start: `kernel` of an earlier result; with it `improvements=1` is enough and keeps a refit short. test: whether to
    ask if the segments differ, which costs as much as the rest (`differ` is None without). Raises NoVotes,
    BadAttributes. Source: partial pooling after Lenk, DeSarbo, Green and Young 1996, Marketing Science 15(2).
    """
    counts = bradley_terry.counts_of(votes)
    if attributes is not None and attributes.n_items != counts.n_items:
        raise BadAttributes(reason=f"they are of {attributes.n_items} styles, the votes of {counts.n_items}")
    bradley_terry.pooled(counts)
    everybody = bradley_terry.fit_counts(counts, prior_sd=None, side=side, ties=ties)
    kernel = fit_tables(
        counts.table,
        parts(counts.n_items, counts.n_segments, attributes),
        side=side,
        ties=ties,
        start=start,
        improvements=improvements,
    )
    of = tuple(
        partworths.scores_of(
            kernel, s, bradley_terry.fit_counts(counts.of_segment(s), prior_sd=WEAK_SD, side=side, ties=ties)
        )
        for s in range(counts.n_segments)
    )
    weight = counts.table[:, :, :, :NO_LIKING].sum(axis=(1, 2, 3))
    method = everybody.method.replace("Bradley-Terry", "Bradley-Terry, segments averaged", 1)
    return SegmentScores(
        of=of,
        overall=_average(kernel, everybody, of, _mix(weight, counts.n_segments), method=method),
        differ=homogeneity(counts, side=side, ties=ties) if test and counts.n_segments > 1 else None,
        kernel=kernel,
        votes=weight,
    )


def fit_tables(
    tables: Floats,
    prior: tuple[Part, ...],
    *,
    side: bool = True,
    ties: Ties = "davidson",
    start: KernelFit | None = None,
    improvements: int = 40,
) -> KernelFit:
    """The fast core of `fit`: counts (S, n, n, 4) under a prior of `parts`, without design effects, flags or tests."""
    return fit_kernel(
        partworths.halved(tables) if ties == "half" else tables,
        prior,
        side=side,
        davidson=ties == "davidson",
        side_sd=SIDE_SD,
        tie_sd=TIE_SD,
        start=start,
        improvements=improvements,
    )


def parts(n_items: int, n_segments: int, attributes: Attributes | None) -> tuple[Part, ...]:
    """The prior's parts: global ones, and deviations where there is more than one segment."""
    if attributes is not None:
        common = attributes.parts()
        own = attributes.parts(deviation=True)
    else:
        common = (Part("strength", np.eye(n_items), PRIOR_GUESS),)
        own = (Part("deviation", np.eye(n_items), PART_GUESS, deviation=True),)
    return common if n_segments == 1 else common + own


@one_thread
def homogeneity(
    votes: Comparisons | RunningCounts | Counts, *, side: bool = True, ties: Ties = "davidson"
) -> Homogeneity:
    """Tests that all segments have the same strengths, the side and tie effects being common.

    Twice the log-likelihood ratio between separate and common strengths (weak prior), divided by the mean design effect
    of votes clustered by voter (Rao and Scott 1984, Annals of Statistics 12, first-order correction). Raises NoVotes.
    """
    counts = bradley_terry.counts_of(votes)
    table = bradley_terry.pooled(counts)
    if counts.n_segments < 2:
        raise BadOption(option="segments", value=counts.n_segments, allowed="two or more")
    davidson = ties == "davidson"
    common = bradley_terry.fit_table(table, prior_variance=WEAK_SD**2, side=side, davidson=davidson)
    n = counts.n_items
    extras = common.x[n:]
    prior = np.eye(n) / WEAK_SD**2
    value = 0.0
    df = 0
    spent = clustered = 0.0
    for s in range(counts.n_segments):
        one = _Known(Likelihood(counts.table[s], side=side, davidson=davidson, tie=common.likelihood.tie), extras)
        peak = maximise(one, prior, common.strength)
        value += one.log_likelihood(peak.x)
        df += max(_judged(counts.table[s]) - 1, 0)
        clusters = None if counts.clusters is None else counts.clusters.of_segment(s)
        if clusters is not None and clusters.n_rows:
            _, curvature = one.climb(peak.x)
            inverse = np.linalg.inv(curvature + prior)
            meat = bradley_terry.meat(one.likelihood, one.whole(peak.x), clusters)[:n, :n]
            voters = clusters.n_voters
            meat = meat * (voters / clusters.n_rows * voters / max(voters - 1, 1))
            clustered += float((inverse * meat).sum())
            spent += float((inverse * curvature).sum())
    df -= _judged(table) - 1
    effect = max(1.0, clustered / spent) if spent > 0.0 else 1.0
    statistic = max(2.0 * (value - common.likelihood.log_likelihood(common.x)), 0.0) / effect
    return Homogeneity(statistic, df, chi_square_tail(statistic, df), effect)


def _judged(table: Floats) -> int:
    return int((bradley_terry.tally(table).shown > 0).sum())


def chi_square_tail(statistic: float, df: int) -> float:
    """Probability that chi-square with df degrees of freedom exceeds `statistic`."""
    if df < 1 or statistic <= 0.0:
        return 1.0
    # The regularised incomplete gamma function: series below its middle, Lentz's continued fraction above it
    # (Press et al., Numerical Recipes, section 6.2).
    a, x = 0.5 * df, 0.5 * statistic
    front = exp(-x + a * log(x) - lgamma(a)) if -x + a * log(x) - lgamma(a) > -700.0 else 0.0
    if x < a + 1.0:
        term = total = 1.0 / a
        k = a
        while abs(term) > 1e-16 * abs(total):
            k += 1.0
            term *= x / k
            total += term
        return max(0.0, 1.0 - total * front)
    b = x + 1.0 - a
    c, d = 1e300, 1.0 / b
    fraction = d
    for k in range(1, 10_000):
        an = -k * (k - a)
        b += 2.0
        d = 1.0 / (an * d + b)
        c = b + an / c
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return front * fraction


class _Known:
    """A likelihood of strengths alone, its side and tie effects known."""

    def __init__(self, likelihood: Likelihood, extras: Floats) -> None:
        self.likelihood = likelihood
        self.extras = extras

    def whole(self, x: Floats) -> Floats:
        return np.concatenate([x, self.extras])

    def climb(self, x: Floats) -> tuple[Floats, Floats]:
        n = self.likelihood.n
        gradient, curvature = self.likelihood.climb(self.whole(x))
        return gradient[:n], curvature[:n, :n].copy()

    def log_likelihood(self, x: Floats) -> float:
        return self.likelihood.log_likelihood(self.whole(x))


def _mix(weights: ArrayLike, n_segments: int) -> Floats:
    try:
        mix = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise BadOption(option="weights", value=weights, allowed="a list of numbers") from None
    if mix.shape != (n_segments,) or not np.isfinite(mix).all() or (mix < 0.0).any() or mix.sum() == 0.0:
        raise BadOption(option="weights", value=weights, allowed=f"{n_segments} numbers, zero or more, not all zero")
    return np.asarray(mix / mix.sum())


def _average(kernel: KernelFit, everybody: Scores, of: tuple[Scores, ...], mix: Floats, *, method: str) -> Scores:
    """The clientele in which segments have the weights `mix`; counts and flags are those of everybody together."""
    mean = mix @ kernel.mean
    n = len(mean)
    covariance = np.zeros((n, n))
    for s, a in enumerate(mix):
        for t, b in enumerate(mix):
            covariance += a * b * kernel.block(s, t)
    posterior = centred(covariance)
    # Under the weak prior the segments know nothing of each other, so that their variances add up.
    weak = np.asarray(sum(w * scores.weak_strength for w, scores in zip(mix, of, strict=True)))
    parts = [w * w * scores.weak_covariance for w, scores in zip(mix, of, strict=True)]
    weak_covariance = np.asarray(sum(parts))
    # The design effect of the whole: each segment's own, by its part of the variance.
    effects = [_effect_of(scores) for scores in of]
    spent = [_contrasts(part) for part in parts]
    clustered = sum(a * effect for a, effect in zip(spent, effects, strict=True))
    contrasts = np.ones((n, n))
    np.divide(clustered, sum(spent), out=contrasts, where=~np.eye(n, dtype=bool))
    diagonals = [np.diagonal(part) for part in parts]
    widened = sum(
        part * np.maximum(scores.design_effect, _few(scores)) for part, scores in zip(diagonals, of, strict=True)
    )
    own = np.asarray(widened / np.maximum(sum(diagonals), 1e-300))
    root = np.sqrt(own)
    return replace(
        everybody,
        strength=mean - mean.mean(),
        covariance=posterior * np.outer(root, root),
        posterior_covariance=posterior,
        design_effect=own,
        weak_strength=weak - weak.mean(),
        weak_covariance=weak_covariance,
        weak_sandwich=None,
        contrast_effect=contrasts,
        converged=kernel.converged and everybody.converged,
        log_likelihood=kernel.log_likelihood,
        method=method,
    )


def _few(scores: Scores) -> float:
    """The least design effect where voters are few; none where they are not named, or none came."""
    return FEW_VOTERS_EFFECT if 0 < scores.n_voters < FEW_VOTERS else 1.0


def _effect_of(scores: Scores) -> Floats:
    return np.maximum(scores.pair_design_effect(), _few(scores))


def _contrasts(covariance: Floats) -> Floats:
    d = np.diagonal(covariance)
    return np.asarray(d[:, None] + d[None, :] - covariance - covariance.T)


# ----- how far voters differ within -----


@dataclass(frozen=True, slots=True)
class Polarisation:
    """How far voters differ about each item, in logits.

    spread (n,) the standard deviation of an item's value between voters, drawn towards the average item's as far as it
    is uncertain; raw_variance (n,) and standard_error (n,) the unshrunken square and its error; average the spread of
    the average item; liked_by (n,) share of voters for whom the item is worth more than the average item; polarised
    (k,) items whose voters surely differ more than on average.
    """

    spread: Floats
    raw_variance: Floats
    standard_error: Floats
    average: float
    liked_by: Floats
    polarised: tuple[int, ...]


@one_thread
def polarisation(votes: Comparisons, scores: Scores) -> Polarisation:
    """The spread of taste, from how the votes of the same voter about the same item go together.

    For a voter's residuals r_t = y_t - p_t with weights w_t = p_t (1 - p_t), two votes about item k have covariance
    w_t w_u tau_k^2 (to first order in tau), with the same rival also w_t w_u tau_j^2: a linear system in tau^2, solved
    by moments. For large spreads that is too low (0.7 for a true 1). Needs voters who saw an item more than once.
    Raises BadOption without voters.
    """
    if votes.voter is None:
        raise BadOption(option="voter", value=None, allowed="given, where the spread between voters is asked for")
    n = votes.n_items
    kept = votes.outcome <= LEFT
    left, right = votes.left[kept].astype(np.int64), votes.right[kept].astype(np.int64)
    voters, row = np.unique(votes.voter[kept], return_inverse=True)
    side = scores.side_effect.estimate if scores.side_effect is not None else 0.0
    p = 1.0 / (1.0 + np.exp(-(scores.strength[left] - scores.strength[right] + side)))
    r = votes.outcome[kept] * 0.5 - p
    w = p * (1.0 - p)
    cell = np.concatenate([row * n + left, row * n + right])
    cells, where = np.unique(cell, return_inverse=True)
    both = np.concatenate([r, -r])
    twice = np.concatenate([w, w])
    item, voter = cells % n, cells // n
    moment = np.bincount(where, both) ** 2 - np.bincount(where, both**2)
    weight = np.bincount(where, twice) ** 2 - np.bincount(where, twice**2)
    a = np.diag(np.bincount(item, weight, minlength=n))
    pair = (row * n + np.minimum(left, right)) * n + np.maximum(left, right)
    pairs, which = np.unique(pair, return_inverse=True)
    again = np.bincount(which, w) ** 2 - np.bincount(which, w**2)
    np.add.at(a, ((pairs // n) % n, pairs % n), again)
    a[np.tril_indices(n, -1)] = a.T[np.tril_indices(n, -1)]
    b = np.bincount(item, moment, minlength=n)
    known = np.diagonal(a) > 0.0
    raw = np.full(n, np.nan)
    error = np.full(n, np.inf)
    average = 0.0
    if known.any():
        inner = a[np.ix_(known, known)]
        raw[known] = np.linalg.lstsq(inner, b[known], rcond=None)[0]
        left_over = moment - weight * np.nan_to_num(raw)[item]
        per_voter = np.bincount(voter * n + item, left_over, minlength=len(voters) * n).reshape(-1, n)
        error[known] = np.sqrt((per_voter**2).sum(axis=0)[known]) / np.diagonal(a)[known]
        average = max(float(b[known].sum() / inner.sum()), 0.0)
    spread_of = raw[known] - average
    between = max(float(np.mean(spread_of**2 - error[known] ** 2)), 0.0) if known.any() else 0.0
    trust = np.zeros(n)
    trust[known] = between / (between + error[known] ** 2) if between > 0.0 else 0.0
    variance = np.maximum(average + trust * (np.nan_to_num(raw) - average), 0.0)
    spread = np.sqrt(variance)
    surely = known & (np.nan_to_num(raw) - average > 3.0 * error)
    above = [
        NormalDist().cdf(m / s) if s > 1e-9 else float(m > 0.0) + 0.5 * float(m == 0.0)
        for m, s in zip(scores.strength.tolist(), spread.tolist(), strict=True)
    ]
    return Polarisation(
        spread=spread,
        raw_variance=raw,
        standard_error=error,
        average=average**0.5,
        liked_by=np.array(above),
        polarised=tuple(np.flatnonzero(surely).tolist()),
    )


# ----- groups of taste that nobody declared -----

TASTE_SD: Final = 1.0
MOST_TASTES: Final = 3


@dataclass(frozen=True, slots=True)
class Tastes:
    """Groups of voters of like taste.

    share (G,) of the voters, largest first; strength (G, n) logits, mean zero; belongs (V, G) each voter's
    probabilities, voters in the order of their numbers (`voters`); bic (most,) of one group, two groups …: the chosen
    G has the least.
    """

    share: Floats
    strength: Floats
    voters: NDArray[np.int64]
    belongs: Floats
    bic: Floats

    def liked_by(self, item: int) -> float:
        """Share of voters in whose group this item is worth more than the average item."""
        return float(self.share[self.strength[:, item] > 0.0].sum())


@one_thread
def taste_clusters(votes: Comparisons, most: int = MOST_TASTES) -> Tastes:
    """As many groups of taste as the votes support (least BIC), by mixture EM over voters.

    With ten votes a voter the groups are clear and each voter's own membership is not: use the shares and strengths.
    Raises BadOption without voters, NoVotes. Source: latent class Bradley-Terry, Croon 1989, chapter 8 of de Soete et
    al. (eds), New Developments in Psychological Choice Modeling.
    """
    if votes.voter is None:
        raise BadOption(option="voter", value=None, allowed="given, where groups of voters are asked for")
    counts = votes.counts(clusters=None)
    table = bradley_terry.pooled(counts)
    clusters = counts.clusters
    assert clusters is not None
    world = _TasteWorld(clusters, votes.n_items)
    whole = bradley_terry.fit_table(partworths.halved(table), prior_variance=TASTE_SD**2)
    side = float(whole.x[votes.n_items])
    groups = [whole.strength - whole.strength.mean()]
    belongs = np.ones((clusters.n_rows, 1))
    share = np.ones(1)
    best: tuple[float, Floats, Floats, Floats] | None = None
    bic: list[float] = []
    for count in range(1, max(most, 1) + 1):
        if count > 1:
            belongs = world.split(groups, belongs, side)
        share, groups, belongs, value = world.settle(belongs, side)
        free = count * (votes.n_items - 1) + count - 1
        bic.append(-2.0 * value + free * log(max(clusters.n_rows, 2)))
        if best is None or bic[-1] < best[0]:
            best = (bic[-1], share, np.array(groups), belongs)
    assert best is not None
    order = np.argsort(-best[1], kind="stable")
    voters = np.unique(votes.voter)
    seen = np.zeros(len(voters), bool)
    usable = (votes.outcome <= LEFT) & (True if votes.weight is None else votes.weight > 0.0)
    seen[np.searchsorted(voters, votes.voter[usable])] = True
    return Tastes(best[1][order], best[2][order], voters[seen], best[3][:, order], np.array(bic))


class _TasteWorld:
    """The votes of all voters, for the mixture."""

    def __init__(self, clusters: Clusters, n_items: int) -> None:
        self.c = clusters
        self.n = n_items
        self.half = clusters.outcome * 0.5
        self.cell = clusters.left.astype(np.int64) * n_items + clusters.right

    def _gap(self, strength: Floats, side: float) -> Floats:
        return np.asarray(strength[self.c.left] - strength[self.c.right] + side)

    def settle(self, belongs: Floats, side: float) -> tuple[Floats, list[Floats], Floats, float]:
        """EM to rest: shares, strengths, memberships, log-likelihood."""
        value = -np.inf
        for _ in range(200):
            share = (belongs.sum(axis=0) + 1.0) / (belongs.sum() + belongs.shape[1])
            groups = [self._fit(belongs[:, g], side) for g in range(belongs.shape[1])]
            logs = np.empty_like(belongs)
            for g, strength in enumerate(groups):
                gap = self._gap(strength, side)
                own = self.half * gap - np.logaddexp(0.0, gap)
                logs[:, g] = np.bincount(self.c.row, own * self.c.weight, minlength=self.c.n_rows) + log(share[g])
            top = logs.max(axis=1, keepdims=True)
            chance = np.exp(logs - top)
            total = chance.sum(axis=1, keepdims=True)
            belongs = chance / total
            now = float((top + np.log(total)).sum())
            if now - value < 1e-6 * abs(now):
                break
            value = now
        return share, groups, belongs, now

    def split(self, groups: list[Floats], belongs: Floats, side: float) -> Floats:
        """The largest group in two, along the direction in which its voters differ most."""
        g = int(belongs.sum(axis=0).argmax())
        p = 1.0 / (1.0 + np.exp(-self._gap(groups[g], side)))
        miss = (self.half - p) * self.c.weight * belongs[self.c.row, g]
        first, second = self.c.row * self.n + self.c.left, self.c.row * self.n + self.c.right
        cells = self.c.n_rows * self.n
        pull = np.bincount(first, miss, minlength=cells) - np.bincount(second, miss, minlength=cells)
        pull = pull.reshape(-1, self.n)
        _, vectors = np.linalg.eigh(pull.T @ pull)
        along = pull @ vectors[:, -1]
        lean = 1.0 / (1.0 + np.exp(-4.0 * along / max(float(np.abs(along).mean()), 1e-12)))
        return np.column_stack([np.delete(belongs, g, axis=1), belongs[:, g] * lean, belongs[:, g] * (1.0 - lean)])

    def _fit(self, weight: Floats, side: float) -> Floats:
        table = np.zeros((self.n, self.n, 4))
        w = weight[self.c.row] * self.c.weight
        flat = np.bincount(self.cell, w * self.half, minlength=self.n**2)
        table[:, :, LEFT] = flat.reshape(self.n, self.n)
        table[:, :, 0] = (np.bincount(self.cell, w, minlength=self.n**2) - flat).reshape(self.n, self.n)
        one = _Known(Likelihood(table, side=True, davidson=False), np.array([side]))
        return maximise(one, np.eye(self.n) / TASTE_SD**2, np.zeros(self.n)).x

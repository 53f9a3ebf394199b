"""The batch model: Bradley-Terry with ties, side effect, weights and prior; voter-clustered intervals.

What a merchant reads is the posterior mean under a Gaussian prior whose variance is estimated from the same votes
(empirical Bayes): choosing pairs by what is known so far stretches unshrunken scores, and the leader's most of all. Its
variance is the posterior's times the voter-clustered design effect: votes of one voter are alike, so that ten of them
are worth less than ten votes of ten. Plain maximum likelihood with the plain sandwich is there for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ranking import connectivity
from ranking._blas import one_thread
from ranking._newton import MAX_STEPS, Likelihood, Peak, maximise
from ranking.comparisons import (
    CLUSTER_VOTERS,
    LEFT,
    NO_LIKING,
    RIGHT,
    TIE,
    Clusters,
    Comparisons,
    Counts,
    RunningCounts,
)
from ranking.errors import BadOption, NoVotes
from ranking.scores import Estimate, Flag, Scores

Floats = NDArray[np.float64]
Ties = Literal["davidson", "half"]

WEAK_SD: Final = 2.0
"""The prior that shrinks next to nothing: for the proven rule, for design effects, and where plain likelihood fails."""
SIDE_SD: Final = 1.0
TIE_SD: Final = 3.0
PRIOR_GUESS: Final = 0.25
"""Variance of strengths before any vote (logits^2), worth PRIOR_WORTH styles of evidence."""
PRIOR_WORTH: Final = 2.0
ALMOST: Final = 2e-6
"""From here one more step ends within about 1e-6 of the prior's variance, and 1e-8 of the strengths."""
FEW_VOTERS: Final = 30
FEW_VOTERS_EFFECT: Final = 1.3
BLOCK_CELLS: Final = 400_000
"""Numbers in one block of voters' gradients: 3 MB."""
ONE_SIDED_VOTES: Final = 10
"""Choices that all fell on one side by even chance once in 500 times."""
EARLY_VOTES: Final = 40
"""Votes on an item under which an adaptive deal's intervals for the leader cover less than they say."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted table without the trimmings: for loops that fit thousands of times.

    x (width,): strengths (n), then side and log nu where fitted; covariance (width, width): inverse of the curvature,
    prior included; prior_variance: of the strengths, 0 for none.
    """

    x: Floats
    covariance: Floats
    prior_variance: float
    converged: bool
    likelihood: Likelihood

    @property
    def strength(self) -> Floats:
        """(n,) logits."""
        return self.x[: self.likelihood.n]

    @property
    def strength_covariance(self) -> Floats:
        """(n, n) of the strengths less their mean."""
        return centred(self.covariance[: self.likelihood.n, : self.likelihood.n])


@one_thread
def fit_table(
    table: Floats,
    *,
    prior_variance: float | None = None,
    variance_start: float | None = None,
    variance_steps: int | None = None,
    side: bool = True,
    davidson: bool = True,
    start: Floats | None = None,
) -> Fit:
    """The fast core: one table of counts (n, n, 4) to a `Fit`; nothing is checked.

    prior_variance: fixed (0: plain maximum likelihood), or None to estimate it, from `variance_start` if given, in at
    most `variance_steps` improvements (one is enough when both starts are those of the fit before). start: `x` of an
    earlier fit of the same width. About 0.1 ms at n = 12 from a warm start, 0.4 ms from none.
    """
    likelihood = Likelihood(table, side=side, davidson=davidson)
    x = _start(likelihood, start)
    if prior_variance is not None:
        peak, covariance = _peak(likelihood, prior_variance, x)
        return Fit(peak.x, covariance, prior_variance, peak.converged, likelihood)
    return _empirical_bayes(
        likelihood, x, variance_start or PRIOR_GUESS, 25 if variance_steps is None else variance_steps
    )


@one_thread
def fit(
    votes: Comparisons | RunningCounts | Counts,
    *,
    prior_sd: float | None = None,
    side: bool = True,
    ties: Ties = "davidson",
    interval: Literal["honest", "plain"] | None = None,
    start: Scores | None = None,
    design_effect: Floats | None = None,
    clusters: int | None = CLUSTER_VOTERS,
) -> Scores:
    """Strengths of all items, all segments taken together.

    prior_sd: standard deviation of the prior in logits; None estimates it from the votes, 0 is plain maximum
    likelihood. side: fit the advantage of the left side. ties: "davidson" (data for a tie parameter) or "half" (half a
    win each).
    interval: "honest" (posterior x design effect) or "plain" (the sandwich itself); by default honest unless prior_sd
    is 0. start: an earlier result for the same items, to begin from. design_effect (n,): of an earlier fit, to save
    its computation. clusters: whole voters that the design effect is computed from, None for all.

    Raises NoVotes, BadOption. Sources: Bradley and Terry 1952, Biometrika 39; Davidson 1970, JASA 65; MacKay 1992,
    Neural Computation 4(3), for the prior's variance; Liang and Zeger 1986, Biometrika 73, for the clustered sandwich.
    """
    if prior_sd is not None and not 0.0 <= prior_sd < 1e6:
        raise BadOption(option="prior_sd", value=prior_sd, allowed="a number of logits, 0 or more, or None")
    if ties not in ("davidson", "half"):
        raise BadOption(option="ties", value=ties, allowed='"davidson" or "half"')
    if interval not in (None, "honest", "plain"):
        raise BadOption(option="interval", value=interval, allowed='"honest" or "plain"')
    plain = (prior_sd == 0.0) if interval is None else interval == "plain"
    counts = counts_of(votes, clusters if design_effect is None or plain else 0)
    pooled(counts)
    return fit_counts(counts, prior_sd=prior_sd, side=side, ties=ties, interval=interval, start=start,
                      design_effect=design_effect)  # fmt: skip


@one_thread
def fit_counts(
    counts: Counts,
    *,
    prior_sd: float | None,
    side: bool,
    ties: Ties,
    interval: Literal["honest", "plain"] | None = None,
    start: Scores | None = None,
    design_effect: Floats | None = None,
) -> Scores:
    """What `fit` does, without its checks, and also where no vote was cast at all: then the prior is the answer."""
    table = together(counts)
    davidson = ties == "davidson"
    flags = list(doubts(table, counts))

    warm = None if start is None or start.n_items != counts.n_items else start
    likelihood = Likelihood(table, side=side, davidson=davidson)
    start_x = _start(likelihood, None if warm is None else _parameters(warm, likelihood))
    weak_x = start_x
    if warm is not None:
        weak_x = start_x.copy()
        weak_x[: counts.n_items] = warm.weak_strength
    weak_peak, weak_inverse = _peak(likelihood, WEAK_SD**2, weak_x)

    if prior_sd is None:
        if warm is None:
            main = _empirical_bayes(likelihood, weak_peak.x, PRIOR_GUESS, 25, known=weak_inverse)
        else:
            main = _empirical_bayes(likelihood, start_x, warm.prior_sd**2 or PRIOR_GUESS, 25)
    elif prior_sd > 0.0:
        peak, inverse = _peak(likelihood, prior_sd**2, start_x)
        main = Fit(peak.x, inverse, prior_sd**2, peak.converged, likelihood)
    else:
        main, why_not = _plain(table, likelihood, weak_peak.x)
        if why_not:
            main = Fit(weak_peak.x, weak_inverse, WEAK_SD**2, weak_peak.converged, likelihood)
            flags.append(Flag("no_maximum", f"Plain maximum likelihood has no finite answer here ({why_not}); "
                              f"a weak prior of sd {WEAK_SD:g} was used instead."))  # fmt: skip
    if not main.converged:
        flags.append(Flag("not_converged", "The fit did not reach its maximum; these numbers are not to be used."))
    return _report(main, Fit(weak_peak.x, weak_inverse, WEAK_SD**2, weak_peak.converged, likelihood), counts, table,
                   flags, plain=(prior_sd == 0.0) if interval is None else interval == "plain",
                   design_effect=design_effect)  # fmt: skip


def counts_of(votes: Comparisons | RunningCounts | Counts, clusters: int | None = CLUSTER_VOTERS) -> Counts:
    """Counts of any of the three; running counts keep their own limit of voters unless none are wanted."""
    if isinstance(votes, Counts):
        return votes
    if isinstance(votes, RunningCounts):
        return votes.counts(0 if clusters == 0 else None)
    return votes.counts(clusters)


def together(counts: Counts) -> Floats:
    """(n, n, 4) counts of all segments together."""
    table: Floats = counts.table[0] if counts.n_segments == 1 else counts.table.sum(axis=0)
    return table


def pooled(counts: Counts) -> Floats:
    """The same, where any answer has weight; raises NoVotes where none has."""
    table = together(counts)
    if not table[:, :, :NO_LIKING].any():
        raise NoVotes(reason="no vote with a weight above zero prefers a style or calls two equal")
    return table


@dataclass(frozen=True, slots=True)
class Tally:
    """(n,) weight of the answers that each item won, lost, tied, and of those that liked none of the two."""

    won: Floats
    lost: Floats
    tied: Floats
    neither: Floats

    @property
    def shown(self) -> Floats:
        """(n,) weight of the answers that compare an item with another: won, lost and tied."""
        return self.won + self.lost + self.tied


def tally(table: Floats) -> Tally:
    """What happened to each item of a table (n, n, 4)."""
    on_left, on_right = table.sum(axis=1), table.sum(axis=0)
    return Tally(
        won=on_left[:, LEFT] + on_right[:, RIGHT],
        lost=on_left[:, RIGHT] + on_right[:, LEFT],
        tied=on_left[:, TIE] + on_right[:, TIE],
        neither=on_left[:, NO_LIKING] + on_right[:, NO_LIKING],
    )


def doubts(table: Floats, counts: Counts) -> tuple[Flag, ...]:
    """What should be said about these votes whatever model is fitted to them."""
    found: list[Flag] = []
    items = tally(table)
    won, lost, tied, shown = items.won, items.lost, items.tied, items.shown
    never = np.flatnonzero(shown == 0)
    if len(never):
        found.append(Flag("never_shown", "No vote was cast on these; only the prior speaks for them.", _items(never)))
    undefeated = np.flatnonzero((won > 0) & (lost + tied == 0))
    if len(undefeated):
        sentence = "These were never beaten: only the prior bounds their strength from above."
        found.append(Flag("undefeated", sentence, _items(undefeated)))
    winless = np.flatnonzero((lost > 0) & (won + tied == 0))
    if len(winless):
        sentence = "These were never preferred: only the prior bounds their strength from below."
        found.append(Flag("winless", sentence, _items(winless)))
    if len(never) < len(shown):
        groups = connectivity.groups(connectivity.shown_together(table))
        judged = [group for group in groups if shown[group[0]] > 0]
        if len(judged) > 1:
            sentence = (
                f"The votes fall into {len(judged)} groups of styles that were never compared with each other; "
                "between the groups only the prior speaks."
            )
            smaller = sorted(judged, key=len)[:-1]
            found.append(Flag("disconnected", sentence, tuple(item for group in smaller for item in group)))
    if won.sum() == 0 and tied.sum() > 0:
        found.append(Flag("all_ties", "Every answer was a tie: nothing tells the styles apart."))
    decided = table[:, :, [LEFT, RIGHT]].sum(axis=(0, 1))
    if min(decided) == 0.0 and sum(decided) >= ONE_SIDED_VOTES:
        side = "left" if decided[0] > 0.0 else "right"
        found.append(
            Flag("one_sided", f"Every choice fell on the {side}: the side of the screen may explain them all.")
        )
    if counts.n_voters == 1:
        found.append(Flag("one_voter", "All votes are from one voter: they tell one person's taste and nobody else's."))
    if 0 < counts.n_voters < FEW_VOTERS:
        sentence = (
            f"Only {counts.n_voters} voters: variances are widened {FEW_VOTERS_EFFECT} times at least, since so few "
            "cannot tell how much voters differ."
        )
        found.append(Flag("too_few_voters", sentence))
    if counts.duplicates_removed:
        sentence = f"{counts.duplicates_removed} votes were there twice and are counted once."
        found.append(Flag("duplicates_removed", sentence))
    early = np.flatnonzero((shown > 0) & (shown < EARLY_VOTES))
    if len(early):
        found.append(
            Flag("early_estimate", f"Fewer than {EARLY_VOTES} answers on these: an early estimate.", _items(early))
        )
    return tuple(found)


def clustered(fit: Fit, clusters: Clusters) -> Floats:
    """(width, width) voter-clustered sandwich of a fit: H^-1 (sum of g g' over voters) H^-1.

    g is the sum of a voter's contributions to the gradient. Where the clusters are a sample of all voters, the sum is
    scaled up to all of them. There is no correction for few voters, as in the usual packages; `design_effects` has one.
    """
    if clusters.n_rows == 0:
        return fit.covariance
    own = meat(fit.likelihood, fit.x, clusters) * (clusters.n_voters / clusters.n_rows)
    return np.asarray(fit.covariance @ own @ fit.covariance)


def centred(covariance: Floats) -> Floats:
    """Covariance (n, n) of values less their mean: P S P with P = I - 11'/n."""
    inner: Floats = covariance - covariance.mean(axis=0)
    inner -= inner.mean(axis=1, keepdims=True)
    return inner


def design_effects(weak: Fit, clusters: Clusters | None) -> tuple[Floats, Floats | None]:
    """(n,) variance of each strength with votes clustered by voter over that without, 1 or more; and the sandwich.

    The sandwich has the factor V / (V - 1) for V voters: the mean of few is nearer to each of them than the truth is.
    """
    n = weak.likelihood.n
    if clusters is None or clusters.n_rows == 0:
        return np.ones(n), None
    voters = clusters.n_voters
    sandwich = centred(clustered(weak, clusters)[:n, :n]) * (voters / max(voters - 1, 1))
    model = np.diagonal(weak.strength_covariance)
    effect = np.maximum(1.0, np.diagonal(sandwich) / model)
    if clusters.n_voters < FEW_VOTERS:
        effect = np.maximum(effect, FEW_VOTERS_EFFECT)
    return effect, sandwich


def meat(likelihood: Likelihood, x: Floats, clusters: Clusters, *, block_cells: int = BLOCK_CELLS) -> Floats:
    """(width, width) sum over voters of the outer product of their contribution to the gradient."""
    n, width = likelihood.n, likelihood.width
    of_eta, of_tie = likelihood.residuals(x)
    cell = (clusters.left.astype(np.int64) * n + clusters.right) * 3 + clusters.outcome
    pull = of_eta.ravel()[cell] * clusters.weight
    entries = [(clusters.left, pull), (clusters.right, -pull)]
    if likelihood.side:
        entries.append((np.full(len(cell), n), pull))
    if of_tie is not None:
        entries.append((np.full(len(cell), width - 1), of_tie.ravel()[cell] * clusters.weight))
    # Voters are taken in blocks whose gradients fit into the cache; all votes of a voter are in one block.
    height = max(1, block_cells // width)
    n_blocks = -(-clusters.n_rows // height)
    rows = clusters.row
    ends = np.array([0, len(cell)])
    if n_blocks > 1:
        number = (rows // height).astype(np.uint16 if n_blocks < 65536 else np.int64)
        order = np.argsort(number, kind="stable")
        entries = [(column[order], value[order]) for column, value in entries]
        rows = rows[order]
        ends = np.searchsorted(number[order], np.arange(n_blocks + 1))
    total = np.zeros((width, width))
    for block, (begin, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
        base = (rows[begin:end] - block * height) * width
        where = np.concatenate([base + column[begin:end] for column, _ in entries])
        values = np.concatenate([value[begin:end] for _, value in entries])
        gradient = np.bincount(where, values, minlength=min(height, clusters.n_rows) * width).reshape(-1, width)
        total += gradient.T @ gradient
    return total


def _start(likelihood: Likelihood, start: Floats | None) -> Floats:
    if start is not None and len(start) == likelihood.width:
        return start.copy()
    x = np.zeros(likelihood.width)
    # The logit of each item's score against all, as if its rivals were average: saves the first and longest steps.
    gained = likelihood.halves @ likelihood.ones + likelihood.ones @ (likelihood.shown - likelihood.halves)
    played = likelihood.shown @ likelihood.ones + likelihood.ones @ likelihood.shown
    score = (gained + 1.0) / (played + 2.0)
    logit = np.log(score / (1.0 - score))
    x[: likelihood.n] = logit - logit.mean()
    if likelihood.tie:
        # Where all strengths are equal a tie has probability nu / (2 + nu).
        share = min(likelihood.total_tied / float(likelihood.shown.sum()), 0.99)
        x[-1] = log(2.0 * share / (1.0 - share))
    return x


def _parameters(scores: Scores, likelihood: Likelihood) -> Floats | None:
    x = list(scores.strength)
    if likelihood.side:
        if scores.side_effect is None:
            return None
        x.append(scores.side_effect.estimate)
    if likelihood.tie:
        if scores.tie_effect is None:
            return None
        x.append(scores.tie_effect.estimate)
    return np.array(x)


def _precision(likelihood: Likelihood, variance: float) -> Floats:
    prior = np.zeros((likelihood.width, likelihood.width))
    n = likelihood.n
    if variance > 0.0:
        prior[np.arange(n), np.arange(n)] = 1.0 / variance
        if likelihood.side:
            prior[n, n] = 1.0 / SIDE_SD**2
        if likelihood.tie:
            prior[-1, -1] = 1.0 / TIE_SD**2
    else:
        # Votes say nothing of the mean of all strengths; any precision there only fixes it at zero.
        prior[:n, :n] = 1.0 / n
    return prior


def _peak(likelihood: Likelihood, variance: float, start: Floats) -> tuple[Peak, Floats]:
    """The maximum under a fixed prior variance, and the inverse curvature there."""
    prior = _precision(likelihood, variance)
    peak = maximise(likelihood, prior, start)
    _, curvature = likelihood.climb(peak.x)
    try:
        return peak, np.asarray(np.linalg.inv(curvature + prior))
    except np.linalg.LinAlgError:
        return replace(peak, converged=False), np.asarray(np.linalg.pinv(curvature + prior))


def _empirical_bayes(
    likelihood: Likelihood, start: Floats, variance: float, improvements: int, known: Floats | None = None
) -> Fit:
    """The prior variance that the votes themselves suggest, and the fit under it.

    Fixed point s <- (m'm + nu s0) / (n - tr(S) / s + nu), m the strengths and S their covariance (MacKay 1992), nu
    pseudo styles of variance s0; solved for log s by Newton's method: the plain iteration crawls where votes are few.
    """
    n = likelihood.n
    at = log(variance)
    if known is not None:
        # Begin near the end, with the covariance of a fit that hardly shrinks: what is more certain, is so with a prior.
        spread = centred(known[:n, :n])
        moment = max(float(start[:n] @ start[:n]) - float(np.trace(spread)), 0.0) + PRIOR_WORTH * PRIOR_GUESS
        at = log(moment / (n + PRIOR_WORTH))
        shrunk = 1.0 / (1.0 + np.diagonal(spread) / exp(at))
        at += _better_variance(start[:n] * shrunk, spread * np.sqrt(np.outer(shrunk, shrunk)), at)[0]
    prior = _precision(likelihood, variance)
    diagonal = prior.reshape(-1)[: n * likelihood.width : likelihood.width + 1]
    x = start
    settled = improvements == 0
    for _ in range(MAX_STEPS):
        # One step of Newton's method for the strengths and one for their variance: each corrects the other.
        variance = exp(at)
        diagonal[:] = 1.0 / variance
        gradient, curvature = likelihood.climb(x)
        curvature += prior
        covariance = np.asarray(np.linalg.inv(curvature))
        move = covariance @ (gradient - prior @ x)
        longest = float(np.abs(move).max())
        if longest > 1.0:
            peak = maximise(likelihood, prior, x)
            if not peak.converged:
                return Fit(peak.x, covariance, variance, False, likelihood)
            x = peak.x
            continue
        x = x + move
        if settled:
            if longest < ALMOST:
                return Fit(x, covariance, variance, True, likelihood)
            continue
        step, gap = _better_variance(x[:n], covariance[:n, :n], at)
        at += step
        improvements -= 1
        settled = improvements == 0 or (abs(gap) < ALMOST and longest < 2e-5)
    return Fit(x, covariance, variance, False, likelihood)


def _better_variance(strength: Floats, spread: Floats, at: float) -> tuple[float, float]:
    """Step towards the fixed point from variance exp(at), on the log scale, and how far off this variance is."""
    variance = exp(at)
    evidence = float(strength @ strength) + PRIOR_WORTH * PRIOR_GUESS
    doubt = float(np.trace(spread)) / variance
    worth = len(strength) - doubt + PRIOR_WORTH
    gap = log(evidence / worth) - at
    # The slope of the gap in log s, the curvature of the votes taken as fixed.
    doubt_squared = float(np.vdot(spread, spread)) / variance**2
    slope = 2.0 * float(strength @ spread @ strength) / variance / evidence - (doubt - doubt_squared) / worth - 1.0
    return min(max(-gap / min(slope, -0.05), -1.6), 1.6), gap


def _plain(table: Floats, likelihood: Likelihood, start: Floats) -> tuple[Fit, str]:
    """Plain maximum likelihood, or why there is none."""
    nothing = Fit(start, np.eye(likelihood.width), 0.0, False, likelihood)
    if not connectivity.strongly_connected(connectivity.preferred_or_tied(table)):
        return nothing, "some styles only ever won, only ever lost, or were never compared with the others"
    peak, covariance = _peak(likelihood, 0.0, start)
    if not peak.converged:
        return nothing, "the side of the screen or the ties explain the votes completely"
    return Fit(peak.x, covariance, 0.0, True, likelihood), ""


def _report(
    main: Fit, weak: Fit, counts: Counts, table: Floats, flags: list[Flag], *, plain: bool, design_effect: Floats | None
) -> Scores:
    n = counts.n_items
    likelihood = main.likelihood
    sandwich: Floats | None = None
    if design_effect is None:
        design_effect, sandwich = design_effects(weak, counts.clusters)
    posterior = main.strength_covariance
    clusters = counts.clusters
    if plain:
        whole = main.covariance if clusters is None else clustered(main, clusters)
        covariance = centred(whole[:n, :n])
        method = "model-based" if clusters is None else "voter-clustered sandwich"
    else:
        whole = main.covariance
        root = np.sqrt(design_effect)
        covariance = posterior * np.outer(root, root)
        method = "posterior x voter-clustered design effect" if counts.n_voters else "model-based posterior"
    prior = "no prior" if main.prior_variance == 0.0 else f"prior sd {main.prior_variance**0.5:.3g}"
    items = tally(table)
    extra = list(range(n, likelihood.width))
    effects = [Estimate(float(main.x[k]), float(max(whole[k, k], 0.0) ** 0.5)) for k in extra]
    strength = main.strength - main.strength.mean()
    return Scores(
        strength=strength,
        covariance=covariance,
        posterior_covariance=posterior,
        design_effect=design_effect,
        weak_strength=weak.strength - weak.strength.mean(),
        weak_covariance=weak.strength_covariance,
        weak_sandwich=sandwich,
        side_effect=effects[0] if likelihood.side else None,
        tie_effect=effects[-1] if likelihood.tie else None,
        flags=tuple(flags),
        converged=main.converged,
        n_votes=counts.n_votes,
        n_voters=counts.n_voters,
        shown=items.shown,
        wins=items.won,
        neither=items.neither,
        prior_sd=main.prior_variance**0.5,
        log_likelihood=likelihood.log_likelihood(main.x),
        method=f"Bradley-Terry, {prior}; {method}",
    )


def _items(numbers: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(numbers.tolist())

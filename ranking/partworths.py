"""Attributes beside items in one fit: what a colour or a sleeve is worth, and what an untested combination would score.

A strength is the sum of its attributes' part-worths and a rest of its own. All are Gaussian with variances estimated
from the votes, so that attributes speak where an item has few votes, and fall silent where it has many. With no prior
(`prior_sd=0`) the same attributes are fitted as a plain conditional logit, without a rest, for comparison with others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranking import bradley_terry
from ranking._blas import one_thread
from ranking._kernel import KernelFit, Part, fit_kernel
from ranking._newton import Peak, maximise
from ranking.bradley_terry import SIDE_SD, TIE_SD, WEAK_SD, Ties, centred
from ranking.comparisons import LEFT, MAX_CELLS, RIGHT, TIE, Comparisons, Counts, RunningCounts
from ranking.errors import BadAttributes, BadOption, NoVotes, UnknownLevel
from ranking.scores import Estimate, Flag, Scores

Floats = NDArray[np.float64]

PART_GUESS: Final = 0.06
"""Variance of an attribute's part-worths, and of the rest, before any vote (logits^2)."""
MOST_LEVELS: Final = 60


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of n items: text levels with `codes` (n,), or a number with standardised `values` (n,)."""

    name: str
    levels: tuple[str, ...]
    columns: Floats
    middle: float = 0.0
    spread: float = 1.0

    @property
    def is_number(self) -> bool:
        return not self.levels

    def encode(self, value: str | float) -> Floats:
        """(columns,) of one value. Raises UnknownLevel, BadAttributes."""
        if self.is_number:
            number = _number(value)
            if number is None:
                raise BadAttributes(reason=f"{self.name} is a number; {value!r} is none")
            return np.array([(number - self.middle) / self.spread])
        if value not in self.levels:
            raise UnknownLevel(attribute=self.name, level=value, known=", ".join(self.levels))
        return np.asarray(np.array([level == value for level in self.levels], float))


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of n items besides the votes."""

    attributes: tuple[Attribute, ...]
    n_items: int

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[str | float]]) -> Attributes:
        """From columns of n values each: categories as text, numbers as numbers.

        Raises BadAttributes where lengths differ, a number is not finite, an attribute has one value only (it can
        explain nothing: leave it out) or more than `MOST_LEVELS` levels.
        """
        if not columns:
            raise BadAttributes(reason="there is no attribute")
        lengths = {len(values) for values in columns.values()}
        if len(lengths) != 1:
            raise BadAttributes(reason="the columns differ in length")
        found = [_attribute(name, values) for name, values in columns.items()]
        return cls(tuple(found), lengths.pop())

    @property
    def design(self) -> Floats:
        """(n, columns) all attributes side by side."""
        return np.concatenate([attribute.columns for attribute in self.attributes], axis=1)

    @property
    def labels(self) -> tuple[tuple[str, str | None], ...]:
        """(attribute, level) of each column of `design`; level None for numbers."""
        return tuple(
            (attribute.name, level) for attribute in self.attributes for level in (attribute.levels or (None,))
        )

    def encode(self, combination: Mapping[str, str | float]) -> Floats:
        """(columns,) of one combination, which must name every attribute."""
        missing = [a.name for a in self.attributes if a.name not in combination]
        unknown = [name for name in combination if name not in {a.name for a in self.attributes}]
        if missing or unknown:
            wrong = f"{', '.join(missing)} missing" if missing else f"{', '.join(unknown)} unknown"
            raise BadAttributes(reason=f"a combination needs a value for each attribute ({wrong})")
        return np.concatenate([a.encode(combination[a.name]) for a in self.attributes])

    def parts(self, *, deviation: bool = False) -> tuple[Part, ...]:
        """The parts of the prior: one kernel per attribute, and the rest."""
        own = "deviation " if deviation else ""
        rest = Part(f"{own}rest", np.eye(self.n_items), PART_GUESS, deviation)
        kernels = [(a.name, a.columns @ a.columns.T) for a in self.attributes]
        return (*(Part(f"{own}{name}", kernel, PART_GUESS, deviation) for name, kernel in kernels), rest)


@dataclass(frozen=True, slots=True)
class PartWorth:
    """What one level is worth against the average level of its attribute (or one unit of a number), in logits."""

    attribute: str
    level: str | None
    worth: Estimate


@dataclass(frozen=True, slots=True)
class PartWorths:
    """Strengths of the items (`scores`, None where there are too many) and what their attributes contribute.

    covariance (columns, columns) of the worths; fitted (n,) the attributes' share of each item's strength, mean zero,
    and fitted_standard_error (n,); rest_sd the standard deviation of what attributes do not explain (0: not fitted).
    """

    scores: Scores | None
    worths: tuple[PartWorth, ...]
    covariance: Floats
    fitted: Floats
    fitted_standard_error: Floats
    rest_sd: float
    log_likelihood: float
    side_effect: Estimate | None
    tie_effect: Estimate | None
    flags: tuple[Flag, ...]
    converged: bool
    n_votes: int
    n_voters: int
    method: str
    attributes: Attributes
    _new: _Prediction | None = None

    def against(self, base: Mapping[str, str]) -> tuple[PartWorth, ...]:
        """Worths of the other levels against a base level of each named attribute.

        Raises UnknownLevel, BadAttributes.
        """
        labels = self.attributes.labels
        column = {label: k for k, label in enumerate(labels)}
        unknown = sorted(set(base) - {a.name for a in self.attributes.attributes if not a.is_number})
        if unknown:
            raise BadAttributes(reason=f"{unknown[0]} is not an attribute with levels")
        found: list[PartWorth] = []
        for name, level in labels:
            if name not in base:
                found.append(self.worths[column[(name, level)]])
                continue
            known = next(a.levels for a in self.attributes.attributes if a.name == name)
            if base[name] not in known:
                raise UnknownLevel(attribute=name, level=base[name], known=", ".join(known))
            if level == base[name]:
                continue
            k, b = column[(name, level)], column[(name, base[name])]
            c = self.covariance
            variance = c[k, k] + c[b, b] - c[k, b] - c[b, k]
            gap = self.worths[k].worth.estimate - self.worths[b].worth.estimate
            found.append(PartWorth(name, level, Estimate(gap, float(max(variance, 0.0) ** 0.5))))
        return tuple(found)

    def predict(self, combinations: Sequence[Mapping[str, str | float]]) -> tuple[Estimate, ...]:
        """Strengths that untested combinations would have, on the scale of `scores` (0 is the mean tested item).

        The standard error contains the rest that no attribute explains: it does not vanish with more votes.
        """
        rows = np.array([self.attributes.encode(one) for one in combinations])
        if self._new is not None:
            return self._new.of(rows)
        rows = rows - self.attributes.design.mean(axis=0)
        worth = np.array([w.worth.estimate for w in self.worths])
        variance = np.einsum("ij,jk,ik->i", rows, self.covariance, rows)
        return tuple(
            Estimate(float(row @ worth), float(max(v, 0.0) ** 0.5)) for row, v in zip(rows, variance, strict=True)
        )


@dataclass(frozen=True, slots=True)
class _Prediction:
    """Gaussian prediction for items that were not in the fit: k*' a and k** - k*' R k*."""

    design: Floats
    variances: Floats  # one per column of the design
    rest: float
    pull: Floats
    push: Floats
    mean: float
    spread: Floats  # (n, n) posterior covariance of the tested strengths
    widen: float

    def of(self, rows: Floats) -> tuple[Estimate, ...]:
        link = (rows * self.variances) @ self.design.T
        kernel = (self.design * self.variances) @ self.design.T + self.rest * np.eye(len(self.design))
        own = (rows * rows) @ self.variances + self.rest
        estimate = link @ self.pull - self.mean
        with_tested = link - link @ self.push @ kernel
        variance = own - np.einsum("ij,jk,ik->i", link, self.push, link)
        variance = variance - 2.0 * with_tested.mean(axis=1) + self.spread.mean()
        return tuple(
            Estimate(float(e), float(max(v * self.widen, 0.0) ** 0.5)) for e, v in zip(estimate, variance, strict=True)
        )


@one_thread
def fit(
    votes: Comparisons | RunningCounts | Counts,
    attributes: Attributes,
    *,
    prior_sd: float | None = None,
    side: bool = True,
    ties: Ties = "davidson",
    start: KernelFit | None = None,
) -> PartWorths:
    """Items and attributes together; with prior_sd=0, or more items than one table holds, attributes alone.

    prior_sd: None (variances from the votes) or 0 (plain conditional logit). Raises BadAttributes when the attributes
    are not of these items, and what `bradley_terry.fit` raises. Source: kernels after Rasmussen and Williams 2006,
    chapters 2 and 3; part-worths after Green and Srinivasan 1978, Journal of Consumer Research 5.
    """
    if prior_sd not in (None, 0):
        raise BadOption(option="prior_sd", value=prior_sd, allowed="0 or None where attributes are fitted")
    n = votes.n_items
    if attributes.n_items != n:
        raise BadAttributes(reason=f"they are of {attributes.n_items} styles, the votes of {n}")
    if prior_sd == 0 or too_many(n):
        return _attributes_alone(votes, attributes, prior_sd=prior_sd, side=side, ties=ties)
    plain = bradley_terry.fit(votes, side=side, ties=ties)
    counts = bradley_terry.counts_of(votes)
    table = bradley_terry.pooled(counts)[None]
    fitted = fit_kernel(
        halved(table) if ties == "half" else table,
        attributes.parts(),
        side=side,
        davidson=ties == "davidson",
        side_sd=SIDE_SD,
        tie_sd=TIE_SD,
        start=start,
    )
    return _report(fitted, plain, attributes)


def too_many(n_items: int) -> bool:
    """Are these too many items for a strength of each beside the attributes?"""
    return n_items * n_items > MAX_CELLS // 2


def halved(table: Floats) -> Floats:
    """The same counts with every tie as half a win for each."""
    split = table.copy()
    split[..., LEFT] += 0.5 * table[..., TIE]
    split[..., RIGHT] += 0.5 * table[..., TIE]
    split[..., TIE] = 0.0
    return split


def scores_of(fitted: KernelFit, s: int, plain: Scores) -> Scores:
    """Segment s of a kernel fit as Scores, with the design effects, counts and flags of `plain`."""
    block = fitted.block(s, s)
    posterior = centred(block)
    root = np.sqrt(plain.design_effect)
    extras = _extras(fitted, plain)
    flags = plain.flags
    if not fitted.converged:
        flags = (*flags, Flag("not_converged", "The fit did not reach its maximum; these numbers are not to be used."))
    clustered = "model-based posterior" if plain.n_voters == 0 else "posterior x voter-clustered design effect"
    return replace(
        plain,
        strength=fitted.mean[s] - fitted.mean[s].mean(),
        covariance=posterior * np.outer(root, root),
        posterior_covariance=posterior,
        side_effect=extras[0],
        tie_effect=extras[1],
        flags=flags,
        converged=fitted.converged and plain.converged,
        prior_sd=float(np.sqrt(fitted.variances.sum())),
        log_likelihood=fitted.log_likelihood,
        method=f"Bradley-Terry, variances of all parts from the votes; {clustered}",
    )


def _extras(fitted: KernelFit, plain: Scores) -> tuple[Estimate | None, Estimate | None]:
    effects = [
        Estimate(float(value), float(max(fitted.extras_covariance[k, k], 0.0) ** 0.5))
        for k, value in enumerate(fitted.extras)
    ]
    side = effects.pop(0) if plain.side_effect is not None else None
    return side, effects[0] if effects else None


def _report(fitted: KernelFit, plain: Scores, attributes: Attributes) -> PartWorths:
    scores = scores_of(fitted, 0, plain)
    design = attributes.design
    rest = float(fitted.variances[-1])
    variances = np.repeat(fitted.variances[:-1], [a.columns.shape[1] for a in attributes.attributes])
    worth = variances * (design.T @ fitted.pull)
    covariance = np.diag(variances) - (variances[:, None] * (design.T @ fitted.push @ design)) * variances
    effects = _widening(plain, design)
    middle = _middles(attributes)
    worth, covariance = middle @ worth, middle @ covariance @ middle.T
    root = np.sqrt(effects)
    covariance = covariance * np.outer(root, root)
    centred_design = design - design.mean(axis=0)
    return PartWorths(
        scores=scores,
        worths=_named(attributes, worth, covariance),
        covariance=covariance,
        fitted=centred_design @ worth,
        fitted_standard_error=_row_errors(centred_design, covariance),
        rest_sd=rest**0.5,
        log_likelihood=fitted.log_likelihood,
        side_effect=scores.side_effect,
        tie_effect=scores.tie_effect,
        flags=scores.flags,
        converged=scores.converged,
        n_votes=scores.n_votes,
        n_voters=scores.n_voters,
        method=scores.method,
        attributes=attributes,
        _new=_Prediction(
            design=design,
            variances=variances,
            rest=rest,
            pull=fitted.pull,
            push=fitted.push,
            mean=float(fitted.mean[0].mean()),
            spread=fitted.block(0, 0),
            widen=float(np.mean(plain.design_effect)),
        ),
    )


def _row_errors(rows: Floats, covariance: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(np.einsum("ij,ij->i", rows @ covariance, rows), 0.0)))


def _widening(plain: Scores, design: Floats) -> Floats:
    """(columns,) design effect of each part-worth: of the contrast of the items that carry it against all others."""
    if plain.weak_sandwich is None:
        return np.ones(design.shape[1])
    contrast = (design - design.mean(axis=0)) / np.maximum(np.abs(design).sum(axis=0), 1e-12)
    clustered = np.einsum("ia,ij,ja->a", contrast, plain.weak_sandwich, contrast)
    model = np.einsum("ia,ij,ja->a", contrast, plain.weak_covariance, contrast)
    effect = np.maximum(1.0, clustered / np.maximum(model, 1e-300))
    floor = bradley_terry.FEW_VOTERS_EFFECT if plain.n_voters < bradley_terry.FEW_VOTERS else 1.0
    return np.asarray(np.maximum(effect, floor))


def _middles(attributes: Attributes) -> Floats:
    """(columns, columns) that takes the mean of each attribute's levels from them."""
    width = sum(a.columns.shape[1] for a in attributes.attributes)
    middle, at = np.eye(width), 0
    for attribute in attributes.attributes:
        k = attribute.columns.shape[1]
        if not attribute.is_number:
            middle[at : at + k, at : at + k] -= 1.0 / k
        at += k
    return middle


def _named(attributes: Attributes, worth: Floats, covariance: Floats) -> tuple[PartWorth, ...]:
    errors = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    named: list[PartWorth] = []
    for k, (name, level) in enumerate(attributes.labels):
        # A number was fitted per standard deviation and is told per unit.
        unit = next(a.spread for a in attributes.attributes if a.name == name) if level is None else 1.0
        named.append(PartWorth(name, level, Estimate(float(worth[k] / unit), float(errors[k] / unit))))
    return tuple(named)


class _Rows:
    """The likelihood of votes whose strengths are design @ worths: `d` is left's design less right's, a row a pair."""

    def __init__(self, d: Floats, left: Floats, tied: Floats, right: Floats, *, side: bool, davidson: bool) -> None:
        self.total_tied = float(tied.sum())
        self.tie = davidson and self.total_tied > 0.0
        self.side = side
        self.d: Floats = np.column_stack([d, np.ones(len(d))]) if side else d
        self.width = self.d.shape[1] + self.tie
        self.halves = left + 0.5 * tied
        self.shown = left + tied + right
        self.tied = tied

    def _chances(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        eta = self.d @ x[: self.d.shape[1]]
        half = 0.5 * eta
        nu = x[-1] if self.tie else -np.inf
        top = np.maximum(np.abs(half), nu)
        left, right, tie = np.exp(half - top), np.exp(-half - top), np.exp(nu - top)
        total = left + right + tie
        return left / total, tie / total, right / total

    def climb(self, x: Floats) -> tuple[Floats, Floats]:
        left, tie, right = self._chances(x)
        apart = left - right
        k = self.d.shape[1]
        gradient, curvature = np.empty(self.width), np.empty((self.width, self.width))
        gradient[:k] = (self.halves - self.shown * (left + 0.5 * tie)) @ self.d
        weight = self.shown * 0.25 * (left + right - apart * apart)
        curvature[:k, :k] = self.d.T @ (weight[:, None] * self.d)
        if self.tie:
            gradient[-1] = self.total_tied - self.shown @ tie
            curvature[:k, -1] = curvature[-1, :k] = (self.shown * -0.5 * apart * tie) @ self.d
            curvature[-1, -1] = self.shown @ (tie * (1.0 - tie))
        return gradient, curvature

    def log_likelihood(self, x: Floats) -> float:
        left, tie, right = (np.log(np.maximum(p, 1e-300)) for p in self._chances(x))
        lost = self.shown - self.halves - 0.5 * self.tied
        if self.tie:
            return float((self.halves - 0.5 * self.tied) @ left + self.tied @ tie + lost @ right)
        return float(self.halves @ left + (lost + 0.5 * self.tied) @ right)

    def gradients(self, x: Floats, rows: NDArray[np.int64], outcome: NDArray[np.int64]) -> Floats:
        """(votes, width) what single votes add to the gradient; `rows` says which row of the design each has."""
        left, tie, _ = self._chances(x)
        points = outcome * 0.5 - (left + 0.5 * tie)[rows]
        own: Floats = points[:, None] * self.d[rows]
        if not self.tie:
            return own
        return np.column_stack([own, (outcome == TIE) - tie[rows]])


def _attributes_alone(
    votes: Comparisons | RunningCounts | Counts,
    attributes: Attributes,
    *,
    prior_sd: float | None,
    side: bool,
    ties: Ties,
) -> PartWorths:
    """Conditional logit: strengths are the attributes and nothing else."""
    if not isinstance(votes, Comparisons):
        raise BadOption(option="votes", value=type(votes).__name__, allowed="Comparisons where no rest is fitted")
    kept = votes.outcome <= LEFT
    weight = np.ones(len(votes)) if votes.weight is None else votes.weight
    kept &= weight > 0.0
    if not kept.any():
        raise NoVotes(reason="no vote with a weight above zero prefers a style or calls two equal")
    left, right = votes.left[kept].astype(np.int64), votes.right[kept].astype(np.int64)
    outcome, weight = votes.outcome[kept].astype(np.int64), weight[kept]
    n = votes.n_items
    pairs, rows = np.unique(left * n + right, return_inverse=True)
    seen = [
        np.bincount(rows, weights=weight * (outcome == k), minlength=len(pairs)).astype(float)
        for k in (RIGHT, TIE, LEFT)
    ]
    design = attributes.design
    davidson = ties == "davidson"
    rows_of = _Rows(
        design[pairs // n] - design[pairs % n], seen[LEFT], seen[TIE], seen[RIGHT], side=side, davidson=davidson
    )
    flags: list[Flag] = []
    width, k = rows_of.width, design.shape[1]
    start = np.zeros(width)
    if rows_of.tie:
        share = rows_of.total_tied / float(rows_of.shown.sum())
        start[-1] = np.log(2.0 * share / max(1.0 - share, 0.01))
    gauge = np.zeros((width, width))
    gauge[:k, :k] = np.eye(k) - _middles(attributes)
    if prior_sd == 0:
        prior = gauge
        peak, covariance = _inverse(rows_of, prior, start)
        if not peak.converged:
            sentence = (
                "Plain maximum likelihood has no finite or no single answer for these attributes; "
                f"a weak prior of sd {WEAK_SD:g} was used instead."
            )
            flags.append(Flag("no_maximum", sentence))
            prior = gauge + np.eye(width) / WEAK_SD**2
            peak, covariance = _inverse(rows_of, prior, start)
        name = "no prior" if not flags else f"prior sd {WEAK_SD:g}"
    else:
        peak, covariance, prior = _shrunk(rows_of, attributes, gauge, start)
        name = "variances of attributes from the votes"
        sentence = (
            "There are too many styles for a strength of each one; what their attributes do not explain is left out."
        )
        flags.append(Flag("attributes_only", sentence))
    if not peak.converged:
        flags.append(Flag("not_converged", "The fit did not reach its maximum; these numbers are not to be used."))
    clustered = covariance
    n_voters = 0
    if votes.voter is not None:
        n_voters = len(np.unique(votes.voter))
        gradients = rows_of.gradients(peak.x, rows, outcome) * weight[:, None]
        clustered = _sandwich(covariance, gradients, votes.voter[kept])
        if prior_sd != 0:
            effect = np.maximum(1.0, np.diagonal(clustered) / np.diagonal(covariance))
            clustered = covariance * np.sqrt(np.outer(effect, effect))
    middle = _middles(attributes)
    worth = middle @ peak.x[:k]
    spread = middle @ clustered[:k, :k] @ middle.T
    effects = [Estimate(float(peak.x[c]), float(max(clustered[c, c], 0.0) ** 0.5)) for c in range(k, width)]
    centred_design = design - design.mean(axis=0)
    return PartWorths(
        scores=None,
        worths=_named(attributes, worth, spread),
        covariance=spread,
        fitted=centred_design @ worth,
        fitted_standard_error=_row_errors(centred_design, spread),
        rest_sd=0.0,
        log_likelihood=rows_of.log_likelihood(peak.x),
        side_effect=effects[0] if side else None,
        tie_effect=effects[-1] if rows_of.tie else None,
        flags=tuple(flags),
        converged=peak.converged,
        n_votes=len(votes),
        n_voters=n_voters,
        method=f"conditional logit, {name}; " + ("model-based" if votes.voter is None else "voter-clustered sandwich"),
        attributes=attributes,
    )


def _inverse(rows: _Rows, prior: Floats, start: Floats) -> tuple[Peak, Floats]:
    peak = maximise(rows, prior, start)
    _, curvature = rows.climb(peak.x)
    curvature += prior
    if peak.converged and np.linalg.cond(curvature) < 1e12:
        return peak, np.asarray(np.linalg.inv(curvature))
    return replace(peak, converged=False), np.asarray(np.linalg.pinv(curvature))


def _shrunk(rows: _Rows, attributes: Attributes, gauge: Floats, start: Floats) -> tuple[Peak, Floats, Floats]:
    """Ridge with one variance per attribute, each from the votes (fixed point after MacKay 1992)."""
    sizes = [a.columns.shape[1] for a in attributes.attributes]
    ends = np.cumsum(sizes)
    variances = np.full(len(sizes), PART_GUESS)
    x = start
    for _ in range(100):
        prior = np.eye(rows.width) / SIDE_SD**2
        k = int(ends[-1])
        prior[:k, :k] = np.diag(np.repeat(1.0 / variances, sizes))
        prior = prior + gauge
        peak, covariance = _inverse(rows, prior, x)
        x = peak.x
        better = np.array([
            (float(x[e - m : e] @ x[e - m : e]) + 2.0 * PART_GUESS)
            / (m - float(np.trace(covariance[e - m : e, e - m : e])) / v + 2.0)
            for e, m, v in zip(ends.tolist(), sizes, variances.tolist(), strict=True)
        ])  # fmt: skip
        moved = float(np.abs(np.log(better / variances)).max())
        variances = better
        if moved < 1e-6:
            break
    return peak, covariance, prior


def _sandwich(covariance: Floats, gradients: Floats, voter: NDArray[np.int64]) -> Floats:
    """H^-1 (sum over voters of g g') H^-1."""
    order = np.argsort(voter, kind="stable")
    starts = np.flatnonzero(np.diff(voter[order], prepend=voter[order[0]] - 1))
    own = np.add.reduceat(gradients[order], starts, axis=0)
    return np.asarray(covariance @ (own.T @ own) @ covariance)


def _attribute(name: str, values: Sequence[str | float]) -> Attribute:
    numbers = [_number(value) for value in values]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        if any(number is None for number in numbers):
            row = next(k for k, number in enumerate(numbers) if number is None)
            raise BadAttributes(reason=f"{name} of style {row} is {values[row]!r}, which is no finite number")
        column = np.array(numbers, float)
        spread = float(column.std())
        if not spread > 0.0:
            raise BadAttributes(reason=f"{name} is the same for all styles, so that it can explain nothing")
        middle = float(column.mean())
        return Attribute(name, (), ((column - middle) / spread)[:, None], middle, spread)
    texts = [str(value) for value in values]
    levels = tuple(sorted(set(texts)))
    if len(levels) < 2:
        raise BadAttributes(reason=f"{name} is the same for all styles, so that it can explain nothing")
    if len(levels) > MOST_LEVELS:
        raise BadAttributes(reason=f"{name} has {len(levels)} different values; at most {MOST_LEVELS} can be levels")
    codes = np.searchsorted(np.array(levels), np.array(texts))
    return Attribute(name, levels, np.eye(len(levels))[codes])


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None

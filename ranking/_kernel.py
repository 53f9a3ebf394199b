"""One model for all segments and attributes: strengths are Gaussian with a covariance made of a few named parts.

Strength of item i in segment s: global_i + deviation_si. Global strengths have covariance A = sum of the global
parts, each variance x kernel; deviations have covariance B, one draw per segment. Over all segments
K = J (x) A + I (x) B, with J all ones. Newton's steps use its structure, so that S segments of n items cost S
inversions of n x n, not one of S n: with D_s = L_s + B^-1 (L_s the curvature of a segment's votes),
C = B^-1 A (B + S A)^-1, T = sum of D_s^-1 and W = (I - C T)^-1 C, the posterior covariance of segments s and t is
[s = t] D_s^-1 + D_s^-1 W D_t^-1 (Woodbury).

The variances are estimated by climbing the Laplace marginal likelihood with average-information steps (Gilmour,
Thompson and Cullis 1995, Biometrics 51), under a prior worth `PRIOR_WORTH` styles at each part's own guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranking._newton import Likelihood

Floats = NDArray[np.float64]

PRIOR_WORTH: Final = 2.0
SMALLEST, LARGEST = np.log(1e-5), np.log(25.0)
MAX_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class Part:
    """One named part of the prior: `kernel` (n, n) times a variance whose guess before any vote is `guess`."""

    name: str
    kernel: Floats
    guess: float
    deviation: bool = False


@dataclass(frozen=True, slots=True)
class KernelFit:
    """Posterior of the strengths of n items in S segments.

    mean (S, n); extras (f,) side and log nu where fitted; variances (parts,); own (S, n, n) is D_s^-1, shared (n, n)
    is W; tilt (S, n, f) and extras_covariance (f, f) carry the uncertainty of the extras into the strengths.
    Predictions for other items need pull (n,), the gradient summed over segments, and push (n, n), the sum of all
    blocks of K^-1 - K^-1 S K^-1.
    """

    mean: Floats
    extras: Floats
    variances: Floats
    own: Floats
    shared: Floats
    tilt: Floats
    extras_covariance: Floats
    pull: Floats
    push: Floats
    log_likelihood: float
    converged: bool

    def block(self, s: int, t: int) -> Floats:
        """(n, n) posterior covariance between the strengths in segments s and t."""
        inner: Floats = self.own[s] @ self.shared @ self.own[t]
        if s == t:
            inner = inner + self.own[s]
        return np.asarray(inner + self.tilt[s] @ self.extras_covariance @ self.tilt[t].T)


def fit_kernel(
    tables: Floats,
    parts: tuple[Part, ...],
    *,
    side: bool,
    davidson: bool,
    side_sd: float,
    tie_sd: float,
    start: KernelFit | None = None,
    improvements: int = 40,
    tolerance: float = 1e-7,
) -> KernelFit:
    """Posterior for tables (S, n, n, 4); parts with `deviation` are needed exactly where S > 1.

    start: an earlier fit with the same parts. improvements: how often the variances may still be improved; one is
    enough for a warm refit.
    """
    n_segments, n = tables.shape[:2]
    tie = davidson and bool(tables[:, :, :, 1].any())
    likelihoods = [Likelihood(table, side=side, davidson=davidson, tie=tie) for table in tables]
    n_extras = likelihoods[0].width - n
    precision = np.array([1.0 / side_sd**2] * side + [1.0 / tie_sd**2] * tie)
    mean, extras = np.zeros((n_segments, n)), np.zeros(n_extras)
    logs = np.log([part.guess for part in parts])
    if start is not None and start.mean.shape == mean.shape and len(start.extras) == n_extras:
        mean, extras, logs = start.mean, start.extras, np.log(start.variances)
    kernels = np.array([part.kernel for part in parts])
    apart = np.array([part.deviation for part in parts])
    guesses = np.array([part.guess for part in parts])

    settled = improvements == 0
    converged = False
    for _ in range(MAX_STEPS):
        variances = np.exp(logs)
        prior = _Prior(variances, kernels, apart, n_segments)
        climbs = [one.climb(np.concatenate([m, extras])) for one, m in zip(likelihoods, mean, strict=True)]
        votes = np.array([curvature[:n, :n] for _, curvature in climbs])
        cross = np.array([curvature[:n, n:] for _, curvature in climbs])
        own = np.asarray(np.linalg.inv(votes + prior.inner), np.float64)
        shared: Floats = np.linalg.solve(np.eye(n) - prior.outer @ own.sum(axis=0), prior.outer)

        tilt = _posterior(own, shared, cross)
        square = sum(curvature[n:, n:] for _, curvature in climbs) + np.diag(precision)
        extras_covariance: Floats = np.linalg.inv(square - np.einsum("sni,snj->ij", cross, tilt))
        slope = np.array([gradient[:n] for gradient, _ in climbs])
        residual = slope - prior.apply(mean)
        extra_slope = sum(gradient[n:] for gradient, _ in climbs) - precision * extras
        extra_move = extras_covariance @ (extra_slope - np.einsum("sni,sn->i", tilt, residual))
        move = _posterior(own, shared, residual[:, :, None])[:, :, 0] - tilt @ extra_move
        longest = float(max(np.abs(move).max(), np.abs(extra_move).max(initial=0.0)))
        if longest > 1.0:
            here = _objective(likelihoods, prior, precision, mean, extras)
            for _ in range(30):
                if _objective(likelihoods, prior, precision, mean + move, extras + extra_move) >= here:
                    break
                move, extra_move = 0.5 * move, 0.5 * extra_move
        if settled and longest < 1e-8:
            converged = True
            break
        mean, extras = mean + move, extras + extra_move
        if settled or longest > 1.0:
            continue
        step = _improve(prior, variances, guesses, kernels, apart, votes, own, shared, mean)
        logs = np.clip(logs + np.clip(step, -1.6, 1.6), SMALLEST, LARGEST)
        improvements -= 1
        settled = improvements == 0 or float(np.abs(step[(logs > SMALLEST)]).max(initial=0.0)) < tolerance

    halves = votes @ own
    push = (votes - halves @ votes).sum(axis=0)
    together = halves.sum(axis=0)
    return KernelFit(
        mean=mean,
        extras=extras,
        variances=np.exp(logs),
        own=own,
        shared=shared,
        tilt=tilt,
        extras_covariance=extras_covariance,
        pull=slope.sum(axis=0),
        push=push - together @ shared @ together.T,
        log_likelihood=sum(
            one.log_likelihood(np.concatenate([m, extras])) for one, m in zip(likelihoods, mean, strict=True)
        ),
        converged=converged,
    )


class _Prior:
    """K^-1 = I (x) inner - J (x) outer, for the present variances."""

    __slots__ = ("inner", "outer")

    def __init__(self, variances: Floats, kernels: Floats, apart: NDArray[np.bool_], n_segments: int) -> None:
        common = np.tensordot(variances[~apart], kernels[~apart], axes=1)
        if n_segments == 1:
            self.inner = np.asarray(np.linalg.inv(common), np.float64)
            self.outer: Floats = np.zeros_like(common)
        else:
            own = np.tensordot(variances[apart], kernels[apart], axes=1)
            self.inner = np.asarray(np.linalg.inv(own), np.float64)
            self.outer = self.inner @ common @ np.linalg.inv(own + n_segments * common)

    def apply(self, values: Floats) -> Floats:
        """K^-1 values, for values (S, n)."""
        return np.asarray(values @ self.inner - self.outer @ values.sum(axis=0))


def _posterior(own: Floats, shared: Floats, values: Floats) -> Floats:
    """Posterior covariance times values (S, n, columns), the extras taken as known."""
    alone = own @ values
    return np.asarray(alone + own @ (shared @ alone.sum(axis=0)))


def _objective(likelihoods: list[Likelihood], prior: _Prior, precision: Floats, mean: Floats, extras: Floats) -> float:
    value = sum(one.log_likelihood(np.concatenate([m, extras])) for one, m in zip(likelihoods, mean, strict=True))
    return value - 0.5 * float((mean * prior.apply(mean)).sum()) - 0.5 * float(precision @ extras**2)


def _improve(
    prior: _Prior,
    variances: Floats,
    guesses: Floats,
    kernels: Floats,
    apart: NDArray[np.bool_],
    votes: Floats,
    own: Floats,
    shared: Floats,
    mean: Floats,
) -> Floats:
    """(parts,) average-information step for the logs of the variances.

    With R = K^-1 - K^-1 S K^-1 = L - L S L and a = K^-1 mean, the slope in log s_c is (s_c (a'K_c a - tr K_c R)
    + nu (s0 / s_c - 1)) / 2 and the information s_c s_d a'K_c R K_d a / 2, plus the prior's nu s0 / (2 s_c).
    """
    halves = votes @ own
    alone = votes - halves @ votes
    together = halves.sum(axis=0)
    push = alone.sum(axis=0) - together @ shared @ together.T
    push_own = alone.sum(axis=0) - (halves @ shared @ halves.transpose(0, 2, 1)).sum(axis=0)
    pull = prior.apply(mean)
    columns = np.empty((*pull.shape, len(variances)))
    quadratic, traces = np.empty(len(variances)), np.empty(len(variances))
    for c, kernel in enumerate(kernels):
        if apart[c]:
            columns[:, :, c] = pull @ kernel
            traces[c] = (kernel * push_own).sum()
        else:
            columns[:, :, c] = kernel @ pull.sum(axis=0)
            traces[c] = (kernel * push).sum()
        quadratic[c] = (pull * columns[:, :, c]).sum()
    seen = votes @ columns
    onward = seen - votes @ _posterior(own, shared, seen)
    information = 0.5 * np.outer(variances, variances) * np.einsum("snc,snd->cd", columns, onward)
    slope = 0.5 * (variances * (quadratic - traces) + PRIOR_WORTH * (guesses / variances - 1.0))
    # Where a part has shrunk to nothing its own information is nothing; the expected one keeps the step in bounds.
    floor = 0.5 * PRIOR_WORTH * guesses / variances + 0.05 * variances * traces
    return np.asarray(np.linalg.solve(information + np.diag(floor), slope))

"""Was it right? What tests had said beside what was sold: rank correlation, overlap of the best, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from server.stores.sales import Outcome


@dataclass(frozen=True, slots=True)
class Hindsight:
    """One test afterwards. `rank_correlation` is Spearman's; None where fewer than three styles have sales."""

    test_id: UUID
    n_styles: int
    rank_correlation: float | None
    top_k: int
    top_overlap: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Of the styles to which tests gave about this chance of being among the best, so many were."""

    said: float
    was: float
    n_styles: int


def hindsight_of(outcomes: Sequence[Outcome], *, test_id: UUID, keep: int) -> Hindsight:
    """What one test said, beside its sales; styles without known sales are left out."""
    strength = np.array([one.strength for one in outcomes])
    sold = np.array([float(one.sold) for one in outcomes])
    n = len(outcomes)
    k = min(keep, n)
    best_said, best_sold = set(np.argsort(-strength, kind="stable")[:k]), set(np.argsort(-sold, kind="stable")[:k])
    return Hindsight(test_id, n, rank_correlation(strength, sold), k, len(best_said & best_sold))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's correlation with mid-ranks for ties; None where nothing can be correlated."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    x, y = _mid_ranks(a), _mid_ranks(b)
    return float(np.corrcoef(x, y)[0, 1])


def _mid_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[inverse])


def calibration_curve(tests: Sequence[tuple[Sequence[Outcome], int]], bins: int = 5) -> tuple[Bin, ...]:
    """How often styles were among the best that sold, by the chance that their test had given; `tests` with keep."""
    said: list[float] = []
    was: list[float] = []
    for outcomes, keep in tests:
        if len(outcomes) <= keep:
            continue
        best = set(np.argsort([-one.sold for one in outcomes], kind="stable")[:keep].tolist())
        said += [one.p_top for one in outcomes]
        was += [float(i in best) for i in range(len(outcomes))]
    if not said:
        return ()
    where = np.minimum((np.array(said) * bins).astype(int), bins - 1)
    return tuple(
        Bin(round(float(np.mean(np.array(said)[where == b])), 3), round(float(np.mean(np.array(was)[where == b])), 3),
            int((where == b).sum()))
        for b in range(bins)
        if (where == b).any()
    )  # fmt: skip

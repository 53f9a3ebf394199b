"""Would the result be another one without some of the voters? Looked for among all ways of removing a share of them.

Trying all sets is impossible, but to first order each voter moves a difference of strengths by a fixed amount, its
influence, so that the set that does most harm is the one of largest influence (Broderick, Giordano & Meager 2020, "An
automatic finite-sample robustness metric"). What the approximation points at is then really removed and fitted again,
and only that is reported.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ranking._blas import one_thread
from ranking.bradley_terry import Fit, fit_table
from ranking.comparisons import LEFT, NO_LIKING, RIGHT, Comparisons
from ranking.errors import BadOption, NoVotes
from ranking.voter_kinds import totals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHECKED: Final = 3
"""How many of the most endangered comparisons are fitted again."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Whether the choice of the best `keep` items survives the removal of any `share` of the voters.

    `holds`: no removal that was tried put an item that is left out ahead of a chosen one. `endangered`: the (chosen,
    left out) pair that is nearest to it. `share_to_flip`: the smallest share of voters whose removal turns that pair
    round, by influence; 1.0 where none does. `n_removed`: how many voters `share` is. Where voters are few the
    statement is about whole voters: with fewer than 1/share, about one.
    """

    holds: bool
    share: float
    n_removed: int
    endangered: tuple[int, int]
    share_to_flip: float
    chosen: tuple[int, ...]


@one_thread
def survives_removal(votes: Comparisons, *, keep: int, share: float = 0.05, indifference: float = 0.0) -> Removal:
    """Look for the `share` of voters whose removal changes which `keep` items are best, by more than `indifference`
    logits.

    Votes count with their weights; all segments are taken together. Raises NoVotes where no voters are named,
    BadOption for an impossible keep or share. Cost: one fit, one pass over the votes, keep x (n - keep) partial sorts
    of the voters, and three more fits.
    """
    if votes.voter is None:
        raise NoVotes(reason="the votes name no voters, so that none can be removed")
    if not 0 < keep < votes.n_items:
        raise BadOption(option="keep", value=keep, allowed=f"a number from 1 to {votes.n_items - 1}")
    if not 0.0 < share < 1.0:
        raise BadOption(option="share", value=share, allowed="a share between 0 and 1")
    whole = fit_table(_table(votes))
    voters, row = np.unique(votes.voter, return_inverse=True)
    n_removed = max(1, int(share * voters.size))
    pull = _influence(votes, row, voters.size, whole)
    order = np.argsort(-whole.strength, kind="stable")
    chosen, rest = order[:keep], order[keep:]
    left_over = np.empty((keep, rest.size))
    for i, a in enumerate(chosen):
        difference = pull[:, [a]] - pull[:, rest]
        most = -np.partition(-difference, min(n_removed, voters.size) - 1, axis=0)[:n_removed]
        left_over[i] = whole.strength[a] - whole.strength[rest] + indifference - np.maximum(most, 0).sum(axis=0)
    holds = True
    worst = np.argsort(left_over, axis=None)
    for flat in worst[:_CHECKED]:
        a, b = chosen[flat // rest.size], rest[flat % rest.size]
        removed = np.argsort(-(pull[:, a] - pull[:, b]), kind="stable")[:n_removed]
        kept = ~np.isin(row, removed)
        if not kept.any():
            holds = False
            break
        again = fit_table(_table(votes.subset(kept)), prior_variance=whole.prior_variance)
        holds &= bool(again.strength[chosen].min() + indifference > again.strength[rest].max())
    a, b = int(chosen[worst[0] // rest.size]), int(rest[worst[0] % rest.size])
    return Removal(
        holds=holds,
        share=share,
        n_removed=n_removed,
        endangered=(a, b),
        share_to_flip=_share_to_flip(
            pull[:, a] - pull[:, b], float(whole.strength[a] - whole.strength[b]) + indifference
        ),
        chosen=tuple(int(k) for k in chosen),
    )


def _table(votes: Comparisons) -> Floats:
    return np.asarray(votes.table[0] if votes.n_segments == 1 else votes.table.sum(axis=0))


def _influence(votes: Comparisons, row: Ints, n_voters: int, fit: Fit) -> Floats:
    """(n_voters, n_items): by how much each voter holds each item up; H⁻¹ times the voter's score."""
    usable = votes.outcome != NO_LIKING
    left, right, outcome = votes.left[usable], votes.right[usable], votes.outcome[usable]
    weight = np.ones(left.size) if votes.weight is None else votes.weight[usable]
    n = votes.n_items
    likelihood = fit.likelihood
    gap = fit.strength[left] - fit.strength[right] + (fit.x[n] if likelihood.side else 0.0)
    for_left, for_right = np.exp(gap / 2), np.exp(-gap / 2)
    nu = np.exp(fit.x[-1]) if likelihood.tie else 0.0
    expected = (for_left + 0.5 * nu) / (for_left + for_right + nu)
    surprise = weight * (np.where(outcome == LEFT, 1.0, np.where(outcome == RIGHT, 0.0, 0.5)) - expected)
    cells = n_voters * n
    score = totals(row[usable] * n + left, surprise, cells)
    score -= totals(row[usable] * n + right, surprise, cells)
    return np.asarray(score.reshape(n_voters, n) @ fit.covariance[:n, :n])


def _share_to_flip(pull: Floats, margin: float) -> float:
    sums = np.cumsum(-np.sort(-np.maximum(pull, 0.0)))
    enough = np.flatnonzero(sums >= margin)
    return float((enough[0] + 1) / pull.size) if enough.size else 1.0

"""The whole way from a table of votes to verdicts, for a file or a test that is judged at once."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from game.abuse.evidence import Floats, Ints, PlayerTable, VoteTable
from game.abuse.sweep import Cluster, Sweep
from game.abuse.verdict import Verdicts
from ranking import reliability
from ranking.comparisons import MAX_CELLS, Comparisons
from ranking.reliability import Reliability


@dataclass(frozen=True, slots=True)
class Review:
    """Verdicts on all players, suspect clusters, and what they rest on. `tastes` is None where there were too many
    styles to find any.

    `vote_weight` (n_votes,), in the order of `votes`: the reliability of the player, less what a gate takes from
    votes on its style.
    """

    votes: VoteTable
    verdicts: Verdicts
    clusters: tuple[Cluster, ...]
    tastes: Reliability | None
    vote_weight: Floats
    sweep: Sweep


def review(votes: VoteTable, players: PlayerTable, *, party: Ints | None = None) -> Review:
    """Judge all players by all their votes. party (n_styles,): whose interest each style is (its own, unless given).

    First the tastes of the crowd are found (ranking.reliability), then every vote is compared with what they expect
    without its player, then the signals speak. Votes whose `expected` is known already keep it.
    """
    tastes = None
    if len(votes) and np.isnan(votes.expected).all():
        tastes = _tastes(votes, players, party)
        if tastes is not None:
            votes = replace(votes, expected=tastes.expected, lean=tastes.expected[:, 0].copy())
    sweep = Sweep()
    sweep.add(votes)
    verdicts = sweep.verdicts(players)
    weight = verdicts.reliability[votes.player]
    if tastes is not None:
        # The gate's part alone: the mixture's own view of the voter is one opinion among the signals, and not counted
        # twice.
        own = tastes.weight[np.searchsorted(tastes.voter, votes.player)]
        weight = weight * np.divide(tastes.vote_weight, own, out=np.ones_like(own), where=own > 1e-9)
    return Review(votes, verdicts, sweep.clusters(players, verdicts), tastes, weight, sweep)


def _tastes(votes: VoteTable, players: PlayerTable, party: Ints | None) -> Reliability | None:
    n_styles = int(max(votes.left.max(), votes.right.max())) + 1
    if n_styles**2 > MAX_CELLS:
        return None
    _, segment = np.unique(players.segment, return_inverse=True)
    n_segments = int(segment.max(initial=0)) + 1
    several = n_segments > 1 and n_styles**2 * n_segments <= MAX_CELLS and n_segments <= _MOST_SEGMENTS
    comparisons = Comparisons.from_arrays(
        votes.left,
        votes.right,
        votes.choice,
        voter=votes.player,
        segment=segment[votes.player] if several else None,
        n_items=n_styles,
    )
    return reliability.judge(comparisons, took_ms=votes.took_ms, gold=votes.gold, party=party)


_MOST_SEGMENTS: Final = 50

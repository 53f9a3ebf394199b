"""Pairs on which every taste agrees: weak gold that costs nothing, for references and for styles that nobody likes.

A pair is obvious where each taste that was found expects the same answer with at least 0.88. An honest player gives
it about as often as expected; who does not look gives it half the time. One such pair is worth some fifteen ordinary
votes.

Source: beta-binomial likelihood ratio (game.abuse.gold has the same form). False alarms: it is content, so it never
mutes alone. These pairs are left out of `agreement`, so that no vote is counted twice. Cost: two sums a vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Bools, Floats, Ints, PlayerTable, Sums, VoteTable
from ranking.voter_kinds import log_beta_binomial, log_honest_rate

OBVIOUS = 0.88
_SPREAD = ((1.0, 16.0),)


def is_obvious(expected: Floats) -> Bools:
    """Where all tastes expect one answer; never where there is only one taste to ask, or none."""
    if expected.shape[1] < 2:
        return np.zeros(expected.shape[0], dtype=bool)
    return np.asarray((expected >= OBVIOUS).all(axis=1) | (expected <= 1 - OBVIOUS).all(axis=1))


class Obvious:
    name = "obvious"
    content_free = False

    def __init__(self) -> None:
        self._sums = Sums(3)

    def add(self, votes: VoteTable) -> None:
        known = is_obvious(votes.expected) & votes.decided & (votes.gold < 0)
        if not known.any():
            return
        p = votes.expected[known].mean(axis=1)
        right = (p > 0.5) == (votes.choice[known] == 1)
        self._sums.add(votes.player[known], np.stack([np.ones(p.size), right, np.maximum(p, 1 - p)], axis=1))

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        n, right, expected = self._sums[players].T
        ratio = np.zeros((players.size, len(WAYS)))
        # A person of an unusual taste misses some; expectations that are never quite reached are drawn in a little.
        rate = np.where(n > 0, expected / np.maximum(n, 1), 0.9) * 0.97
        honest = log_honest_rate(right, n, rate, _SPREAD)
        chance = n * np.log(0.5) - honest
        for way in ("random", "one_sided", "patterned"):
            ratio[:, WAY[way]] = chance
        ratio[:, WAY["contrary"]] = log_beta_binomial(right, n, 1.0, 12.0) - honest
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        n, right, _ = self._sums[np.array([player])][0]
        return {"obvious_pairs": n, "obvious_right": right}

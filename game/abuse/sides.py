"""Always the same side: how much better "one side, by rule" explains the answers than a person's own leaning does.

Honest people lean: the spread is a mixture of Beta distributions (ranking.voter_kinds), wide enough for the
laboratory observers of whom a third lean by more than three standard errors and the furthest answers 63 : 37. A rule
slips once in thirty.

Source: answers by position as a kind of worker (Bugakova et al. 2019, factorBT); beta-binomial likelihood ratio.
False alarms: 70 : 30 over a thousand votes is worth less than nothing; 20 of 20 is worth 9 nats. Cost: two sums a
vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Sums, VoteTable
from ranking.voter_kinds import log_side


class Sides:
    name = "sides"
    content_free = True

    def __init__(self) -> None:
        self._sums = Sums(2)
        self._total = np.zeros(2)

    def add(self, votes: VoteTable) -> None:
        decided = votes.decided
        left = votes.choice[decided]
        self._sums.add(votes.player[decided], np.stack([np.ones(left.size), left], axis=1))
        self._total += left.size, left.sum()

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        n, n_left = self._sums[players].T
        usual = float(np.clip((self._total[1] + 5) / (self._total[0] + 10), 0.35, 0.65))
        honest, one_sided = log_side(n_left, n, usual=usual)
        ratio = np.zeros((players.size, len(WAYS)))
        ratio[:, WAY["one_sided"]] = one_sided - honest
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        n, n_left = self._sums[np.array([player])][0]
        return {"decided": n, "left": n_left}

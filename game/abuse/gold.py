"""Gold pairs: one in twenty shows an obviously poor picture beside a good one, and nobody can tell it from the others.

Honest players are right 95 times in 100, with a few who do not see well (Beta(19, 1)); who does not look is right
half the time. Each gold pair is worth 0.5 to 0.8 nat. A repeated pair would be worth 0.02: honest people contradict
themselves in 30-40 % of near ties.

Source: beta-binomial likelihood ratio. False alarms: an honest player who misses 2 of 5 (chance 3 %) gains 2.3
nats, which is not yet watched. Cost: two sums.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Sums, VoteTable
from ranking.voter_kinds import log_beta_binomial, log_gold


class Gold:
    name = "gold"
    content_free = True

    def __init__(self) -> None:
        self._sums = Sums(2)

    def add(self, votes: VoteTable) -> None:
        asked = (votes.gold >= 0) & votes.decided
        right = votes.choice[asked] == votes.gold[asked]
        self._sums.add(votes.player[asked], np.stack([np.ones(right.size), right], axis=1))

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        n, right = self._sums[players].T
        ratio = np.zeros((players.size, len(WAYS)))
        honest, guessing = log_gold(right, n)
        for way in ("random", "one_sided", "patterned"):
            ratio[:, WAY[way]] = guessing - honest
        for way in ("farmed", "mechanical"):
            ratio[:, WAY[way]] = np.logaddexp(guessing - honest, 0.0) - np.log(2)
        ratio[:, WAY["contrary"]] = log_beta_binomial(right, n, 1.0, 3.0) - honest
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        n, right = self._sums[np.array([player])][0]
        return {"gold_pairs": n, "gold_right": right}

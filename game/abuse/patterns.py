"""Patterns of sides that repeat themselves: alternators, two left and two right, any period up to six.

Of answers k apart (k = 2 … 6) a share is equal. Independent answers of a person who takes left with share q agree
with q² + (1 - q)²; a pattern of period k agrees always. Always-left agrees at every lag, as its own q says it must,
and is no evidence here (`sides` has it).

Source: autocorrelation of runs, as a beta-binomial likelihood ratio averaged over the lags. False alarms: of 29
honest laboratory observers the furthest agrees by 8 points more than expected over a thousand votes, which counts for
honesty. Cost: five comparisons a vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Sums, VoteTable
from ranking.voter_kinds import LAGS, log_pattern_ratio

_KEPT = max(LAGS)


class Patterns:
    name = "patterns"
    content_free = True

    def __init__(self) -> None:
        self._sums = Sums(2 + 2 * len(LAGS))
        # Decided answers so far, and how many of them follow "left on even, right on odd".
        self._turns = Sums(2)
        # The last six decided answers of each player, newest first; NaN where there were fewer.
        self._last = Sums(_KEPT)

    def add(self, votes: VoteTable) -> None:
        decided = votes.decided
        player, left = votes.player[decided], votes.choice[decided]
        if player.size == 0:
            return
        known, starts, counts = np.unique(player, return_index=True, return_counts=True)
        nth = np.arange(player.size) - np.repeat(starts, counts)
        who = np.repeat(np.arange(known.size), counts)
        seen = self._sums[known][:, 0]
        last = np.where(np.arange(_KEPT) < seen[:, None], self._last[known], np.nan)
        sums = np.zeros((player.size, 2 + 2 * len(LAGS)))
        sums[:, 0] = 1
        sums[:, 1] = left
        for column, lag in enumerate(LAGS):
            earlier = np.full(player.size, np.nan)
            here = nth >= lag
            earlier[here] = left[np.flatnonzero(here) - lag]
            # The answer that many before the first new ones was given in an earlier batch.
            earlier[~here] = last[who[~here], lag - nth[~here] - 1]
            sums[:, 2 + 2 * column] = ~np.isnan(earlier)
            sums[:, 3 + 2 * column] = earlier == left
        self._sums.add(player, sums)
        even = (seen[who].astype(np.int64) + nth) % 2 == 0
        self._turns.add(player, np.stack([np.ones(player.size), even == (left == 1)], axis=1))
        table = self._last.reach(int(known[-1]) + 1)
        for back in range(_KEPT - 1, -1, -1):
            many = counts > back
            table[known[~many], back] = last[~many, np.maximum(back - counts[~many], 0)]
            table[known[many], back] = left[(starts + counts - 1 - back)[many]]

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        sums = self._sums[players]
        ratio = np.zeros((players.size, len(WAYS)))
        ratio[:, WAY["patterned"]] = log_pattern_ratio(
            sums[:, 3::2], sums[:, 2::2], n_left=sums[:, 1], n_decided=sums[:, 0], in_turn=self._turns[players][:, 1]
        )
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        sums = self._sums[np.array([player])][0]
        lags = {f"equal_{lag}_apart": float(sums[3 + 2 * k]) for k, lag in enumerate(LAGS)}
        return {"decided": float(sums[0]), **lags}

"""Response time: who answers faster than others need for the same pairs, by a mixture and never by a fixed limit.

Of each log response time the pair's own mean is taken off (near ties take longer), then the segment's pace. What is
left is averaged per player and compared: honest is a spread around the pace with heavy tails, haste is at least twice
as fast (ranking.voter_kinds.Pace). It speaks for clicking by chance, one-sided and patterned answers; a quick player
who answers like others is honest after all, because `agreement` says so.

Source: two-component mixture of log response times (as in rapid-guessing models, Schnipke & Scrams 1997), anchored.
False alarms: at 40 % below the pace the ratio is still under 1. A client reports these times, so their absence says
nothing and their presence can be forged: they only ever count against. Cost: one look-up of the pair and three sums a
vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Rows, Sums, VoteTable
from ranking.voter_kinds import Pace

_PAIR_SHRINK = 20.0


class ResponseTime:
    name = "response_time"
    content_free = True

    def __init__(self) -> None:
        self._pairs = Rows()
        self._pair_sums = Sums(2)
        self._sums = Sums(2)
        self._total = np.zeros(2)
        self._pace: Pace | None = None

    def add(self, votes: VoteTable) -> None:
        timed = ~np.isnan(votes.took_ms)
        if not timed.any():
            return
        log_ms = np.log(votes.took_ms[timed])
        low = np.minimum(votes.left[timed], votes.right[timed])
        high = np.maximum(votes.left[timed], votes.right[timed])
        rows = self._pairs.of(low * (1 << 31) + high)
        self._pair_sums.add(rows, np.stack([np.ones(log_ms.size), log_ms], axis=1))
        self._total += log_ms.size, log_ms.sum()
        mean = self._total[1] / self._total[0]
        count, total = self._pair_sums[rows].T
        own = np.clip((total - count * mean) / (count + _PAIR_SHRINK), -0.7, 0.7)
        self._sums.add(votes.player[timed], np.stack([np.ones(log_ms.size), log_ms - own], axis=1))

    def calibrate(self, players: Ints, table: PlayerTable) -> None:
        """Take the pace of the crowd from these players; until it is called again, others are compared with it."""
        n, total = self._sums[players].T
        self._pace = Pace.of(total / np.maximum(n, 1), n, table.segment[players])

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        ratio = np.zeros((players.size, len(WAYS)))
        if self._pace is None:
            return ratio
        n, total = self._sums[players].T
        hasty = self._pace.log_ratio(total / np.maximum(n, 1), n, table.segment[players])
        for way in ("random", "one_sided", "patterned"):
            ratio[:, WAY[way]] = hasty
        for way in ("farmed", "mechanical"):
            ratio[:, WAY[way]] = np.maximum(hasty, 0.0)
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        n, total = self._sums[np.array([player])][0]
        return {"timed": n, "typical_ms": round(float(np.exp(total / n))) if n else 0.0}

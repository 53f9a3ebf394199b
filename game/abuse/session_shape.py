"""The shape of play: a rhythm, a pace or a day that hands, eyes and people do not have.

Three things are looked at. The spread of a player's log response times (people vary by 0.3 to 0.6, a script hardly at
all), compared with the crowd's own spread. Answers in less than 300 ms, in which nobody has compared two pictures.
And the hours of one day in which there was play: twelve are many, twenty are a machine.

Source: log-variance is nearly normal, with variance 2/n (Bartlett & Kendall 1946); beta-binomial for the quick
answers. False alarms: coarse or constant clocks of a whole crowd move the comparison with them; a double tap now and
then is expected. Cost: five sums a vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Rows, Sums, VoteTable
from ranking.voter_kinds import log_beta_binomial

UNSEEN_MS = 300.0
_BITS = 1 << 31
_DAY_S = 86_400.0
_HOUR_S = 3600.0
_MOST_LOG_RATIO = 30.0


class SessionShape:
    name = "session_shape"
    content_free = True

    def __init__(self) -> None:
        # n, sum and sum of squares of log response times, answers in less than 300 ms, busiest day's hours.
        self._sums = Sums(4)
        self._days = Rows()
        self._hours = Sums(1)
        self._busiest = Sums(1)
        self._usual = np.log(0.16)

    def add(self, votes: VoteTable) -> None:
        timed = ~np.isnan(votes.took_ms)
        log_ms = np.log(votes.took_ms[timed])
        self._sums.add(
            votes.player[timed],
            np.stack([np.ones(log_ms.size), log_ms, log_ms**2, votes.took_ms[timed] < UNSEEN_MS], axis=1),
        )
        dated = ~np.isnan(votes.at)
        if dated.any():
            player, at = votes.player[dated], votes.at[dated]
            day = np.floor(at / _DAY_S).astype(np.int64)
            hour = np.floor(at / _HOUR_S).astype(np.int64) - 24 * day
            rows = self._days.of(player * _BITS + day % _BITS)
            hours = self._hours.reach(self._days.size)[:, 0]
            seen = hours[rows].astype(np.int64)
            marks = np.zeros(self._days.size, dtype=np.int64) if rows.size * 4 > self._days.size else None
            # Which hours of the day were played, as 24 bits.
            if marks is None:
                distinct, place = np.unique(rows, return_inverse=True)
                marks_few = np.zeros(distinct.size, dtype=np.int64)
                np.bitwise_or.at(marks_few, place, 1 << hour)
                fresh = marks_few[place] | seen
            else:
                np.bitwise_or.at(marks, rows, 1 << hour)
                fresh = marks[rows] | seen
            hours[rows] = fresh
            busiest = self._busiest.reach(int(player[-1]) + 1)[:, 0]
            np.maximum.at(busiest, player, np.bitwise_count(fresh).astype(np.float64))

    def calibrate(self, players: Ints, table: PlayerTable) -> None:
        """Take the crowd's usual spread from these players."""
        del table
        n, spread = self._spread(players)
        enough = n >= 8
        if enough.sum() >= 8:
            self._usual = float(np.clip(np.median(spread[enough]), np.log(0.15**2), np.log(1.0)))
            # A crowd whose clock is coarse or whose times are made up has no rhythm to compare with.
            if np.median(spread[enough]) < np.log(0.15**2):
                self._usual = -np.inf

    def _spread(self, players: Ints) -> tuple[Floats, Floats]:
        n, total, squares, _ = self._sums[players].T
        count = np.maximum(n, 2)
        variance = np.maximum(squares - total**2 / count, 0) / (count - 1)
        return n, np.log(variance + 1e-4)

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        ratio = np.zeros((players.size, len(WAYS)))
        n, spread = self._spread(players)
        nats = np.zeros(players.size)
        if np.isfinite(self._usual):
            wide = np.sqrt(0.45**2 + 2 / np.maximum(n - 1, 1))
            even = np.sqrt(1.0 + 2 / np.maximum(n - 1, 1))
            honest = _t5((spread - self._usual) / wide) - np.log(wide)
            script = -0.5 * ((spread - np.log(0.04**2)) / even) ** 2 - 0.919 - np.log(even)
            nats += np.where(n >= 8, np.minimum(script - honest, _MOST_LOG_RATIO), 0.0)
        quick = self._sums[players][:, 3]
        unseen = log_beta_binomial(quick, n, 4.0, 2.0) - np.logaddexp(
            np.log(0.9) + log_beta_binomial(quick, n, 1.0, 60.0), np.log(0.1) + log_beta_binomial(quick, n, 1.0, 6.0)
        )
        nats = np.logaddexp.reduce([nats, unseen, np.zeros(players.size)], axis=0) - np.log(3)
        hours = self._busiest[players][:, 0]
        nats += np.clip((hours - 15.0) * 1.2, 0.0, 9.0)
        ratio[:, WAY["mechanical"]] = nats
        return ratio

    def measures(self, player: int) -> dict[str, float]:
        who = np.array([player])
        n, spread = self._spread(who)
        return {
            "timed": float(n[0]),
            "spread_of_log_ms": round(float(np.exp(spread[0] / 2)), 3) if n[0] >= 2 else 0.0,
            "under_300_ms": float(self._sums[who][0, 3]),
            "hours_on_busiest_day": float(self._busiest[who][0, 0]),
        }


def _t5(z: Floats) -> Floats:
    return np.asarray(-3 * np.log1p(z * z / 5) - 0.969)

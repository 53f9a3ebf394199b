"""Click farms: telephones that repeat one sequence of taps at the same time, whatever is on their pictures.

The sides of sixteen decided answers in a row are one number of sixteen bits. Two players who have the same number in
the same three minutes (two overlapping divisions of the clock, so that 90 seconds of jitter cannot hide it) agree by
chance once in 65 536 comparisons, or more often if both lean to a side, which their share of left says. Of two
players who agree again later each further answer counts anew. From the sum the logarithm of how many comparisons were
made is taken off. Without times the position in the player's own sequence takes the place of the clock.

Source: shingles with a content-defined sample (winnowing, Schleimer et al. 2003): after the first 64 answers one
window in four, chosen by its own bits, so that equal sequences are sampled equally. False alarms: chance agreements
are paid for by the comparisons; sequences of a pattern or of one side are left out, for two honest lefties are no
farm. Cost: half a look-up a vote.
"""

import numpy as np

from game.abuse.evidence import WAY, WAYS, Bools, Floats, Ints, PlayerTable, Rows, Sums, VoteTable
from ranking.voter_kinds import LAGS, totals

WINDOW = 16
BUCKET_S = 180.0
_SAMPLE = 4
_WHOLE = 64
_MARGIN = 2.0
_BEYOND_CHANCE = 2.5
_PER_FOLLOWER = 2.0
_BITS = 1 << 31
# An edge between two players that is worth so many nats, comparisons paid, joins them in a farm.
JOIN_NATS = 8.0


class SameSequence:
    name = "same_sequence"
    content_free = True

    def __init__(self) -> None:
        self._windows = Rows()
        self._first = Sums(1)
        self._buckets = Rows()
        self._in_bucket = Sums(1)
        self._edges = Rows()
        # For each pair of players: nats, and where in the second one's sequence they agreed last.
        self._edge_sums = Sums(1)
        self._edge_last = Sums(1)
        # For each player: decided answers so far, the last fifteen of them as bits, and comparisons made.
        self._players = Sums(3)

    def add(self, votes: VoteTable) -> None:
        decided = votes.decided
        if not decided.any():
            return
        player, left, at = votes.player[decided], votes.choice[decided].astype(np.int64), votes.at[decided]
        known, starts, counts = np.unique(player, return_index=True, return_counts=True)
        who = np.repeat(np.arange(known.size), counts)
        state = self._players[known]
        nth = np.arange(player.size) - np.repeat(starts, counts)
        # The bits of earlier batches stand before the new ones of each player.
        bits = np.zeros(player.size, dtype=np.int64)
        for back in range(WINDOW):
            here = nth >= back
            bits[here] |= left[np.flatnonzero(here) - back] << back
        old = state[:, 1].astype(np.int64)[who]
        few = nth < WINDOW - 1
        bits[few] |= (old[few] << (nth[few] + 1)) & ((1 << WINDOW) - 1)
        index = state[:, 0].astype(np.int64)[who] + nth
        ends = starts + counts - 1
        table = self._players.reach(int(known[-1]) + 1)
        table[known, 0] += counts
        table[known, 1] = bits[ends] & ((1 << (WINDOW - 1)) - 1)

        # A short acquaintance is looked at whole: of five windows a sample may be none.
        sampled = (index >= WINDOW - 1) & _telling(bits) & ((index < _WHOLE) | (_mix(bits) % np.uint64(_SAMPLE) == 0))
        if not sampled.any():
            return
        player, bits, index, at = player[sampled], bits[sampled], index[sampled], at[sampled]
        worth = _surprise(bits)
        untimed = np.isnan(at)
        for shift in (0.0, 0.5):
            bucket = np.where(untimed, index, np.floor(np.where(untimed, 0.0, at) / BUCKET_S + shift)).astype(np.int64)
            bucket = 4 * bucket + 2 * untimed + (shift > 0)
            if shift and untimed.all():
                break
            self._meet(player, bits, index, worth, bucket)

    def _meet(self, player: Ints, bits: Ints, index: Ints, worth: Floats, bucket: Ints) -> None:
        rows = self._buckets.of(bucket)
        self._in_bucket.add(rows, np.ones((rows.size, 1)))
        self._players.add(
            player, np.stack([np.zeros(rows.size), np.zeros(rows.size), self._in_bucket[rows][:, 0]], axis=1)
        )
        window = self._windows.of((bucket << WINDOW) | bits)
        first = self._first.reach(self._windows.size)
        # Whoever had a window first stands for all who have it; numbers are stored one up, so that 0 means "nobody
        # yet".
        fresh = first[window, 0] == 0
        at_first = np.full(self._windows.size, np.iinfo(np.int64).max)
        np.minimum.at(at_first, window[fresh], player[fresh])
        first[window[fresh], 0] = at_first[window[fresh]] + 1
        leader = first[window, 0].astype(np.int64) - 1
        twin = leader != player
        if not twin.any():
            return
        leader, player, index, worth = leader[twin], player[twin], index[twin], worth[twin]
        edge = self._edges.of(leader * _BITS + player)
        order = np.lexsort((index, edge))
        edge, index, worth, player, leader = edge[order], index[order], worth[order], player[order], leader[order]
        last = self._edge_last.reach(self._edges.size)[:, 0]
        starts = np.r_[True, edge[1:] != edge[:-1]]
        previous = np.where(starts, np.where(last[edge] > 0, last[edge] - 1, -WINDOW), np.r_[0, index[:-1]])
        # Only answers after the last agreement are new evidence.
        fresh_share = np.clip(index - previous, 0, WINDOW) / WINDOW
        self._edge_sums.add(edge, (worth * fresh_share)[:, None])
        ends = np.r_[starts[1:], True]
        last[edge[ends]] = np.maximum(last[edge[ends]], index[ends] + 1)

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        ratio = np.zeros((players.size, len(WAYS)))
        first, second, nats = self._agreements(max(len(table), int(players.max(initial=-1)) + 1))
        best = np.full(max(len(table), int(players.max(initial=-1)) + 1), -np.inf)
        np.maximum.at(best, first, nats)
        np.maximum.at(best, second, nats)
        compared = self._players[players][:, 2]
        # Who agrees with nobody has been compared as well, and is cleared by as much as a first agreement would have
        # weighed.
        alone = -np.log1p(compared) - _MARGIN
        ratio[:, WAY["farmed"]] = np.where(compared > 0, np.maximum(best[players], alone), 0.0)
        return ratio

    def _agreements(self, n_players: int) -> tuple[Ints, Ints, Floats]:
        """(first, second, nats) of every pair of players who agreed somewhere, comparisons paid.

        All who share a window agree with the one who had it first. Where several do so beyond chance, each is the
        likelier for the others.
        """
        first, second = self._edges.keys // _BITS, self._edges.keys % _BITS
        known = np.flatnonzero((first < n_players) & (second < n_players))
        first, second, nats = first[known], second[known], self._edge_sums[known][:, 0]
        compared = self._players.reach(n_players)[:, 2]
        nats = nats - np.log1p(np.maximum(compared[first], compared[second])) - _MARGIN
        followers = totals(first, nats > _BEYOND_CHANCE, n_players)[first]
        return first, second, nats + np.where(nats > _BEYOND_CHANCE, _PER_FOLLOWER * np.clip(followers - 1, 0, 5), 0.0)

    def farms(self, n_players: int) -> Ints:
        """(n_players,): number of the farm of each player, -1 for none: connected players whose agreement is no
        chance.
        """
        label = np.arange(n_players)
        first, second, nats = self._agreements(n_players)
        first, second = first[nats >= JOIN_NATS], second[nats >= JOIN_NATS]
        while True:
            before = label.copy()
            np.minimum.at(label, first, label[second])
            np.minimum.at(label, second, label[first])
            if (label == before).all():
                break
        _, place, size = np.unique(label, return_inverse=True, return_counts=True)
        number = np.where(size >= 2, np.cumsum(size >= 2) - 1, -1)
        return np.asarray(number[place])

    def measures(self, player: int) -> dict[str, float]:
        keys = self._edges.keys
        everyone = max(player, int((keys // _BITS).max(initial=0)), int((keys % _BITS).max(initial=0))) + 1
        first, second, nats = self._agreements(everyone)
        mine = (first == player) | (second == player)
        return {
            "agrees_with": float(mine.sum()),
            "nats_of_best_agreement": round(float(nats[mine].max()), 1) if mine.any() else 0.0,
        }


def _mix(bits: Ints) -> np.ndarray:
    mixed = bits.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(mixed >> np.uint64(40))


def _telling(bits: Ints) -> Bools:
    """Windows that are neither nearly one-sided nor periodic."""
    ones = np.bitwise_count(bits).astype(np.int64)
    telling = (ones >= 4) & (ones <= WINDOW - 4)
    for lag in (1, *LAGS):
        differ = np.bitwise_count((bits ^ (bits >> lag)) & ((1 << (WINDOW - lag)) - 1)).astype(np.int64)
        telling &= (differ > 1) & ((lag > 1) | (differ < WINDOW - 2))
    return np.asarray(telling)


def _surprise(bits: Ints) -> Floats:
    """Nats by which equal windows surprise: sixteen answers of two players who both take left as often as this window
    does.
    """
    share = np.bitwise_count(bits) / WINDOW
    return np.asarray(-WINDOW * np.log(share**2 + (1 - share) ** 2))

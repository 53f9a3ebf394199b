"""Pushers and demoters: who chooses one party so reliably that even a lover of it would not.

A party is a merchant, or a style where all styles of a test belong to one merchant. Of each player's meetings with a party: w times chosen, l times
not. A pusher gives 0.97^w 0.03^l; one who pushes every second time ½ + p/2 instead of p; an honest player who likes it by N(0, σ²) more
than the own taste group does gives the *fan likelihood* (nine points of σ's normal). How far liking spreads, σ, is learnt from the crowd (0.45 to 0.85
logit). The log ratio is against that honest lover, and so a party that is liked by many tells nothing against those who like it. Where the player's
other votes fit none of the known tastes, nobody knows what to expect of the player, and the honest alternative is any liking at all, N(0, 1). A demoter
is the mirror of this.

How common pushing is, is learnt per party (the gate): the share of pushers among players who met it twice or more, by EM with a prior of one in a
thousand. Links pool: linked players who push one party are improbable together long before each is alone (`pooled`). The server deals the
pairs, so graphs of who voted on what say nothing (measured: AUC 0.4).

Source: likelihood ratio; pooling as a two-level mixture. False alarms: by itself, one player's
pushing is worth at most some seven nats, which is "watched"; it takes links or a pushed party (the gate) to mute. Cost: two meetings a vote, eleven logarithms each.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from game.abuse.evidence import WAY, WAYS, Bools, Floats, Ints, PlayerTable, Rows, Sums, VoteTable, log_sum
from ranking.reliability import ALWAYS

PRIOR = 0.01
"""How common pushing (or demoting) is believed to be before anything is seen; spread over the parties."""

_MEMBER = 0.6  # of a linked group that pushes, so many of its members do
_GROUP_PRIOR = 0.01
_WAYS = ("pushing", "demoting")
_PARTY_BITS = 1 << 31
_LIKINGS = np.array([-2.4, -1.6, -1.0, -0.5, 0.0, 0.5, 1.0, 1.6, 2.4])
_WIDTHS = np.array([0.8, 0.7, 0.55, 0.5, 0.5, 0.5, 0.55, 0.7, 0.8])
_UNKNOWN_SPREAD = 1.0
_SPREADS = (0.45, 0.55, 0.7, 0.85)


class Push:
    name = "push"
    content_free = True

    def __init__(self) -> None:
        self._rows = Rows()
        self._pairs = Rows()
        # For each (player, party): chosen, not chosen, log likelihoods of "helps half the time" and "hinders half the time", and of honest
        # choosing for each degree of liking.
        self._sums = Sums(4 + _LIKINGS.size)
        # What these sums say, kept up with them: log likelihoods of pushing, of demoting, of honest liking, and of any liking at all.
        self._said = Sums(4)
        # How far each player's taste is unknown; whoever knows it may set this (game.abuse.sweep does).
        self.unlike: Callable[[Ints], Floats] = _known
        # The rows of each player as a chain: newest row of the player, and from each row to the one before.
        self._newest = Sums(1)
        self._before = Sums(1)
        self._share = np.empty((0, 2))
        self._liking = _log_liking(0.7)
        self._parties = 1

    def add(self, votes: VoteTable) -> None:
        stake = votes.decided & (votes.gold < 0) & ~np.isnan(votes.lean) & (votes.party_left != votes.party_right)
        stake = self._new_to_player(votes, stake)
        if not stake.any():
            return
        player = np.tile(votes.player[stake], 2)
        party = np.concatenate([votes.party_left[stake], votes.party_right[stake]])
        p = np.clip(votes.lean[stake], 0.01, 0.99)
        gap = np.log(p) - np.log1p(-p)
        sign = np.repeat([1.0, -1.0], gap.size)
        gap = np.tile(gap, 2) * sign
        won = np.where(sign > 0, np.tile(votes.choice[stake], 2), 1 - np.tile(votes.choice[stake], 2))
        p = expit(gap)
        columns = np.empty((gap.size, 4 + _LIKINGS.size))
        columns[:, 0] = won
        columns[:, 1] = 1 - won
        columns[:, 2] = np.log(np.where(won == 1, 0.5 + 0.5 * p, 0.5 - 0.5 * p))
        columns[:, 3] = np.log(np.where(won == 1, 0.5 * p, 1 - 0.5 * p))
        for column, liking in enumerate(_LIKINGS, start=4):
            shifted = gap + liking
            columns[:, column] = -np.logaddexp(0, np.where(won == 1, -shifted, shifted))
        known = self._rows.size
        rows = self._rows.of(player * _PARTY_BITS + party)
        self._sums.add(rows, columns)
        touched = np.flatnonzero(np.bincount(rows)) if rows.size * 4 > self._rows.size else np.unique(rows)
        self._said.reach(self._rows.size)[touched] = self._compare(touched)
        self._chain(np.arange(known, self._rows.size))
        self._parties = max(self._parties, int(party.max()) + 1)

    def _new_to_player(self, votes: VoteTable, stake: Bools) -> Bools:
        """Those of the staked votes whose pair the player has not met before: the same answer to the same pair is no new evidence of a rule."""
        where = np.flatnonzero(stake)
        low = np.minimum(votes.left[where], votes.right[where]).astype(np.uint64)
        high = np.maximum(votes.left[where], votes.right[where]).astype(np.uint64)
        # Three numbers do not fit into one of 64 bits; a mixture of them collides once in 10^13 pairs of a million.
        key = votes.player[where].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        key ^= (low * np.uint64(0xC2B2AE3D27D4EB4F) + high) * np.uint64(0x165667B19E3779F9)
        known = self._pairs.size
        rows = self._pairs.of(key.view(np.int64))
        _, first = np.unique(rows, return_index=True)
        fresh = np.zeros(where.size, dtype=bool)
        fresh[first] = True
        fresh &= rows >= known
        result = np.zeros(stake.size, dtype=bool)
        result[where[fresh]] = True
        return result

    def _chain(self, fresh: Ints) -> None:
        player = self._rows.keys[fresh] // _PARTY_BITS
        order = np.argsort(player, kind="stable")
        fresh, player = fresh[order], player[order]
        if fresh.size == 0:
            return
        newest = self._newest.reach(int(player[-1]) + 1)
        before = self._before.reach(int(fresh.max()) + 1)
        first = np.r_[True, player[1:] != player[:-1]]
        # Rows are stored one up, so that 0 means "none".
        before[fresh[first], 0] = newest[player[first], 0]
        before[fresh[~first], 0] = fresh[np.flatnonzero(~first) - 1] + 1
        last = np.r_[first[1:], True]
        newest[player[last], 0] = fresh[last] + 1

    def meetings(self, players: Ints) -> tuple[Ints, Ints]:
        """(row, index into players) of all (player, party) that are known of these players."""
        at = self._newest[players][:, 0].astype(np.int64)
        index = np.arange(players.size)
        rows, owners = [], []
        while True:
            some = at > 0
            if not some.any():
                break
            index, at = index[some], at[some] - 1
            rows.append(at)
            owners.append(index)
            at = self._before[at][:, 0].astype(np.int64)
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return np.concatenate(rows), np.concatenate(owners)

    def _compare(self, rows: Ints) -> Floats:
        """(len(rows), 4): log likelihoods of the meetings for a pusher, a demoter, an honest player of a known taste, and one of an unknown."""
        sums = self._sums[rows]
        won, lost = sums[:, 0], sums[:, 1]
        yes, no = np.log(ALWAYS), np.log(1 - ALWAYS)
        push = np.logaddexp(won * yes + lost * no, sums[:, 2] - 0.7) - np.log(1.5)
        demote = np.logaddexp(won * no + lost * yes, sums[:, 3] - 0.7) - np.log(1.5)
        liked = won[:, None] * np.log(expit(_LIKINGS)) + lost[:, None] * np.log(expit(-_LIKINGS)) + _log_liking(_UNKNOWN_SPREAD)
        return np.stack([push, demote, log_sum(sums[:, 4:] + self._liking), log_sum(liked)], axis=1)

    def ratios(self, rows: Ints) -> Floats:
        """(len(rows), 2): nats by which pushing and demoting explain the meetings better than an honest player does."""
        said = self._said[rows]
        players, place = np.unique(self._rows.keys[rows] // _PARTY_BITS, return_inverse=True)
        unlike = np.clip(self.unlike(players), 1e-6, 1 - 1e-6)[place]
        honest = np.logaddexp(np.log1p(-unlike) + said[:, 2], np.log(unlike) + said[:, 3])
        return np.asarray(said[:, :2] - honest[:, None])

    def calibrate(self, players: Ints, table: PlayerTable) -> None:
        """Learn for each party how many push or demote it: the gate. Who met it once or never is not asked, or the share would drift."""
        del table
        rows, _ = self.meetings(players)
        party = self._rows.keys[rows] % _PARTY_BITS
        sums = self._sums[rows]
        enough = sums[:, 0] + sums[:, 1] >= 2
        rows, party = rows[enough], party[enough]
        # A spread-out prior: of a thousand parties each is pushed more rarely than the only one.
        prior = PRIOR / max(self._parties, 1)
        self._share = np.full((self._parties, 2), prior)
        if rows.size == 0:
            return
        # Of the spreads of liking the one under which the crowd is likeliest; a few pushers among many meetings hardly move it.
        some = sums[enough, 4:][:: max(1, rows.size // 50_000)]
        likelihood = [float(log_sum(some + _log_liking(spread)).sum()) for spread in _SPREADS]
        self._liking = _log_liking(_SPREADS[int(np.argmax(likelihood))])
        everyone = np.arange(self._rows.size)
        self._said.reach(everyone.size)[everyone] = self._compare(everyone)
        ratio = self.ratios(rows)
        voters = np.bincount(party, minlength=self._parties)
        for way in range(2):
            share = np.full(self._parties, 0.02)
            for _ in range(40):
                p = expit(np.minimum(ratio[:, way], 30.0) + np.log(share[party]) - np.log1p(-share[party]))
                found = np.bincount(party, weights=p, minlength=self._parties)
                share = np.clip((found + 60 * prior) / (voters + 60), prior, 0.5)
            self._share[:, way] = share

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        rows, owner = self.meetings(players)
        return self._summed(rows, owner, players.size, self._shares(rows))

    def pooled(self, players: Ints, group: Ints) -> Floats:
        """The same for players in linked groups (-1: alone), who are suspected together.

        Either a group pushes a party, and then six in ten of its members do, or its members push as rarely as anybody. A member without
        evidence of its own gains none: what the group adds is the expectation, not the deed.
        """
        rows, owner = self.meetings(players)
        share = self._shares(rows)
        of_group = group[owner]
        linked = of_group >= 0
        if linked.any():
            party = self._rows.keys[rows] % _PARTY_BITS
            keys, place = np.unique(of_group[linked] * _PARTY_BITS + party[linked], return_inverse=True)
            ratio = self.ratios(rows)
            for way in range(2):
                r, s = ratio[linked, way], share[linked, way]
                together = np.bincount(
                    place, weights=np.logaddexp(np.log(_MEMBER) + r, np.log(1 - _MEMBER)), minlength=keys.size
                )
                apart = np.bincount(place, weights=np.logaddexp(np.log(s) + r, np.log1p(-s)), minlength=keys.size)
                guilty = expit(together - apart + np.log(_GROUP_PRIOR / max(self._parties, 1)))[place]
                share[linked, way] = np.maximum(s, guilty * _MEMBER)
        return self._summed(rows, owner, players.size, share)

    def _shares(self, rows: Ints) -> Floats:
        party = self._rows.keys[rows] % _PARTY_BITS
        known = party < self._share.shape[0]
        share = np.full((rows.size, 2), PRIOR / max(self._parties, 1))
        share[known] = self._share[party[known]]
        return share

    def _summed(self, rows: Ints, owner: Ints, n: int, share: Floats) -> Floats:
        """Over the parties of each player: log Σ share e^ratio, above the prior that the verdict adds for the whole way."""
        result = np.zeros((n, len(WAYS)))
        ratio = self.ratios(rows)
        for column, way in enumerate(_WAYS):
            odds = np.log(share[:, column]) - np.log1p(-share[:, column])
            total = np.bincount(owner, weights=np.exp(np.minimum(ratio[:, column] + odds, 600.0)), minlength=n)
            met = np.bincount(owner, minlength=n) > 0
            result[met, WAY[way]] = np.log(np.maximum(total[met], 1e-12)) - np.log(PRIOR)
        return result

    def suspected(self, player: int) -> dict[str, tuple[int, float]]:
        """Which party the player most probably pushes, and demotes, with the nats for it."""
        rows, _ = self.meetings(np.array([player]))
        if rows.size == 0:
            return {}
        ratio = self.ratios(rows)
        best = ratio.argmax(axis=0)
        return {
            way: (int(self._rows.keys[rows[best[k]]] % _PARTY_BITS), float(ratio[best[k], k]))
            for k, way in enumerate(_WAYS)
        }

    def measures(self, player: int) -> dict[str, float]:
        rows, _ = self.meetings(np.array([player]))
        if rows.size == 0:
            return {}
        ratio = self.ratios(rows)
        row = rows[ratio.max(axis=1).argmax()]
        won, lost = self._sums[np.array([row])][0][:2]
        return {"party": float(self._rows.keys[row] % _PARTY_BITS), "chosen": float(won), "not_chosen": float(lost)}


def _known(players: Ints) -> Floats:
    return np.full(players.size, 0.05)


def _log_liking(spread: float) -> Floats:
    density = np.exp(-0.5 * (_LIKINGS / spread) ** 2) * _WIDTHS
    return np.asarray(np.log(density / density.sum()))

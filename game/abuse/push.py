"""Pushers and demoters: who chooses one party so reliably that even a lover of it would not.

A party is a merchant, or a style where all styles of a test belong to one merchant. Of each player's meetings with a
party: w times chosen, l times not. A pusher gives 0.97^w 0.03^l; an honest player who likes it by N(0, σ²) more than
the own taste group does gives the *fan likelihood* (nine points of σ's normal). The log ratio is against that honest
lover. Where the player's other votes fit none of the known tastes, nobody knows what to expect of the player, and the
honest alternative is any liking at all, N(0, 1). A demoter is the mirror of this.

How far liking of a party spreads (σ from 0.45 to 1.6) and how common pushing it is (the gate) are learnt together,
per party, as the likeliest pair: a style that some love and others cannot stand has a wide σ and no pushers. Links
pool: linked players who push one party are improbable together long before each is alone (`pooled`). The server deals
the pairs, so graphs of who voted on what say nothing.

Source: likelihood ratio; pooling as a two-level mixture. False alarms: by itself, one player's pushing is worth some
five nats over all parties at most, which is "watched"; the gate weighs but never mutes, links do. Cost: two meetings
a vote, nine logarithms each.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from game.abuse.evidence import WAY, WAYS, Bools, Floats, Ints, PlayerTable, Rows, Sums, VoteTable, log_sum
from ranking.reliability import ALWAYS
from ranking.voter_kinds import totals

PRIOR = 0.004
"""How common pushing (or demoting) is believed to be before anything is seen; spread over the parties."""

_MEMBER = 0.6  # of a linked group that pushes, so many of its members do
_GROUP_PRIOR = 0.015
_OTHERWISE_NATS = 5.0
_WAYS = ("pushing", "demoting")
_PARTY_BITS = 1 << 31
_LIKINGS = np.array([-2.4, -1.6, -1.0, -0.5, 0.0, 0.5, 1.0, 1.6, 2.4])
_WIDTHS = np.array([0.8, 0.7, 0.55, 0.5, 0.5, 0.5, 0.55, 0.7, 0.8])
_SPREADS = (0.45, 0.6, 0.8, 1.1, 1.6)
_USUAL_SPREAD = 0.7
_UNKNOWN_SPREAD = 1.0
_AT_ONCE = 100_000
_ASKED_ROWS = 100_000  # of so many meetings the spreads and shares are learnt


class Push:
    name = "push"
    content_free = True

    def __init__(self) -> None:
        self._rows = Rows()
        self._pairs = Rows()
        # For each (player, party): chosen, not chosen, and log likelihoods of honest choosing for each degree of
        # liking.
        self._sums = Sums(2 + _LIKINGS.size)
        # The rows of each player as a chain: newest row of the player, and from each row to the one before.
        self._newest = Sums(1)
        self._before = Sums(1)
        # For each party: how many push and demote it, and the logarithms of the nine shares of liking.
        self._share = np.empty((0, 2))
        self._liking = np.empty((0, _LIKINGS.size))
        self._parties = 1
        self._all_ratios: Floats | None = None
        # How far each player's taste is unknown; whoever knows it may set this (game.abuse.sweep does).
        self.unlike: Callable[[Ints], Floats] = _hardly

    def add(self, votes: VoteTable) -> None:
        stake = votes.decided & (votes.gold < 0) & ~np.isnan(votes.lean) & (votes.party_left != votes.party_right)
        self._all_ratios = None
        stake = self._new_to_player(votes, stake)
        if not stake.any():
            return
        player = np.tile(votes.player[stake], 2)
        party = np.concatenate([votes.party_left[stake], votes.party_right[stake]])
        p = np.clip(votes.lean[stake], 0.01, 0.99)
        gap = np.log(p) - np.log1p(-p)
        gap = np.concatenate([gap, -gap])
        won = np.concatenate([votes.choice[stake], 1 - votes.choice[stake]])
        sign = np.where(won == 1, 1.0, -1.0)
        known = self._rows.size
        rows = self._rows.of(player * _PARTY_BITS + party)
        # Some at a time: eleven numbers a meeting, of which only sums are kept.
        for begin in range(0, gap.size, _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            columns = np.empty((gap[some].size, 2 + _LIKINGS.size))
            columns[:, 0] = won[some]
            columns[:, 1] = 1 - won[some]
            for column, liking in enumerate(_LIKINGS, start=2):
                columns[:, column] = -np.logaddexp(0, -sign[some] * (gap[some] + liking))
            self._sums.add(rows[some], columns)
        self._chain(np.arange(known, self._rows.size))
        self._parties = max(self._parties, int(party.max()) + 1)

    def _new_to_player(self, votes: VoteTable, stake: Bools) -> Bools:
        """Those of the staked votes whose pair the player has not met before: the same answer to the same pair is no
        new evidence of a rule.
        """
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

    def ratios(self, rows: Ints) -> Floats:
        """(len(rows), 2): nats by which pushing and demoting explain the meetings better than an honest player does."""
        if 2 * rows.size < self._rows.size:
            return self._ratios(rows)
        # One look at everybody asks four times; nothing changes in between.
        if self._all_ratios is None:
            every = np.arange(self._rows.size)
            parts = [self._ratios(every[begin : begin + _AT_ONCE]) for begin in range(0, every.size, _AT_ONCE)]
            self._all_ratios = np.concatenate(parts) if parts else np.empty((0, 2))
        return np.asarray(self._all_ratios[rows])

    def _ratios(self, rows: Ints) -> Floats:
        keys = self._rows.keys[rows]
        party = keys % _PARTY_BITS
        liking = np.broadcast_to(_log_liking(_USUAL_SPREAD), (rows.size, _LIKINGS.size))
        if self._liking.size:
            known = party < self._liking.shape[0]
            liking = np.where(known[:, None], self._liking[np.where(known, party, 0)], liking)
        sums = self._sums[rows]
        return self._compare(sums, self._unlike(keys), log_sum(sums[:, 2:] + liking))

    def _unlike(self, keys: Ints) -> Floats:
        players, place = np.unique(keys // _PARTY_BITS, return_inverse=True)
        return np.clip(self.unlike(players), 1e-6, 1 - 1e-6)[place]

    def _compare(self, sums: Floats, unlike: Floats, fan: Floats) -> Floats:
        won, lost = sums[:, 0], sums[:, 1]
        yes, no = np.log(ALWAYS), np.log(1 - ALWAYS)
        any_liking = (
            won[:, None] * np.log(expit(_LIKINGS))
            + lost[:, None] * np.log(expit(-_LIKINGS))
            + _log_liking(_UNKNOWN_SPREAD)
        )
        honest = np.logaddexp(np.log1p(-unlike) + fan, np.log(unlike) + log_sum(any_liking))
        return np.stack([won * yes + lost * no - honest, won * no + lost * yes - honest], axis=1)

    def calibrate(self, players: Ints, table: PlayerTable) -> None:
        """Learn for each party how far liking of it spreads and how many push or demote it: the likeliest pair.

        Who met it once or never is not asked, or the share would drift; of a very large crowd a part is.
        """
        del table
        self._all_ratios = None
        prior = PRIOR / max(self._parties, 1)
        self._share = np.full((self._parties, 2), prior)
        self._liking = np.tile(_log_liking(_USUAL_SPREAD), (self._parties, 1))
        rows, _ = self.meetings(players)
        rows = rows[:: max(1, rows.size // _ASKED_ROWS)]
        sums = self._sums[rows]
        enough = sums[:, 0] + sums[:, 1] >= 2
        rows, sums = rows[enough], sums[enough]
        if rows.size == 0:
            return
        keys = self._rows.keys[rows]
        party, unlike = keys % _PARTY_BITS, self._unlike(keys)
        fits, shares = [], []
        for spread in _SPREADS:
            fan = log_sum(sums[:, 2:] + _log_liking(spread))
            ratio = np.minimum(self._compare(sums, unlike, fan), 30.0)
            share, gain = self._shares_of(party, ratio, prior)
            fits.append(totals(party, fan, self._parties) + gain)
            shares.append(share)
        # Liking spreads alike for all parties, unless the votes on one say clearly that it does not.
        found = np.stack(fits)
        usual = int(found.sum(axis=1).argmax())
        found -= _OTHERWISE_NATS * np.abs(np.arange(len(_SPREADS)) - usual)[:, None]
        best = found.argmax(axis=0)
        self._share = np.stack(shares)[best, np.arange(self._parties)]
        self._liking = np.stack([_log_liking(spread) for spread in _SPREADS])[best]

    def _shares_of(self, party: Ints, ratio: Floats, prior: float) -> tuple[Floats, Floats]:
        """(share (n_parties, 2), gained log likelihood (n_parties,)) by EM; the shares start high, since most end at
        the prior.
        """
        voters = np.bincount(party, minlength=self._parties)
        share = np.full((self._parties, 2), 0.02)
        odds = np.exp(ratio)
        total = np.ones(party.size)
        for _ in range(25):
            mine = share[party]
            total = 1 - mine.sum(axis=1) + (mine * odds).sum(axis=1)
            for way in range(2):
                found = totals(party, mine[:, way] * odds[:, way] / total, self._parties)
                share[:, way] = np.clip((found + 60 * prior) / (voters + 60), prior, 0.45)
        return share, totals(party, np.log(total), self._parties)

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        """What each player's own votes say, every party as likely to be pushed as any other."""
        del table
        rows, owner = self.meetings(players)
        return self._summed(rows, owner, players.size, np.full((rows.size, 2), PRIOR / max(self._parties, 1)))

    def gated(self, players: Ints) -> Floats:
        """The same, where each party is pushed as often as was learnt."""
        rows, owner = self.meetings(players)
        return self._summed(rows, owner, players.size, self._shares(rows))

    def pooled(self, players: Ints, group: Ints) -> Floats:
        """The same for players in linked groups (-1: alone), who are suspected together.

        Either a group pushes a party, and then six in ten of its members do, or its members push as rarely as
        anybody. Each member is told what the *others* make believe of the group, so that nobody is suspected twice
        for one deed; and a member without evidence of its own gains none: what the group adds is the expectation, not
        the deed.
        """
        rows, owner = self.meetings(players)
        share = np.full((rows.size, 2), PRIOR / max(self._parties, 1))
        of_group = group[owner]
        linked = of_group >= 0
        if linked.any():
            party = self._rows.keys[rows] % _PARTY_BITS
            keys, place = np.unique(of_group[linked] * _PARTY_BITS + party[linked], return_inverse=True)
            ratio = self.ratios(rows)
            for way in range(2):
                r, s = ratio[linked, way], share[linked, way]
                own = np.logaddexp(np.log(_MEMBER) + r, np.log(1 - _MEMBER)) - np.logaddexp(np.log(s) + r, np.log1p(-s))
                others = totals(place, own, keys.size)[place] - own
                guilty = expit(others + np.log(_GROUP_PRIOR / max(self._parties, 1)))
                share[linked, way] = np.maximum(s, guilty * _MEMBER)
        return self._summed(rows, owner, players.size, share)

    def _shares(self, rows: Ints) -> Floats:
        party = self._rows.keys[rows] % _PARTY_BITS
        known = party < self._share.shape[0]
        share = np.full((rows.size, 2), PRIOR / max(self._parties, 1))
        share[known] = self._share[party[known]]
        return share

    def _summed(self, rows: Ints, owner: Ints, n: int, share: Floats) -> Floats:
        """Over the parties of each player: log Σ share e^ratio, above the prior that the verdict adds for the whole
        way.
        """
        result = np.zeros((n, len(WAYS)))
        ratio = self.ratios(rows)
        met = np.bincount(owner, minlength=n) > 0
        for column, way in enumerate(_WAYS):
            odds = np.log(share[:, column]) - np.log1p(-share[:, column])
            total = totals(owner, np.exp(np.minimum(ratio[:, column] + odds, 600.0)), n)
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
        row = rows[self.ratios(rows).max(axis=1).argmax()]
        won, lost = self._sums[np.array([row])][0][:2]
        return {"party": float(self._rows.keys[row] % _PARTY_BITS), "chosen": float(won), "not_chosen": float(lost)}


def _hardly(players: Ints) -> Floats:
    return np.full(players.size, 0.05)


def _log_liking(spread: float) -> Floats:
    density = np.exp(-0.5 * (_LIKINGS / spread) ** 2) * _WIDTHS
    return np.asarray(np.log(density / density.sum()))

"""Agreement with what others of the same segment chose, as a Bayes factor that may be looked at at any moment.

An honest player is a mixture: of the tastes of the segment (each with a decisiveness s: log σ(s d_g) a vote, where
d_g is the consensus without this player), of the exact opposite of everybody's (rare, and never more decided than
others are), of such a taste with personal deviations that the player's own votes
reveal, and of a taste all of one's own. Personal deviations are learnt vote by vote (a Gaussian for each style,
updated after it has predicted), so that people who are merely unlike others are known by being like themselves.
Clicking by chance gives log ½ a vote; "contrary" answers against the consensus whatever the margin. The ratio of the
mixtures is an e-process against "an honest player drawn from the mixture": the chance that it *ever* reaches 1/a is
at most a (Ville), so a sweep may look as often as it likes.

Source: product of predictive densities (Dawid's prequential principle); mixture e-processes as in Howard et al. 2021;
the Gaussian update is that of an extended Kalman filter. False alarms: a minority is honest under its own taste, so
agreement alone never mutes (docs/fair-votes.md); what it takes is weight. Cost: tastes x 4 logarithms and some thirty
vector operations a vote.
"""

import numpy as np
from scipy.special import expit

from game.abuse.evidence import WAY, WAYS, Floats, Ints, PlayerTable, Rows, Sums, VoteTable, log_sum
from game.abuse.obvious import is_obvious

# Decisiveness: a person is more decided than the average over people (which the consensus is), or less.
SLOPES = np.array([0.3, 0.7, 1.1, 1.7])
LOG_SLOPE_SHARE = np.log([0.03, 0.25, 0.62, 0.10])
_OWN_SEGMENT = 0.55
_EVERYBODY = 0.15
_FOUND = 0.296
_OPPOSITE = 0.004
# How an honest player is made: by the tastes alone, by a taste with personal deviations, or by a taste of one's own.
_LOG_KIND = np.log([0.45, 0.50, 0.05])
_PERSONAL_SD = 0.5
_OWN_TASTE_SD = 0.75
_NEVER = -1000.0
_FOLLOWED = 400  # of so many votes a player's own deviations are learnt; then they are known
_CONTRARY_SLOPE = 7.0
_CONTRARY_RULE = 0.97
_AT_ONCE = 100_000
_BITS = 1 << 31


class Agreement:
    name = "agreement"
    content_free = False

    def __init__(self) -> None:
        self.n_tastes = 0
        # For each player: votes, log likelihood of "contrary" (to the segment, to everybody), votes followed, and
        # over these the log likelihoods of: a taste with personal deviations, a taste of one's own, the tastes alone.
        self._sums = Sums(7)
        self._fits: Sums | None = None
        # For each (player, style): mean and lost variance of the personal deviation; the same for a taste of one's own.
        self._rows = Rows()
        self._deviation = Sums(4)

    def add(self, votes: VoteTable) -> None:
        # Whole players at a time: the tables of tastes and slopes are forty numbers a vote, of which only sums are kept.
        begin = 0
        while begin < len(votes):
            end = min(begin + _AT_ONCE, len(votes))
            end = int(np.searchsorted(votes.player, votes.player[end - 1], side="right"))
            self._add(votes if end - begin == len(votes) else votes.take(slice(begin, end)))
            begin = end

    def _add(self, votes: VoteTable) -> None:
        known = ~np.isnan(votes.expected).any(axis=1) & votes.decided & (votes.gold < 0)
        known &= ~is_obvious(votes.expected)
        if not known.any():
            return
        votes = votes.take(np.flatnonzero(known))
        player = votes.player
        gap = _logit(votes.expected)
        # Nobody may be called contrary for the opposite taste, even where too few have it to be found.
        gap = np.column_stack([gap, -gap[:, min(1, gap.shape[1] - 1)]])
        if self._fits is None:
            self.n_tastes = gap.shape[1]
            self._fits = Sums(self.n_tastes * SLOPES.size)
        assert gap.shape[1] == self.n_tastes, "every batch must speak of the same tastes, in the same order"
        toward = np.where(votes.choice == 1, 1.0, -1.0)[:, None] * gap
        fits = -np.logaddexp(0, -toward[:, :, None] * SLOPES)
        personal = self._follow(votes, gap, fits)
        sums = np.zeros((player.size, 7))
        sums[:, 0] = 1
        for column in range(2):
            against = expit(-_CONTRARY_SLOPE * toward[:, min(column, gap.shape[1] - 2)])
            sums[:, 1 + column] = np.log((1 - _CONTRARY_RULE) + (2 * _CONTRARY_RULE - 1) * against)
        sums[:, 3:] = personal
        self._fits.add(player, fits.reshape(player.size, -1))
        self._sums.add(player, sums)

    def _follow(self, votes: VoteTable, gap: Floats, fits: Floats) -> Floats:
        """(n_votes, 4): 1 if followed, and what the player's own taste, as the votes before have shown it, said of
        this one.
        """
        n = len(votes)
        result = np.zeros((n, 4))
        players, starts, counts = np.unique(votes.player, return_index=True, return_counts=True)
        left = self._rows.of(votes.player * _BITS + votes.left)
        right = self._rows.of(votes.player * _BITS + votes.right)
        state = self._deviation.reach(self._rows.size)
        joint = self._joint(players)
        steps = np.minimum(counts, np.maximum(_FOLLOWED - self._sums[players][:, 3], 0).astype(np.int64))
        prior = np.array([_PERSONAL_SD**2, _OWN_TASTE_SD**2])
        for step in range(int(steps.max(initial=0))):
            who = np.flatnonzero(steps > step)
            vote = starts[who] + step
            won = votes.choice[vote]
            before = joint[who].reshape(who.size, -1)
            before = np.exp(before - before.max(axis=1, keepdims=True))
            before /= before.sum(axis=1, keepdims=True)
            taste = before.reshape(who.size, self.n_tastes, -1).sum(axis=2)
            result[vote, 0] = 1
            result[vote, 3] = np.log((before * np.exp(fits[vote].reshape(who.size, -1))).sum(axis=1))
            joint[who] += fits[vote]
            of_left, of_right = state[left[vote]], state[right[vote]]
            # One column for deviations from the taste (its average may be a tenth too flat), one for a taste of one's
            # own.
            base = np.stack([1.08 * (taste * gap[vote]).sum(axis=1), np.zeros(who.size)], axis=1)
            mean = base + of_left[:, 0::2] - of_right[:, 0::2]
            of_l, of_r = prior - of_left[:, 1::2], prior - of_right[:, 1::2]
            spread = of_l + of_r
            p = expit(mean / np.sqrt(1 + np.pi / 8 * spread))
            result[vote, 1:3] = np.log(np.where(won[:, None] == 1, p, 1 - p))
            sure = expit(mean)
            bend = sure * (1 - sure)
            surprise = won[:, None] - sure
            loss = 1 + bend * spread
            of_left[:, 0::2] += of_l * surprise / loss
            of_left[:, 1::2] += of_l**2 * bend / loss
            of_right[:, 0::2] -= of_r * surprise / loss
            of_right[:, 1::2] += of_r**2 * bend / loss
            state[left[vote]], state[right[vote]] = of_left, of_right
        return result

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        del table
        ratio = np.zeros((players.size, len(WAYS)))
        if self._fits is None:
            return ratio
        n, contrary, contrary_all = self._sums[players][:, :3].T
        honest = np.logaddexp(*self._honest(players))
        chance = n * np.log(0.5) - honest
        # Robots and farms may answer by chance or not look at all; one half each. Pushers are honest elsewhere, or
        # click by chance.
        either = np.logaddexp(chance, 0.0) - np.log(2)
        for way in ("random", "one_sided", "patterned"):
            ratio[:, WAY[way]] = chance
        for way in ("farmed", "mechanical", "pushing", "demoting", "multiplied"):
            ratio[:, WAY[way]] = either
        ratio[:, WAY["contrary"]] = np.logaddexp(contrary, contrary_all) - np.log(2) - honest
        return ratio

    def _honest(self, players: Ints) -> tuple[Floats, Floats]:
        """Log likelihoods of an honest player of a known taste, personal deviations included, and of one with a taste
        of one's own.
        """
        personal, own, alone = self._sums[players][:, 4:].T
        tastes = log_sum(self._joint(players).reshape(players.size, -1))
        known = np.logaddexp(_LOG_KIND[0] + tastes, _LOG_KIND[1] + tastes - alone + personal)
        return known, _LOG_KIND[2] + tastes - alone + own

    def unlike(self, players: Ints) -> Floats:
        """(len(players),): probability that the player's taste is none of those known, so that what they expect of a
        party says nothing.
        """
        if self._fits is None:
            return np.ones(players.size)
        known, own = self._honest(players)
        chance = self._sums[players][:, 0] * np.log(0.5) + _LOG_KIND[2]
        return np.asarray(expit(np.logaddexp(own, chance) - known))

    def lean(self, votes: VoteTable) -> Floats:
        """(n_votes,): P(left) under the player's own taste and decisiveness, as far as all votes so far have shown
        them.
        """
        if self._fits is None or votes.expected.shape[1] + 1 != self.n_tastes:
            return votes.lean
        players, place = np.unique(votes.player, return_inverse=True)
        joint = self._joint(players)
        p = np.exp(joint - joint.max(axis=(1, 2), keepdims=True))
        decided = (p * SLOPES).sum(axis=2) / p.sum(axis=(1, 2))[:, None]
        gap = _logit(votes.expected)
        gap = np.column_stack([gap, -gap[:, min(1, gap.shape[1] - 1)]])
        return np.asarray(expit((decided[place] * gap).sum(axis=1)))

    def _joint(self, players: Ints) -> Floats:
        assert self._fits is not None
        fits = self._fits[players].reshape(players.size, self.n_tastes, SLOPES.size)
        found = max(self.n_tastes - 3, 0)
        share = [_OWN_SEGMENT, _EVERYBODY][: self.n_tastes - 1] + [_FOUND / max(found, 1)] * found + [_OPPOSITE]
        log_share = np.log(share)[:, None] + LOG_SLOPE_SHARE
        log_share[-1, -1] = _NEVER  # the opposite taste, more decided than others are: that is a contrarian
        return np.asarray(fits + log_share)

    def measures(self, player: int) -> dict[str, float]:
        n = self._sums[np.array([player])][0, 0]
        return {"votes_compared": float(n)}


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(p) - np.log1p(-p))

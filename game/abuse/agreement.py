"""Agreement with what others of the same segment chose, as a Bayes factor that may be looked at at any moment.

For each taste g that an honest player of the segment may have, and each decisiveness s, the running sum of log σ(s d_g) over the player's
votes, where d_g is the consensus without this player. Honest is their mixture; clicking by chance gives log ½ a vote; "contrary" answers against the
first taste whatever the margin. The ratio of the mixtures is an e-process against "an honest player drawn from the mixture": the chance that it
*ever* reaches 1/a is at most a (Ville), so a sweep may look as often as it likes.

Source: product of predictive densities (Dawid's prequential principle); mixture e-processes as in Howard et al. 2021.
False alarms: a minority is honest under its own taste, so agreement alone never mutes (docs/fair-votes.md); what it takes is weight.
Cost: tastes x 4 logarithms a vote.
"""

import numpy as np
from scipy.special import logsumexp

from game.abuse.evidence import WAY, WAYS, Floats, Ints, Sums, VoteTable
from game.abuse.obvious import is_obvious

# Decisiveness: a person is more decided than the average over people (which the consensus is), or less.
SLOPES = np.array([0.3, 0.7, 1.1, 1.7])
LOG_SLOPE_SHARE = np.log([0.06, 0.34, 0.45, 0.15])
_OWN_SEGMENT = 0.7
_CONTRARY_SLOPE = 7.0
_CONTRARY_RULE = 0.97


class Agreement:
    name = "agreement"
    content_free = False

    def __init__(self) -> None:
        self.n_tastes = 0
        self._sums = Sums(2)
        self._fits: Sums | None = None

    def add(self, votes: VoteTable, lean: Floats) -> None:
        del lean
        known = ~np.isnan(votes.expected).any(axis=1) & votes.decided & (votes.gold < 0) & ~is_obvious(votes.expected)
        if not known.any():
            return
        player, won = votes.player[known], votes.choice[known]
        gap = _logit(votes.expected[known])
        if self._fits is None:
            self.n_tastes = gap.shape[1]
            self._fits = Sums(self.n_tastes * SLOPES.size)
        toward = np.where(won == 1, 1.0, -1.0)[:, None] * gap
        fits = -np.logaddexp(0, -toward[:, :, None] * SLOPES).reshape(len(won), -1)
        self._fits.add(player, fits)
        against = 1 / (1 + np.exp(np.clip(_CONTRARY_SLOPE * toward[:, 0], -50, 50)))
        contrary = np.log((1 - _CONTRARY_RULE) + (2 * _CONTRARY_RULE - 1) * against)
        self._sums.add(player, np.stack([np.ones(len(won)), contrary], axis=1))

    def weigh(self, players: Ints) -> Floats:
        ratio = np.zeros((players.size, len(WAYS)))
        if self._fits is None:
            return ratio
        n, contrary = self._sums[players].T
        honest = logsumexp(self._joint(players), axis=(1, 2))
        chance = n * np.log(0.5) - honest
        # Robots and farms may answer by chance or not look at all; one half each. Pushers are honest elsewhere, or click by chance.
        either = np.logaddexp(chance, 0.0) - np.log(2)
        for way in ("random", "one_sided", "patterned"):
            ratio[:, WAY[way]] = chance
        for way in ("farmed", "mechanical", "pushing", "demoting", "multiplied"):
            ratio[:, WAY[way]] = either
        ratio[:, WAY["contrary"]] = contrary - honest
        return ratio

    def tastes(self, players: Ints) -> Floats:
        """(len(players), n_tastes): probability that each is the player's taste, if honest."""
        if self._fits is None:
            return np.ones((players.size, 1))
        joint = logsumexp(self._joint(players), axis=2)
        p = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def _joint(self, players: Ints) -> Floats:
        assert self._fits is not None
        fits = self._fits[players].reshape(players.size, self.n_tastes, SLOPES.size)
        g = self.n_tastes
        share = np.log([1.0] if g == 1 else [_OWN_SEGMENT] + [(1 - _OWN_SEGMENT) / (g - 1)] * (g - 1))
        return np.asarray(fits + share[:, None] + LOG_SLOPE_SHARE)

    def measures(self, player: int) -> dict[str, float]:
        n, _ = self._sums[np.array([player])][0]
        return {"votes_compared": n}


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(p) - np.log1p(-p))

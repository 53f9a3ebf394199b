"""The sweep: all signals over all votes, kept as running sums so that new votes cost in proportion to new votes."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from game.abuse import SIGNALS, Calibrated, Signal
from game.abuse.agreement import Agreement
from game.abuse.evidence import UNKNOWN, Floats, Ints, PlayerTable, Sums, VoteTable
from game.abuse.links import LARGEST_GROUP, STRONG, Groups, Links
from game.abuse.push import Push
from game.abuse.same_sequence import SameSequence
from game.abuse.verdict import GATE, Verdicts, conclude
from ranking.voter_kinds import totals

Kind = TypeVar("Kind")

# The crowd is looked at again when it has grown by a fifth: its pace and its prices drift slowly, and a look costs
# all players.
_RECALIBRATE = 1.2


@dataclass(frozen=True, slots=True)
class Cluster:
    """Players who belong together and are suspect together: `by` device, address, payee, invitation or equal
    sequences.
    """

    members: Ints
    by: tuple[str, ...]
    p_abusive: float


class Sweep:
    """Add votes as they come; ask for verdicts on whom they touched."""

    def __init__(self) -> None:
        self.signals: tuple[Signal, ...] = tuple(make() for make in SIGNALS)
        self._agreement = _only(self.signals, Agreement)
        self._push = _only(self.signals, Push)
        self._links = _only(self.signals, Links)
        self._sequences = _only(self.signals, SameSequence)
        self._push.unlike = self._agreement.unlike
        self._counts = Sums(1)
        self._n_votes = 0
        self._calibrated_at = 0

    def add(self, votes: VoteTable) -> Ints:
        """Take in votes, in the order of time for each player; returns the players whom they touch."""
        if len(votes) == 0:
            return np.empty(0, dtype=np.int64)
        self._counts.add(votes.player, np.ones((len(votes), 1)))
        self._n_votes += len(votes)
        # Agreement comes first: what a player's own taste expects is what pushing is measured against.
        self._agreement.add(votes)
        votes = replace(votes, lean=self._agreement.lean(votes))
        for signal in self.signals:
            if signal is not self._agreement:
                signal.add(votes)
        return np.unique(votes.player)

    def verdicts(self, table: PlayerTable, players: Ints | None = None) -> Verdicts:
        """What is concluded of these players (of all in the table, unless named)."""
        everyone = np.arange(len(table))
        players = everyone if players is None else players
        if self._n_votes > _RECALIBRATE * self._calibrated_at:
            for signal in self.signals:
                if isinstance(signal, Calibrated):
                    signal.calibrate(everyone, table)
            self._calibrated_at = self._n_votes
        said = {signal.name: signal.weigh(players, table) for signal in self.signals}
        alone = said[self._push.name]
        said[GATE] = self._push.gated(players) - alone
        said["linked_push"] = self._linked(players, table, alone)
        return conclude(
            players,
            self._counts[players][:, 0].astype(np.int64),
            np.stack(list(said.values())),
            signals=tuple(said),
            content_free=(*(signal.content_free for signal in self.signals), False, True),
        )

    def _linked(self, players: Ints, table: PlayerTable, alone: Floats) -> Floats:
        """What links add to the evidence of pushing: the best of suspecting the linked group, those of one telephone, or
        those of one invitation, together.
        """
        best = alone.copy()
        strong = self._links.groups(table, STRONG).of
        for group in (self.groups(table).of, strong, _siblings(table)):
            mine = group[players]
            if (mine >= 0).any():
                # All members must be asked, not only those whom new votes touched.
                asked = np.flatnonzero(np.isin(group, np.unique(mine[mine >= 0])))
                pooled = self._push.pooled(asked, group[asked])
                place = np.searchsorted(asked, players)
                here = mine >= 0
                best[here] = np.maximum(best[here], pooled[place[here]])
        return best - alone

    def groups(self, table: PlayerTable) -> Groups:
        return self._links.groups(table)

    def clusters(self, table: PlayerTable, verdicts: Verdicts) -> tuple[Cluster, ...]:
        """Groups of players who are linked or repeat each other, and who are suspect on average; verdicts: of all
        players.
        """
        p = np.zeros(len(table))
        p[verdicts.player] = verdicts.p_abusive
        farms = self._sequences.farms(len(table))
        found = [Cluster(members, ("sequence",), mean) for _, members, mean in _suspect(farms, p)]
        # The strong links alone as well: who shares a telephone may have neighbours who are none of his.
        for groups in (self.groups(table), self._links.groups(table, STRONG)):
            for g, members, mean in _suspect(groups.of, p):
                # One hand behind one farm is one cluster, however many things give it away.
                same = [k for k, other in enumerate(found) if np.isin(members, other.members).mean() > 0.8]
                if same:
                    k = same[0]
                    found[k] = replace(found[k], by=tuple(sorted({*found[k].by, *groups.by[g]})))
                else:
                    found.append(Cluster(members, groups.by[g], mean))
        return tuple(sorted(found, key=lambda c: (-c.members.size, int(c.members[0]))))

    def measures(self, player: int) -> dict[str, dict[str, float]]:
        """The figures of each signal for one player, for an operator to check."""
        return {signal.name: signal.measures(player) for signal in self.signals}


def _suspect(label: Ints, p: Floats) -> list[tuple[int, Ints, float]]:
    """(label, members, mean p) of each group of two or more whose members are mostly suspect; p (n_players,)."""
    known = label[label >= 0]
    size = np.bincount(known)
    total = totals(known, p[label >= 0], size.size)
    chosen = np.flatnonzero((size >= 2) & (total > 0.5 * size)).tolist()
    return [(g, np.flatnonzero(label == g), float(total[g] / size[g])) for g in chosen]


def _siblings(table: PlayerTable) -> Ints:
    """Who was invited by the same player, with that player, is one group; -1 for nobody's guests."""
    group = np.where(table.inviter >= 0, table.inviter, UNKNOWN)
    hosts = np.unique(group[(group >= 0) & (group < len(table))])
    own = group.copy()
    own[hosts] = np.where(group[hosts] >= 0, group[hosts], hosts)
    size = np.bincount(own[own >= 0], minlength=1)
    return np.where(
        (own >= 0) & (size[np.maximum(own, 0)] > 1) & (size[np.maximum(own, 0)] <= LARGEST_GROUP), own, UNKNOWN
    )


def _only(signals: tuple[Signal, ...], kind: type[Kind]) -> Kind:
    return next(signal for signal in signals if isinstance(signal, kind))

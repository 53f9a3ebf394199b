"""The next round for this player: which open test, which pairs, and one check pair in twenty."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from uuid import UUID

import numpy as np

from game.confirmation import Probe
from game.segments import PlayerFacts
from game.style_test import StyleTest
from ranking.pairing import AllPairsPlayed, Planner

# One in twenty is a gold pair: worth 0.5-0.8 nat about the player each, where a repeated pair is worth 0.02.
GOLD_SHARE = 0.05
MAX_ROUND = 20

LEAST_APPETITE = 0.1
APPETITE_SLACK = 1.5

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Table:
    """An open test as dealing sees it; `urgency` is how much more it wants votes than others.

    `planners` keep their own state: one for each segment of the audience, or one for all. `appetites`: the part of each
    segment's players that is dealt now (all, where nothing is said). `probe`: the confirmation of its winner, if the
    test has come so far.
    """

    test: StyleTest
    planners: tuple[Planner, ...]
    urgency: float = 1.0
    snapshot: int = 0
    appetites: tuple[float, ...] = ()
    probe: Probe | None = None

    def planner(self, segment: int) -> Planner:
        """The planner of a segment."""
        return self.planners[segment] if segment < len(self.planners) else self.planners[0]

    def wants(self, player_id: UUID, segment: int) -> bool:
        """Whether this player is among those of his segment that are dealt now.

        By his number and the test's, not by dice: asking again does not help, and who plays goes on playing while the
        appetite lasts.
        """
        if segment >= len(self.appetites) or self.appetites[segment] >= 1.0:
            return True
        digest = blake2s(player_id.bytes + self.test.test_id.bytes, digest_size=4).digest()
        return int.from_bytes(digest, "big") < self.appetites[segment] * 2**32


@dataclass(frozen=True, slots=True)
class Seat:
    """A player as dealing sees one: facts, the merchants that he must not judge, and the pairs that he has met.

    `probed`: those of the pairs, by test, that belonged to the confirmation of a winner.
    """

    player_id: UUID
    facts: PlayerFacts
    barred_merchants: frozenset[UUID] = frozenset()
    met: Mapping[UUID, Collection[Pair]] = field(default_factory=dict)
    probed: Mapping[UUID, Collection[Pair]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dealt:
    """A pair chosen for a player: positions in the test as shown, and how it was chosen."""

    test: StyleTest
    left: int
    right: int
    segment: int
    explored: bool
    probability: float
    gold: bool
    snapshot: int
    probe: bool = False


def appetites(worth: Sequence[float], votes: Sequence[float], *, least_votes: float) -> tuple[float, ...]:
    """The part of each segment's players that a test with quotas is to be dealt to, between `LEAST_APPETITE` and 1.

    `worth`: what the next vote of a segment brings the decision; `votes`: what it has given. Who has given less than
    `least_votes` is always dealt, so that every segment is seen; of the others those whose votes bring less than two
    thirds of the best one's wait for them, since a vote costs the merchant the same whoever gives it. None falls silent.
    """
    most = max(worth, default=0.0)
    if most <= 0.0:
        return (1.0,) * len(worth)
    return tuple(
        1.0 if given < least_votes else min(1.0, max(LEAST_APPETITE, APPETITE_SLACK * value / most))
        for value, given in zip(worth, votes, strict=True)
    )


def eligible(tables: Sequence[Table], seat: Seat) -> list[tuple[Table, int]]:
    """The tests that are for this player, each with the index of the player's segment in its audience."""
    found = []
    for table in tables:
        segment = table.test.audience.match(seat.facts)
        if segment is None or table.test.merchant_id in seat.barred_merchants:
            continue
        if table.wants(seat.player_id, segment):
            found.append((table, segment))
    return found


def deal(tables: Sequence[Table], seat: Seat, *, size: int, rng: np.random.Generator) -> list[Dealt]:
    """Up to `size` pairs for this player; fewer when he has met all there is, none when nothing is open for him.

    A round stays with one test as long as that has pairs which the player has not met, because a round has one theme;
    which test is drawn with chances in proportion to urgency. No pair is dealt twice to a player in either order.
    """
    dealt: list[Dealt] = []
    open_tables = eligible(tables, seat)
    while open_tables and len(dealt) < size:
        chances = np.array([max(table.urgency, 1e-6) for table, _ in open_tables])
        chosen = int(rng.choice(len(open_tables), p=chances / chances.sum()))
        table, segment = open_tables.pop(chosen)
        dealt += _from_table(table, segment, seat, size - len(dealt), rng)
    return dealt


def _from_table(table: Table, segment: int, seat: Seat, size: int, rng: np.random.Generator) -> list[Dealt]:
    met = {_ordered(pair) for pair in seat.met.get(table.test.test_id, ())}
    probed = {_ordered(pair) for pair in seat.probed.get(table.test.test_id, ())}
    shown: Counter[int] = Counter()
    n_ranked = len(table.test.ranked)
    dealt: list[Dealt] = []
    while len(dealt) < size:
        checked = table.probe is None and rng.random() < GOLD_SHARE
        gold = _gold_pair(table.test, met, rng) if checked else None
        if gold is not None:
            left, right = gold if rng.random() < 0.5 else gold[::-1]
            dealt.append(Dealt(table.test, left, right, segment, False, 0.0, True, table.snapshot))
            met.add(gold)
            continue
        planner = table.planner(segment)
        if table.probe is not None:
            found = table.probe.next_pair(seat.player_id, met, probed, rng)
            if found is None:
                break
            pair, chance = found
            choice = planner.show(*pair, seat.player_id.hex, probability=chance)
            probed.add(pair)
        else:
            ranked = {pair for pair in met if pair[1] < n_ranked}
            try:
                choice = planner.deal_logged(seat.player_id.hex, ranked, shown)
            except AllPairsPlayed:
                break
        dealt.append(
            Dealt(
                table.test,
                choice.left,
                choice.right,
                segment,
                choice.explored,
                choice.probability,
                False,
                table.snapshot,
                table.probe is not None,
            )
        )
        met.add(_ordered(choice.pair))
        shown.update(choice.pair)
    return dealt


def _ordered(pair: Pair) -> Pair:
    return min(pair), max(pair)


def _gold_pair(test: StyleTest, met: Collection[Pair], rng: np.random.Generator) -> Pair | None:
    """(good, poor) that this player has not met, or None: the test has no decoys, or he has met them all."""
    unmet = [
        (good.position, poor.position)
        for good in test.ranked
        for poor in test.decoys
        if (good.position, poor.position) not in met
    ]
    return unmet[int(rng.integers(len(unmet)))] if unmet else None


def is_gold(test: StyleTest, left: int, right: int) -> bool:
    """Whether a pair of positions is a check pair: one of the two is a decoy."""
    n_ranked = len(test.ranked)
    return (left >= n_ranked) != (right >= n_ranked)


def passed(test: StyleTest, left: int, choice_is_left: bool) -> bool:
    """Whether a gold pair was answered well: the good picture was preferred to the poor one."""
    good_is_left = left < len(test.ranked)
    return choice_is_left == good_is_left

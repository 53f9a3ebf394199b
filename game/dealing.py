"""The next round for this player: which open test, which pairs, and one check pair in twenty."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from game.segments import PlayerFacts
from game.style_test import StyleTest
from ranking.pairing import AllPairsPlayed, Planner

# One in twenty is a gold pair: worth 0.5-0.8 nat about the player each, where a repeated pair is worth 0.02.
GOLD_SHARE = 0.05
MAX_ROUND = 20

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Table:
    """An open test as dealing sees it. `planner` keeps its own state; `urgency` is how much more it wants votes."""

    test: StyleTest
    planner: Planner
    urgency: float = 1.0
    snapshot: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """A player as dealing sees one: facts, the merchants that he must not judge, and the pairs that he has met."""

    player_id: UUID
    facts: PlayerFacts
    barred_merchants: frozenset[UUID] = frozenset()
    met: Mapping[UUID, Collection[Pair]] = field(default_factory=dict)


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


def eligible(tables: Sequence[Table], seat: Seat) -> list[tuple[Table, int]]:
    """The tests that are for this player, each with the index of the player's segment in its audience."""
    found = []
    for table in tables:
        segment = table.test.audience.match(seat.facts)
        if segment is not None and table.test.merchant_id not in seat.barred_merchants:
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
    met = {(min(pair), max(pair)) for pair in seat.met.get(table.test.test_id, ())}
    shown: Counter[int] = Counter()
    n_ranked = len(table.test.ranked)
    dealt: list[Dealt] = []
    while len(dealt) < size:
        gold = _gold_pair(table.test, met, rng) if rng.random() < GOLD_SHARE else None
        if gold is not None:
            left, right = gold if rng.random() < 0.5 else gold[::-1]
            dealt.append(Dealt(table.test, left, right, segment, False, 0.0, True, table.snapshot))
            met.add(gold)
            continue
        try:
            choice = table.planner.deal_logged(seat.player_id.hex, {pair for pair in met if pair[1] < n_ranked}, shown)
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
            )
        )
        met.add((min(choice.pair), max(choice.pair)))
        shown.update(choice.pair)
    return dealt


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

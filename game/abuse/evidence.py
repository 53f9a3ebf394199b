"""Evidence is a table of arrays about many players at once: who chose what, where it stood, when, and from where.

Nothing here judges. A signal (one file each beside this one) keeps running sums over such tables, and says for every
*way* of voting unfairly how many nats its evidence is worth for it or against it, compared with an honest player.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from game.abuse.errors import EvidenceInvalid
from ranking.voter_kinds import numbered, totals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNKNOWN: Final = -1
NEITHER: Final = -1.0

# The ways of voting unfairly, in the order of the columns of every table of log ratios. "Honest" is what each is
# compared with and has no column of its own.
WAYS: Final = (
    "random",  # answers without regard to the pictures
    "one_sided",  # always the same side
    "patterned",  # alternating, or another pattern of sides that repeats itself
    "contrary",  # always what the others do not choose
    "pushing",  # always for one party
    "demoting",  # always against one party
    "farmed",  # many telephones repeat one sequence of taps
    "multiplied",  # many accounts in one hand
    "mechanical",  # a pace or a rhythm that hands and eyes do not have
)
WAY: Final = {name: column for column, name in enumerate(WAYS)}


@dataclass(frozen=True, slots=True)
class VoteTable:
    """Votes of many players, sorted by player and, within one, in the order in which they were given.

    Every array has one entry a vote; unknown is -1 for integers and NaN for floats. `choice` is 1 for left, 0 for
    right, 0.5 for a tie and -1 for "neither". `gold` is the answer that is known to be right (1 left, 0 right).
    `party_left` and `party_right` say whose interest a side is: its merchant, or the style itself where all styles of
    a test belong to one merchant. `expected` is (n_votes, n_tastes): the probability that left is chosen over right
    under each taste that an honest player of this segment may have (first the segment's own, then everybody's, then
    others that were found), side effect aside, predicted *without this player's vote*; NaN where nothing is known of
    the pair yet. `lean` is the same under the player's own taste, as far as it is known.
    """

    player: Ints
    left: Ints
    right: Ints
    choice: Floats
    took_ms: Floats
    at: Floats
    session: Ints
    gold: Ints
    party_left: Ints
    party_right: Ints
    device: Ints
    address: Ints
    expected: Floats
    lean: Floats

    @classmethod
    def of(
        cls,
        player: Any,
        left: Any,
        right: Any,
        choice: Any,
        *,
        took_ms: Any = None,
        at: Any = None,
        session: Any = None,
        gold: Any = None,
        party_left: Any = None,
        party_right: Any = None,
        device: Any = None,
        address: Any = None,
        expected: Any = None,
    ) -> Self:
        """Check the columns, fill in what is unknown, and sort by player (then by `at`, where it is given; else as
        they came).

        `at` is in seconds since any fixed moment. Raises EvidenceInvalid with the offending row.
        """
        players = np.asarray(player, dtype=np.int64)
        n = players.size

        def whole(values: Any, name: str, otherwise: Ints | int = UNKNOWN) -> Ints:
            if values is None:
                return np.broadcast_to(np.asarray(otherwise, dtype=np.int64), (n,))
            return _column(np.asarray(values, dtype=np.int64), name, n)

        def real(values: Any, name: str) -> Floats:
            if values is None:
                return np.full(n, np.nan)
            return _column(np.asarray(values, dtype=np.float64), name, n)

        lefts, rights, choices = whole(left, "left"), whole(right, "right"), real(choice, "choice")
        for wrong, problem in (
            ((players < 0), "the player must be a number from 0"),
            ((lefts < 0) | (rights < 0), "styles must be numbers from 0"),
            (lefts == rights, "a style is compared with itself"),
            (
                ~((choices == NEITHER) | (choices == 0) | (choices == 0.5) | (choices == 1)),
                "the choice must be 1, 0, 0.5 or -1",
            ),
        ):
            if wrong.any():
                raise EvidenceInvalid(row=int(np.flatnonzero(wrong)[0]), problem=problem)
        ats = real(at, "at")
        chance = np.full((n, 1), np.nan) if expected is None else np.asarray(expected, dtype=np.float64)
        if chance.ndim != 2 or chance.shape[0] != n:
            raise EvidenceInvalid(row=0, problem=f"expected must be a table of {n} rows")
        table = cls(
            player=players,
            left=lefts,
            right=rights,
            choice=choices,
            took_ms=np.where(real(took_ms, "took_ms") > 0, real(took_ms, "took_ms"), np.nan),
            at=ats,
            session=whole(session, "session"),
            gold=whole(gold, "gold"),
            party_left=whole(party_left, "party_left", lefts),
            party_right=whole(party_right, "party_right", rights),
            device=whole(device, "device"),
            address=whole(address, "address"),
            expected=chance,
            lean=chance[:, 0].copy(),
        )
        order = np.argsort(players, kind="stable") if np.isnan(ats).any() else np.lexsort((ats, players))
        return table.take(order)

    def __len__(self) -> int:
        return int(self.player.size)

    def take(self, rows: Any) -> Self:
        """The same table with these rows only, in this order (they must stay sorted by player)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__slots__})

    @property
    def decided(self) -> Bools:
        """Where one of the two was chosen: neither a tie nor "neither"."""
        return np.asarray((self.choice == 1) | (self.choice == 0))


def _column(values: NDArray[Any], name: str, n: int) -> NDArray[Any]:
    if values.shape != (n,):
        raise EvidenceInvalid(row=0, problem=f"{name} must have {n} entries, not the shape {values.shape}")
    return values


@dataclass(frozen=True, slots=True)
class PlayerTable:
    """What is known of each player beside the votes: one entry a player, -1 where unknown.

    `payee` is the address that prizes go to, `phone` the number on it, `inviter` the player who invited this one,
    `segment` the declared audience.
    """

    segment: Ints
    payee: Ints
    inviter: Ints
    phone: Ints

    @classmethod
    def of(
        cls, n_players: int, *, segment: Any = None, payee: Any = None, inviter: Any = None, phone: Any = None
    ) -> Self:
        def whole(values: Any, name: str) -> Ints:
            if values is None:
                return np.full(n_players, UNKNOWN, dtype=np.int64)
            return _column(np.asarray(values, dtype=np.int64), name, n_players)

        return cls(
            segment=whole(segment, "segment"),
            payee=whole(payee, "payee"),
            inviter=whole(inviter, "inviter"),
            phone=whole(phone, "phone"),
        )

    def __len__(self) -> int:
        return int(self.segment.size)


class Rows:
    """Numbers any 64-bit keys 0, 1, 2 … as they appear (those of one batch in the order of the keys), many at once.

    A dict would do the same one key at a time. This is an open-addressing table with linear probing, grown by
    doubling, so that a batch costs in proportion to the batch and not to all that was seen before (a sorted array
    would have to be copied).
    """

    __slots__ = ("_keys", "_slots", "size")

    def __init__(self) -> None:
        self._slots: Ints = np.full(1024, UNKNOWN, dtype=np.int64)
        self._keys: Ints = np.empty(512, dtype=np.int64)
        self.size = 0

    @property
    def keys(self) -> Ints:
        return self._keys[: self.size]

    def of(self, keys: Ints, *, create: bool = True) -> Ints:
        """The row of every key; an unseen key gets the next free row, or -1 if `create` is False."""
        if keys.size == 0:
            return np.empty(0, dtype=np.int64)
        distinct, back = np.unique(keys, return_inverse=True)
        rows = self._find(distinct)
        unseen = rows < 0
        if create and unseen.any():
            fresh = distinct[unseen]
            rows[unseen] = np.arange(self.size, self.size + fresh.size)
            self._append(fresh)
        return rows[back]

    def _home(self, keys: Ints) -> Ints:
        # Fibonacci hashing: keys here are products of small numbers, whose low bits alone would collide in long runs.
        mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        return (mixed & np.uint64(self._slots.size - 1)).astype(np.int64)

    def _find(self, keys: Ints) -> Ints:
        rows = np.full(keys.size, UNKNOWN, dtype=np.int64)
        open_ = np.arange(keys.size)
        slot = self._home(keys)
        while open_.size:
            found = self._slots[slot]
            same = (found >= 0) & (self._keys[np.maximum(found, 0)] == keys[open_])
            rows[open_[same]] = found[same]
            on = (found >= 0) & ~same
            open_, slot = open_[on], (slot[on] + 1) & (self._slots.size - 1)
        return rows

    def _append(self, keys: Ints) -> None:
        size = self.size + keys.size
        if size > self._keys.size:
            self._keys = np.concatenate([self.keys, keys, np.empty(size, dtype=np.int64)])
        else:
            self._keys[self.size : size] = keys
        first, self.size = self.size, size
        if 2 * size > self._slots.size:
            self._slots = np.full(1 << int(np.ceil(np.log2(4 * size))), UNKNOWN, dtype=np.int64)
            first = 0
        self._place(np.arange(first, size))

    def _place(self, rows: Ints) -> None:
        slot = self._home(self._keys[rows])
        while rows.size:
            free = self._slots[slot] < 0
            self._slots[slot[free]] = rows[free]
            # Two rows may have raced for one free slot; who is not in it afterwards goes on to the next.
            on = self._slots[slot] != rows
            rows, slot = rows[on], (slot[on] + 1) & (self._slots.size - 1)


class Sums:
    """Running sums in rows that appear as they are needed: `sums.add(rows, columns)` and `sums[rows]`."""

    __slots__ = ("_data", "width")

    def __init__(self, width: int, *, fill: float = 0.0) -> None:
        self.width = width
        self._data: Floats = np.full((256, width), fill)

    def reach(self, n: int) -> Floats:
        """The table with at least n rows, to read or to write into."""
        if n > self._data.shape[0]:
            grown = np.zeros((max(n, 2 * self._data.shape[0]), self.width))
            grown[: self._data.shape[0]] = self._data
            self._data = grown
        return self._data

    def add(self, rows: Ints, values: Floats) -> None:
        """Add values (len(rows), width) to their rows, of which the same may occur often; costs in proportion to
        len(rows).
        """
        if rows.size == 0:
            return
        distinct, back = numbered(rows, int(rows.max()) + 1, spare=0)
        data = self.reach(int(distinct[-1]) + 1)
        for column in range(self.width):
            data[distinct, column] += totals(back, values[:, column], distinct.size)

    def __getitem__(self, rows: Ints) -> Floats:
        if rows.size == 0:
            return np.zeros((0, self.width))
        return self.reach(int(rows.max()) + 1)[rows]


def log_sum(logs: Floats) -> Floats:
    """log Σ exp over the second axis; scipy's logsumexp does the same for any axis at three times the cost."""
    top = logs.max(axis=1)
    return np.asarray(top + np.log(np.exp(logs - top[:, None]).sum(axis=1)))

"""Who was preferred to whom, by which voter, shown where: one table of arrays, and its running counts.

A fit needs two things of the votes. How often each pair was shown each way round and what was chosen is all that the
likelihood sees: a table of segments x items x items x outcomes, whatever the number of votes. Which votes came from the
same voter is what honest intervals need: the votes of a bounded sample of whole voters, chosen by a hash of the voter's
number, so that neither the order of the votes nor the way in which they arrived can change an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isqrt
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.errors import (
    BadOption,
    BadWeight,
    ConflictingVotes,
    ItemAgainstItself,
    NotAWholeNumber,
    NoVotes,
    OneItemOnly,
    TooManyItems,
    TooManySegments,
    UnevenArrays,
    UnknownChoice,
    UnknownItem,
)

Ints = NDArray[Any]
Floats = NDArray[np.float64]

NEITHER: Final = -1.0
"""The value of `choice` that says: this voter likes none of the two. It is counted, and it is no tie."""

# Outcomes in the last axis of a table. Right, tie and left are in the order of the left side's half points.
RIGHT, TIE, LEFT, NO_LIKING = 0, 1, 2, 3

MAX_CELLS: Final = 8_000_000
"""Segments x items x items that one table may hold (256 MB of counts)."""

CLUSTER_VOTERS: Final = 20_000
"""Whole voters whose votes are kept for the voter-clustered design effect (its error is then about 1 %)."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """The votes of whole voters, for the voter-clustered sandwich; `neither` is not among them.

    `left`, `right`, `outcome`, `segment`, `row` and `weight` have one entry per vote; `row` numbers the voters of the
    sample 0 … n_rows - 1, out of n_voters voters in all.
    """

    left: Ints
    right: Ints
    outcome: Ints
    segment: Ints
    row: Ints
    weight: Floats
    n_rows: int
    n_voters: int

    def of_segment(self, segment: int) -> Clusters:
        """The votes of one segment, its voters numbered anew."""
        here = self.segment == segment
        rows, row = np.unique(self.row[here], return_inverse=True)
        n_rows = len(rows)
        # The sample is a share of all voters; the same share is assumed in each segment.
        share = self.n_rows / self.n_voters if self.n_voters else 1.0
        return Clusters(
            left=self.left[here],
            right=self.right[here],
            outcome=self.outcome[here],
            segment=self.segment[here],
            row=row,
            weight=self.weight[here],
            n_rows=n_rows,
            n_voters=round(n_rows / share) if n_rows else 0,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """All that a fit needs of the votes.

    `table` (segments, items, items, 4): weights of the votes in which [s, i, j] was shown with i left and j right, by
    outcome (right, tie, left, neither). `clusters` is None where the votes name no voters.
    """

    table: Floats
    clusters: Clusters | None
    n_votes: int
    n_voters: int
    votes_by_segment: Ints
    duplicates_removed: int = 0

    @property
    def n_items(self) -> int:
        return int(self.table.shape[1])

    @property
    def n_segments(self) -> int:
        return int(self.table.shape[0])

    def of_segment(self, segment: int) -> Counts:
        """The counts of one segment alone; its voters are those with an answer in it."""
        clusters = None if self.clusters is None else self.clusters.of_segment(segment)
        return Counts(
            table=self.table[segment : segment + 1],
            clusters=clusters,
            n_votes=int(self.votes_by_segment[segment]),
            n_voters=0 if clusters is None else clusters.n_voters,
            votes_by_segment=self.votes_by_segment[segment : segment + 1],
        )


@dataclass(frozen=True)
class Comparisons:
    """Votes as integer arrays, checked: one row per vote.

    `left`, `right` (m,) item numbers; `outcome` (m,) 0 right, 1 tie, 2 left, 3 neither; `voter` (m,) any whole
    numbers or None; `segment` (m,) 0 … n_segments - 1 or None; `weight` (m,) finite, zero or more, or None for ones.
    """

    left: Ints
    right: Ints
    outcome: Ints
    voter: Ints | None
    segment: Ints | None
    weight: Floats | None
    n_items: int
    n_segments: int = 1
    duplicates_removed: int = 0

    @classmethod
    def from_arrays(
        cls,
        left: ArrayLike,
        right: ArrayLike,
        choice: ArrayLike,
        *,
        voter: ArrayLike | None = None,
        segment: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        n_items: int | None = None,
        n_segments: int | None = None,
        vote: ArrayLike | None = None,
    ) -> Comparisons:
        """Votes from plain arrays, each of shape (m,).

        left, right: item numbers, whole, from 0. choice: 1 left, 0 right, 0.5 tie, -1 neither. voter: whole numbers in
        no special order. segment: whole numbers from 0. weight: finite, zero or more. vote: ids of the votes; a vote
        that is there twice is counted once. Raises a RankingError that names the first offending row (from 0).
        """
        a_left, a_right = _whole(left, "left"), _whole(right, "right")
        m = len(a_left)
        _same_length(a_right, "right", m)
        outcome = _outcomes(choice, m)
        a_weight = None if weight is None else _weights(weight, m)
        a_voter = None if voter is None else _whole(voter, "voter", expected=m)
        a_segment = None if segment is None else _whole(segment, "segment", expected=m)
        if m == 0:
            raise NoVotes(reason="the arrays are empty")
        duplicates = 0
        if vote is not None:
            ids = np.asarray(vote)
            _same_length(ids, "vote", m)
            kept = _once(ids, a_left, a_right, outcome, a_voter)
            duplicates = m - len(kept)
            if duplicates:
                a_left, a_right, outcome = a_left[kept], a_right[kept], outcome[kept]
                a_weight = None if a_weight is None else a_weight[kept]
                a_voter = None if a_voter is None else a_voter[kept]
                a_segment = None if a_segment is None else a_segment[kept]
        n = max(int(a_left.max()), int(a_right.max())) + 1 if n_items is None else _positive(n_items, "n_items")
        s = 1
        if n_segments is not None:
            s = _positive(n_segments, "n_segments")
        elif a_segment is not None:
            s = int(a_segment.max()) + 1
        _within(a_left, "left", n)
        _within(a_right, "right", n)
        if a_segment is not None:
            _within(a_segment, "segment", s)
        if n < 2:
            raise OneItemOnly(item=0)
        same = a_left == a_right
        if same.any():
            row = int(np.argmax(same))
            raise ItemAgainstItself(row=row, item=int(a_left[row]))
        return cls(a_left, a_right, outcome, a_voter, a_segment, a_weight, n, s, duplicates)

    def __len__(self) -> int:
        return len(self.left)

    @cached_property
    def table(self) -> Floats:
        """(segments, items, items, 4): the weight of each outcome of each pair as it was shown; see `Counts`.

        Raises TooManyItems or TooManySegments where that would not fit into memory.
        """
        _fits(self.n_items, self.n_segments)
        return _table(self.left, self.right, self.outcome, self.segment, self.weight, self.n_items, self.n_segments)

    def counts(self, clusters: int | None = CLUSTER_VOTERS) -> Counts:
        """All that a fit needs.

        `clusters`: how many whole voters to keep for the design effect, None for all, 0 for none.
        """
        kept: Clusters | None = None
        n_voters = 0
        if self.voter is not None and clusters == 0:
            n_voters = len(_dense(self.voter)[1])
        elif self.voter is not None:
            codes, ids = _dense(self.voter)
            n_voters = len(ids)
            kept = _clusters(
                self.left, self.right, self.outcome, self.segment, self.weight,
                codes, _scatter(ids), n_voters, clusters,
            )  # fmt: skip
        return Counts(
            table=self.table,
            clusters=kept,
            n_votes=len(self),
            n_voters=n_voters,
            votes_by_segment=_by_segment(self.segment, len(self), self.n_segments),
            duplicates_removed=self.duplicates_removed,
        )

    def subset(self, rows: ArrayLike) -> Comparisons:
        """Only these rows, by number or by mask; items and segments keep their numbers."""
        picked = np.asarray(rows)
        return Comparisons(
            left=self.left[picked],
            right=self.right[picked],
            outcome=self.outcome[picked],
            voter=None if self.voter is None else self.voter[picked],
            segment=None if self.segment is None else self.segment[picked],
            weight=None if self.weight is None else self.weight[picked],
            n_items=self.n_items,
            n_segments=self.n_segments,
        )

    def of_segment(self, segment: int) -> Comparisons:
        """The votes of one segment alone."""
        if self.segment is None:
            return self
        return replace(self.subset(self.segment == segment), segment=None, n_segments=1)

    def weighted(self, weight: ArrayLike) -> Comparisons:
        """The same votes with these weights (m,)."""
        return Comparisons(
            left=self.left,
            right=self.right,
            outcome=self.outcome,
            voter=self.voter,
            segment=self.segment,
            weight=_weights(weight, len(self)),
            n_items=self.n_items,
            n_segments=self.n_segments,
            duplicates_removed=self.duplicates_removed,
        )

    def with_duplicates(self, removed: int) -> Comparisons:
        """The same votes, with the number of those that whoever read them left out as duplicates."""
        return replace(self, duplicates_removed=self.duplicates_removed + removed)

    @property
    def choice(self) -> Floats:
        """(m,) 1 left, 0 right, 0.5 tie, -1 neither: as it was given."""
        return np.array([0.0, 0.5, 1.0, NEITHER])[self.outcome]


class RunningCounts:
    """Counts that grow vote by vote, for a service that refits all the time.

    A fit from it costs the same however many votes are in it, and gives the numbers that a batch of the same votes
    gives. Every vote is kept as well (some 30 bytes), so that a voter's weight can be changed afterwards.
    """

    def __init__(self, n_items: int, n_segments: int = 1, clusters: int = CLUSTER_VOTERS) -> None:
        _fits(_positive(n_items, "n_items"), _positive(n_segments, "n_segments"))
        if n_items < 2:
            raise OneItemOnly(item=0)
        self.n_items = n_items
        self.n_segments = n_segments
        self._limit = _positive(clusters, "clusters")
        self._table = np.zeros((n_segments, n_items, n_items, 4))
        self._by_segment = np.zeros(n_segments, np.int64)
        columns = {"left": np.int32, "right": np.int32, "outcome": np.int8, "segment": np.int32,
                   "voter": np.int64, "weight": np.float64}  # fmt: skip
        self._votes = _Grower(columns)
        self._sample = _Grower(columns)
        self._voters = _Grower({"hash": np.uint64, "weight": np.float64})
        self._row_of: dict[int, int] = {}
        self._excused = np.empty(0, np.int64)
        self._factor = np.empty(0)
        self._threshold = np.uint64(np.iinfo(np.uint64).max)
        self._cut_at = self._limit + self._limit // 4 + 1
        self._named = True

    def __len__(self) -> int:
        return self._votes.size

    def add(
        self,
        left: ArrayLike,
        right: ArrayLike,
        choice: ArrayLike,
        voter: ArrayLike | None = None,
        segment: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> None:
        """Adds votes, as arrays of shape (m,); meanings and errors as in `Comparisons.from_arrays`.

        Either all votes name their voter or none does. An added vote of a voter whose weight was changed takes that
        weight too.
        """
        if np.size(left) == 0:
            return
        votes = Comparisons.from_arrays(
            left, right, choice, voter=voter, segment=segment, weight=weight,
            n_items=self.n_items, n_segments=self.n_segments,
        )  # fmt: skip
        if len(self) and (voter is not None) != self._named:
            raise BadOption(option="voter", value=None if voter is None else "given", allowed="the same for all votes")
        self._named = votes.voter is not None
        m = len(votes)
        segments = np.zeros(m, np.int32) if votes.segment is None else votes.segment
        own = np.ones(m) if votes.weight is None else votes.weight
        effective, rows = own, np.zeros(m, np.int64)
        if votes.voter is not None:
            rows = self._rows(votes.voter)
            effective = own * self._voters["weight"][rows] * self._excuses(rows, votes.left, votes.right)
        columns = {"left": votes.left, "right": votes.right, "outcome": votes.outcome, "segment": segments,
                   "voter": rows, "weight": own}  # fmt: skip
        self._votes.add(columns)
        self._by_segment += np.bincount(segments, minlength=self.n_segments)
        self._count(columns, effective)
        if self._named:
            kept = self._voters["hash"][rows] <= self._threshold
            self._sample.add({name: column[kept] for name, column in columns.items()})
            self._cut()

    def reweight(self, voter: ArrayLike, weight: ArrayLike) -> None:
        """Multiplies all votes of these voters, also later ones, by these weights (in place of those set before)."""
        voters = _whole(np.atleast_1d(np.asarray(voter)), "voter")
        self._voters["weight"][self._rows(voters)] = _weights(np.atleast_1d(np.asarray(weight)), len(voters))
        self._count_anew()

    def excuse(self, voter: ArrayLike, item: ArrayLike, factor: ArrayLike) -> None:
        """Multiplies the votes of each of these voters on the item beside him, also later ones, by the factor.

        Arrays of equal length. Takes the place of all excuses before: who is not named here is not excused any more.
        """
        items = _whole(np.atleast_1d(np.asarray(item)), "item")
        factors = _weights(np.atleast_1d(np.asarray(factor)), len(items))
        rows = self._rows(_whole(np.atleast_1d(np.asarray(voter)), "voter")) if len(items) else np.empty(0, np.int64)
        keys = rows * self.n_items + items
        order = np.argsort(keys, kind="stable")
        self._excused, self._factor = keys[order], factors[order]
        self._count_anew()

    def table_in_full(self) -> Floats:
        """(segments, items, items, 4): what would be counted if nobody were excused, and every voter who has any weight
        had all of it.
        """
        v = self._votes
        weight = v["weight"] * (self._voters["weight"][v["voter"]] > 0) if self._named else v["weight"]
        return _table(v["left"], v["right"], v["outcome"], v["segment"], weight, self.n_items, self.n_segments)

    def _excuses(self, rows: Ints, left: Ints, right: Ints) -> Floats:
        """(m,): by what the votes count that these voters gave on these items."""
        found = np.ones(len(rows))
        if self._excused.size:
            for item in (left, right):
                key = rows * self.n_items + item
                place = np.minimum(np.searchsorted(self._excused, key), self._excused.size - 1)
                found *= np.where(self._excused[place] == key, self._factor[place], 1.0)
        return found

    def _count_anew(self) -> None:
        # Rather than corrected: a sum that is corrected ten thousand times is no longer the batch's sum.
        self._table[:] = 0.0
        v = self._votes
        excuses = self._excuses(v["voter"], v["left"], v["right"])
        self._count(v, v["weight"] * self._voters["weight"][v["voter"]] * excuses)

    def counts(self, clusters: int | None = None) -> Counts:
        """All that a fit needs; `clusters` may be lower than at construction (0 for none), but not higher."""
        limit = self._limit if clusters is None else clusters
        if limit > self._limit:
            raise BadOption(option="clusters", value=limit, allowed=f"at most {self._limit}, as at construction")
        if len(self) == 0:
            raise NoVotes(reason="nothing was counted yet")
        kept: Clusters | None = None
        n_voters = len(self._row_of)
        if self._named and limit > 0:
            s = self._sample
            weight = s["weight"] * self._voters["weight"][s["voter"]]
            weight = weight * self._excuses(s["voter"], s["left"], s["right"])
            kept = _clusters(
                s["left"], s["right"], s["outcome"], s["segment"], weight,
                s["voter"], self._voters["hash"], n_voters, limit,
            )  # fmt: skip
        return Counts(
            table=self._table.copy(),
            clusters=kept,
            n_votes=len(self),
            n_voters=n_voters,
            votes_by_segment=self._by_segment.copy(),
        )

    def _count(self, votes: _Grower | dict[str, Ints], weight: Floats) -> None:
        left, right, outcome, segment = votes["left"], votes["right"], votes["outcome"], votes["segment"]
        if len(left) * 8 < self._table.size:
            np.add.at(self._table, (segment, left, right, outcome), weight)
        else:
            self._table += _table(left, right, outcome, segment, weight, self.n_items, self.n_segments)

    def _rows(self, voter: Ints) -> Ints:
        names, inverse = np.unique(voter, return_inverse=True)
        fresh = np.array([name for name in names.tolist() if name not in self._row_of], np.int64)
        for row, name in enumerate(fresh.tolist(), start=len(self._row_of)):
            self._row_of[name] = row
        self._voters.add({"hash": _scatter(fresh), "weight": np.ones(len(fresh))})
        return np.array([self._row_of[name] for name in names.tolist()], np.int64)[inverse]

    def _cut(self) -> None:
        # Only whenever a quarter more voters have come, so that one vote more costs nothing; `_clusters` cuts exactly.
        if self._voters.size < self._cut_at:
            return
        self._cut_at = self._voters.size + self._limit // 4 + 1
        self._threshold = np.partition(self._voters["hash"], self._limit - 1)[self._limit - 1]
        self._sample.keep(self._voters["hash"][self._sample["voter"]] <= self._threshold)


class _Grower:
    """Columns that grow by doubling."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.size = 0
        self._data = {name: np.empty(64, dtype) for name, dtype in columns.items()}

    def add(self, rows: dict[str, Ints]) -> None:
        m = len(next(iter(rows.values())))
        for name, old in self._data.items():
            if self.size + m > len(old):
                grown = np.empty(max(2 * len(old), self.size + m), old.dtype)
                grown[: self.size] = old[: self.size]
                self._data[name] = grown
            self._data[name][self.size : self.size + m] = rows[name]
        self.size += m

    def keep(self, mask: NDArray[np.bool_]) -> None:
        for name, old in self._data.items():
            self._data[name] = old[: self.size][mask]
        self.size = int(mask.sum())

    def __getitem__(self, name: str) -> Ints:
        return self._data[name][: self.size]


def _table(
    left: Ints, right: Ints, outcome: Ints, segment: Ints | None, weight: Floats | None, n: int, s: int
) -> Floats:
    # One bincount over (segment, left, right, outcome): a vote costs two nanoseconds, whatever its weight.
    key = left.astype(np.int32) if left.dtype.itemsize < 4 else left
    if segment is not None and s > 1:
        key = segment * n + key
    key = (key * n + right) * 4 + outcome
    cells = np.bincount(key, weights=weight, minlength=s * n * n * 4)
    return cells.astype(np.float64, copy=False).reshape(s, n, n, 4)


def _by_segment(segment: Ints | None, m: int, n_segments: int) -> Ints:
    return np.array([m]) if segment is None else np.bincount(segment, minlength=n_segments)


def _clusters(
    left: Ints, right: Ints, outcome: Ints, segment: Ints | None, weight: Floats | None,
    codes: Ints, hashes: NDArray[np.uint64], n_voters: int, limit: int | None,
) -> Clusters:  # fmt: skip
    """The votes of at most `limit` voters: those with the smallest hashes.

    `codes` (m,) numbers each vote's voter, `hashes` are those of the voters by number, of whom there are `n_voters` in
    all (those that are not in `hashes` have larger ones).
    """
    sampled = n_voters
    kept = outcome != NO_LIKING
    if weight is not None:
        kept &= weight > 0.0
    if limit is not None and n_voters > limit:
        sampled = limit
        kept &= (hashes <= np.partition(hashes, limit - 1)[limit - 1])[codes]
    if not kept.all():
        left, right, outcome, codes = left[kept], right[kept], outcome[kept], codes[kept]
        segment = None if segment is None else segment[kept]
        weight = None if weight is None else weight[kept]
    seen = np.zeros(len(hashes), bool)
    seen[codes] = True
    n_rows = int(seen.sum())
    return Clusters(
        left=left,
        right=right,
        outcome=outcome,
        segment=np.zeros(len(left), np.int8) if segment is None else segment,
        row=codes if n_rows == len(hashes) else (np.cumsum(seen) - 1)[codes],
        weight=np.ones(len(left)) if weight is None else weight,
        n_rows=n_rows,
        n_voters=round(n_voters * n_rows / sampled),
    )


def _scatter(ids: Ints) -> NDArray[np.uint64]:
    """splitmix64 of each id: as good as drawing the voters by lot, and the same in any order (Steele et al. 2014)."""
    x = ids.astype(np.uint64)
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _dense(voter: Ints) -> tuple[Ints, Ints]:
    """The voters numbered 0, 1, 2 … and their names in that order."""
    low, high = int(voter.min()), int(voter.max())
    if low >= 0 and high < 4 * len(voter) + 1000:
        # Numbers without large gaps need no sort, which would cost more than the whole fit.
        present = np.zeros(high + 1, bool)
        present[voter] = True
        ids = np.flatnonzero(present)
        if len(ids) == high + 1:
            return voter, ids
        return (np.cumsum(present) - 1)[voter], ids
    ids, codes = np.unique(voter, return_inverse=True)
    return codes, ids


def _whole(values: ArrayLike, field: str, expected: int | None = None) -> Ints:
    a = np.asarray(values)
    if a.ndim != 1:
        raise BadOption(
            option=field, value=f"an array of {a.ndim} dimensions", allowed="a list with one entry per vote"
        )
    if expected is not None:
        _same_length(a, field, expected)
    if a.size == 0:
        return np.zeros(0, np.int64)
    if a.dtype.kind == "u":
        if a.dtype.itemsize == 8 and int(a.max()) > np.iinfo(np.int64).max:
            raise NotAWholeNumber(field=field, row=int(np.argmax(a)), value=int(a.max()))
        return a.astype(np.int64)
    if a.dtype.kind == "i":
        return a
    if a.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            good = np.isfinite(a) & (a == np.floor(a)) & (np.abs(a) < 2.0**53)
        if good.all():
            return a.astype(np.int64)
        row = int(np.argmin(good))
        raise NotAWholeNumber(field=field, row=row, value=a[row].item())
    raise NotAWholeNumber(field=field, row=0, value=a[0])


def _outcomes(choice: ArrayLike, m: int) -> Ints:
    a = np.asarray(choice)
    if a.ndim != 1:
        raise BadOption(
            option="choice", value=f"an array of {a.ndim} dimensions", allowed="a list with one entry per vote"
        )
    _same_length(a, "choice", m)
    if a.dtype.kind not in "fiub":
        if m == 0:
            return np.zeros(0, np.int8)
        raise UnknownChoice(row=0, value=a[0])
    won = a == 1
    known = won | (a == 0)
    outcome: Ints = won.astype(np.int8) * np.int8(LEFT)
    if not known.all():
        tie, none = a == 0.5, a == NEITHER
        bad = ~(known | tie | none)
        if bad.any():
            row = int(np.argmax(bad))
            raise UnknownChoice(row=row, value=a[row].item())
        outcome[tie] = TIE
        outcome[none] = NO_LIKING
    return outcome


def _weights(weight: ArrayLike, m: int) -> Floats:
    try:
        a = np.asarray(weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadOption(option="weight", value=weight, allowed="a list of numbers") from None
    if a.ndim != 1:
        raise BadOption(
            option="weight", value=f"an array of {a.ndim} dimensions", allowed="a list with one entry per vote"
        )
    _same_length(a, "weight", m)
    with np.errstate(invalid="ignore"):
        bad = ~(np.isfinite(a) & (a >= 0.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise BadWeight(row=row, value=a[row].item())
    return a


def _once(ids: Ints, left: Ints, right: Ints, outcome: Ints, voter: Ints | None) -> Ints:
    """Row numbers with each id once; the same id with other contents is refused."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    twin = first[inverse]
    differs = (left != left[twin]) | (right != right[twin]) | (outcome != outcome[twin])
    if voter is not None:
        differs |= voter != voter[twin]
    if differs.any():
        row = int(np.argmax(differs))
        raise ConflictingVotes(first=int(twin[row]), second=row, vote=ids[row].item())
    return np.sort(first)


def _same_length(a: NDArray[Any], field: str, expected: int) -> None:
    if len(a) != expected:
        raise UnevenArrays(field=field, length=len(a), expected=expected)


def _within(a: Ints, field: str, n: int) -> None:
    if int(a.min()) < 0 or int(a.max()) >= n:
        row = int(np.argmax((a < 0) | (a >= n)))
        raise UnknownItem(row=row, field=field, value=int(a[row]), last=n - 1)


def _positive(value: int, option: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise BadOption(option=option, value=value, allowed="a whole number, 1 or more")
    return int(value)


def _fits(n: int, s: int) -> None:
    if n * n * s > MAX_CELLS:
        if s > 1 and n * n <= MAX_CELLS:
            raise TooManySegments(n_segments=s, n_items=n, limit=MAX_CELLS // (n * n))
        raise TooManyItems(n_items=n, limit=isqrt(MAX_CELLS // s))

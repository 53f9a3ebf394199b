"""What a worker has in mind when it reviews: the votes under review as numbers, the tastes of each test, the sweep over all.

Nothing here is the record of anything. A worker that starts reads the votes again and comes to the same opinions. New
votes cost in proportion to their number: they are compared with the tastes that were found before them, and only when all
votes have grown by a quarter are tastes found anew and the sums made again, so that early votes are compared, too.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from scipy.special import expit

from game.abuse.evidence import UNKNOWN, WAYS, Floats, Ints, PlayerTable, VoteTable
from game.abuse.sweep import Sweep
from game.abuse.verdict import Verdicts, bounded
from game.matchup import Choice
from game.standing import NOTABLE, Opinion, opinion_of
from game.style_test import StyleTest
from ranking import reliability
from ranking.comparisons import MAX_CELLS, Comparisons
from ranking.reliability import Reliability
from server.stores.standings import Known, StyleGates, Whereabouts
from server.stores.votes import VoteColumns

TASTES: Final = 4
"""How many tastes are looked for in a test; `expected` has one column for each and one for everybody together."""
ENOUGH_FOR_TASTES: Final = 60
"""Below so many votes a test has no taste that anybody could be compared with."""
GROWTH: Final = 1.25
LARGEST_GROUP: Final = 60
"""More players than this under one link are a café or a carrier, and bounded by themselves only."""
_SECONDS: Final = 1 << 32
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

_COLUMNS = ("player", "left", "right", "choice", "segment", "took_ms", "at", "session", "device", "address")


class Numbers:
    """Gives 0, 1, 2 … to whatever comes, in the order in which it comes first."""

    __slots__ = ("_of", "things")

    def __init__(self) -> None:
        self._of: dict[Hashable, int] = {}
        self.things: list[Any] = []

    def __len__(self) -> int:
        return len(self.things)

    def of(self, thing: Hashable) -> int:
        number = self._of.get(thing)
        if number is None:
            number = self._of[thing] = len(self.things)
            self.things.append(thing)
        return number

    def all_of(self, things: Iterable[Hashable]) -> Ints:
        return np.array([self.of(thing) for thing in things], dtype=np.int64)


@dataclass(slots=True)
class Bench:
    """One test under review: its votes as columns, and the tastes that were found in them."""

    test: StyleTest
    first_style: int
    seen_open_at: datetime
    read_until: int = 0
    parts: list[dict[str, np.ndarray]] = field(default_factory=list)
    n_votes: int = 0
    tastes: Reliability | None = None
    bounded_at: int = 0

    def columns(self) -> dict[str, np.ndarray]:
        """All votes; what came in parts is joined and stays joined."""
        if len(self.parts) > 1:
            self.parts = [{name: np.concatenate([part[name] for part in self.parts]) for name in _COLUMNS}]
        return self.parts[0] if self.parts else {name: np.empty(0) for name in _COLUMNS}

    def gold(self, columns: Mapping[str, np.ndarray]) -> Ints:
        """The answer that is known to be right, 1 left, 0 right, -1 for ordinary pairs."""
        n = len(self.test.ranked)
        left_poor, right_poor = columns["left"] >= n, columns["right"] >= n
        return np.where(left_poor == right_poor, UNKNOWN, np.where(left_poor, 0, 1)).astype(np.int64)

    def find_tastes(self) -> None:
        """Judge all votes of the test by all of them."""
        columns = self.columns()
        n, n_segments = len(self.test.styles), max(1, len(self.test.audience.quotas))
        if self.n_votes < ENOUGH_FOR_TASTES or n * n * n_segments > MAX_CELLS:
            return
        comparisons = Comparisons.from_arrays(
            columns["left"],
            columns["right"],
            columns["choice"],
            voter=columns["player"],
            segment=columns["segment"] if n_segments > 1 else None,
            n_items=n,
            n_segments=n_segments if n_segments > 1 else None,
        )
        took_ms = np.where(columns["took_ms"] > 0, columns["took_ms"], np.nan)
        self.tastes = reliability.judge(comparisons, took_ms=took_ms, gold=self.gold(columns), tastes=TASTES)

    def expected(self, columns: Mapping[str, np.ndarray], *, judged: bool) -> Floats:
        """(votes, TASTES + 1): P(left) under each taste, without the voter's own votes; NaN where nothing is known yet.

        `judged`: these are the very votes in which the tastes were found. Others came later, and are strangers to them.
        """
        width = TASTES + 1
        m = columns["left"].size
        if self.tastes is None:
            return np.full((m, width), np.nan)
        if judged:
            found = self.tastes.expected
        else:
            strength = self.tastes.strength
            segment = columns["segment"] if strength.shape[1] > 1 else np.zeros(m, dtype=np.int64)
            left, right = columns["left"], columns["right"]
            gaps = [strength[0, segment, left] - strength[0, segment, right]]
            everybody = strength[0].mean(axis=0)
            gaps.append(everybody[left] - everybody[right])
            gaps += [taste[segment, left] - taste[segment, right] for taste in strength[1:]]
            found = np.where((self.gold(columns) >= 0)[:, None], np.nan, expit(np.stack(gaps, axis=1)))
        # A test of few voters has fewer tastes; what everybody thinks stands in for those that it has not.
        missing = width - found.shape[1]
        return np.concatenate([found[:, :width], np.repeat(found[:, 1:2], max(0, missing), axis=1)], axis=1)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What review thinks of one player now, with the figures behind it."""

    player_id: UUID
    opinion: Opinion
    p_free: float
    votes: int
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ring:
    """Players who are linked or repeat each other, and of whom most are suspect; `by` says what links them."""

    player_ids: tuple[UUID, ...]
    by: tuple[str, ...]
    p_abusive: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What one sweep found: the suspicion of each player whom it looked at, rings, and the new bounds of tests."""

    suspicions: dict[UUID, Suspicion]
    rings: tuple[Ring, ...]
    factors: dict[UUID, dict[UUID, float]]
    gates: dict[UUID, StyleGates]


class Mind:
    """A worker's memory of what is under review."""

    def __init__(self) -> None:
        self._players = Numbers()
        self._sessions, self._devices, self._addresses = Numbers(), Numbers(), Numbers()
        self._groups, self._payees, self._phones = Numbers(), Numbers(), Numbers()
        self._facts: dict[int, tuple[int, int, int, int]] = {}
        self._benches: dict[UUID, Bench] = {}
        self._n_styles = 0
        self._sweep = Sweep()
        self._n_votes = 0
        self._n_built = 0
        self._fresh: list[tuple[Bench, dict[str, np.ndarray]]] = []
        self._weights: dict[int, float] = {}

    def bench(self, test: StyleTest) -> Bench:
        """The bench of a test, made on first sight."""
        bench = self._benches.get(test.test_id)
        if bench is None:
            bench = self._benches[test.test_id] = Bench(test, self._n_styles, _NEVER)
            self._n_styles += len(test.styles)
        return bench

    @property
    def has_news(self) -> bool:
        """Whether votes were taken in that were not reviewed yet."""
        return bool(self._fresh)

    @property
    def benches(self) -> list[Bench]:
        return list(self._benches.values())

    def take_in(self, bench: Bench, votes: VoteColumns, places: Whereabouts) -> None:
        """Remember new votes of a test; `places` are the sessions of their players."""
        player = self._players.all_of(votes.player)
        session, device, address = self._where(player, votes.answered_at, places)
        columns = {
            "player": player,
            "left": votes.left.astype(np.int64),
            "right": votes.right.astype(np.int64),
            "choice": np.where(votes.choice == Choice.LEFT, 1.0, np.where(votes.choice == Choice.RIGHT, 0.0, -1.0)),
            "segment": votes.segment.astype(np.int64),
            "took_ms": votes.took_ms.astype(np.float64),
            "at": votes.answered_at,
            "session": session,
            "device": device,
            "address": address,
        }
        bench.parts.append(columns)
        bench.n_votes += len(votes)
        self._n_votes += len(votes)
        self._fresh.append((bench, columns))

    def _where(self, player: Ints, at: Floats, places: Whereabouts) -> tuple[Ints, Ints, Ints]:
        """The session, device and address block of each vote: those of the player's last log-in before it."""
        unknown = np.full(player.size, UNKNOWN, dtype=np.int64)
        if not places.player or not player.size:
            return unknown, unknown, unknown
        owner = self._players.all_of(places.player)
        key = owner * _SECONDS + np.floor(places.opened_at).astype(np.int64)
        order = np.argsort(key, kind="stable")
        place = np.searchsorted(key[order], player * _SECONDS + np.ceil(at).astype(np.int64), side="right") - 1
        row = order[np.maximum(place, 0)]
        seen = (place >= 0) & (owner[row] == player)

        def numbered(numbers: Numbers, keys: Sequence[Hashable]) -> Ints:
            each = np.array([numbers.of(one) if one else UNKNOWN for one in keys], dtype=np.int64)
            return np.where(seen, each[row], UNKNOWN)

        return (
            numbered(self._sessions, places.session),
            numbered(self._devices, places.device),
            numbered(self._addresses, places.address),
        )

    def review(self, known: Mapping[UUID, Known]) -> Findings:
        """Judge whom the new votes touch (everybody, when the sums are made again). Takes its time; hold no connection."""
        for player_id, one in known.items():
            self._facts[self._players.of(player_id)] = (
                self._groups.of(one.group),
                self._payees.of(one.payee) if one.payee else UNKNOWN,
                self._players.of(one.inviter) if one.inviter else UNKNOWN,
                self._phones.of(one.phone) if one.phone else UNKNOWN,
            )
        anew = self._n_votes > GROWTH * self._n_built
        touched = self._build() if anew else self._add()
        fresh = [bench for bench, _ in self._fresh]
        self._fresh = []
        table = self._table()
        verdicts = self._sweep.verdicts(table, touched)
        suspicions = {}
        for row, number in enumerate(touched.tolist()):
            suspicion = self._suspicion(verdicts, row, number)
            suspicions[suspicion.player_id] = suspicion
            self._weights[number] = suspicion.opinion.weight
        rings = self._rings(table, verdicts) if anew else ()
        grown = {id(b): b for b in (self._benches.values() if anew else fresh) if b.n_votes > 1.1 * b.bounded_at}
        factors = {bench.test.test_id: self._factors(bench, table) for bench in grown.values()}
        gates = {bench.test.test_id: self._gates(bench) for bench in self._benches.values()} if anew else {}
        return Findings(suspicions, rings, factors, gates)

    def _build(self) -> Ints:
        self._sweep = Sweep()
        self._n_built = self._n_votes
        for bench in self._benches.values():
            bench.find_tastes()
        self._sweep.add(self._votes([(bench, bench.columns()) for bench in self._benches.values()], judged=True))
        return np.unique(np.concatenate([bench.columns()["player"] for bench in self._benches.values()])).astype(
            np.int64
        )

    def _add(self) -> Ints:
        return self._sweep.add(self._votes(self._fresh, judged=False))

    def _votes(self, parts: Sequence[tuple[Bench, dict[str, np.ndarray]]], *, judged: bool) -> VoteTable:
        """One table of these votes. A test belongs to one merchant, so the interest of a style is the style's own."""

        def joined(name: str) -> np.ndarray:
            return np.concatenate([columns[name] for _, columns in parts])

        return VoteTable.of(
            joined("player"),
            np.concatenate([columns["left"] + bench.first_style for bench, columns in parts]),
            np.concatenate([columns["right"] + bench.first_style for bench, columns in parts]),
            joined("choice"),
            took_ms=joined("took_ms"),
            at=joined("at"),
            session=joined("session"),
            gold=np.concatenate([bench.gold(columns) for bench, columns in parts]),
            device=joined("device"),
            address=joined("address"),
            expected=np.concatenate([bench.expected(columns, judged=judged) for bench, columns in parts]),
        )

    def _table(self) -> PlayerTable:
        facts = np.full((len(self._players), 4), UNKNOWN, dtype=np.int64)
        for number, told in self._facts.items():
            facts[number] = told
        return PlayerTable.of(
            len(self._players), segment=facts[:, 0], payee=facts[:, 1], inviter=facts[:, 2], phone=facts[:, 3]
        )

    def _suspicion(self, verdicts: Verdicts, row: int, number: int) -> Suspicion:
        opinion = opinion_of(verdicts, row)
        evidence: dict[str, Any] = {}
        if opinion.standing != "trusted":
            main = int(np.argmax(verdicts.ways[row]))
            evidence = {
                "p_abusive": round(float(verdicts.p_abusive[row]), 4),
                "p_free": round(float(verdicts.p_free[row]), 4),
                "ways": {way: round(float(p), 4) for way, p in zip(WAYS, verdicts.ways[row], strict=True) if p > 0.01},
                # What each signal says for the likeliest way of voting unfairly, in nats against honest.
                "nats": {name: round(float(verdicts.nats[k, row, main]), 2) for k, name in enumerate(verdicts.signals)},
                "figures": {
                    signal: {name: round(float(value), 3) for name, value in said.items() if math.isfinite(value)}
                    for signal, said in self._sweep.measures(number).items()
                },
            }
        return Suspicion(
            self._players.things[number], opinion, float(verdicts.p_free[row]), int(verdicts.votes[row]), evidence
        )

    def _rings(self, table: PlayerTable, verdicts: Verdicts) -> tuple[Ring, ...]:
        return tuple(
            Ring(
                tuple(self._players.things[member] for member in cluster.members.tolist()),
                cluster.by,
                round(cluster.p_abusive, 4),
            )
            for cluster in self._sweep.clusters(table, verdicts)
        )

    def _gates(self, bench: Bench) -> StyleGates:
        """The styles of a test that are pushed, and what that takes from single players' votes on them."""
        if bench.tastes is None:
            return StyleGates()
        found = bench.tastes.excuses
        taken = found.factor < 1 - NOTABLE
        triples = zip(
            found.voter[taken].tolist(), found.item[taken].tolist(), found.factor[taken].tolist(), strict=True
        )
        factors = {(self._players.things[player], item): round(factor, 3) for player, item, factor in triples}
        return StyleGates(tuple(gate for gate in bench.tastes.gates if gate.item < len(bench.test.ranked)), factors)

    def _factors(self, bench: Bench, table: PlayerTable) -> dict[UUID, float]:
        """By how much votes of single players are scaled, so that no player, device or linked group moves the test alone."""
        bench.bounded_at = bench.n_votes
        columns = bench.columns()
        player = columns["player"].astype(np.int64)
        before = np.array([self._weights.get(number, 1.0) for number in range(len(self._players))])[player]
        group = self._sweep.groups(table).of
        size = np.bincount(group[group >= 0], minlength=1)
        group = np.where((group >= 0) & (size[np.maximum(group, 0)] <= LARGEST_GROUP), group, UNKNOWN)
        after = before
        for holder in (player, columns["device"].astype(np.int64), group[player]):
            after = bounded(after, holder)
        had, has = np.bincount(player, weights=before), np.bincount(player, weights=after)
        scaled = np.flatnonzero(has < 0.99 * had)
        return {self._players.things[number]: round(float(has[number] / had[number]), 3) for number in scaled.tolist()}

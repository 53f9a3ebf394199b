"""A process's dealing room: the open tests with their planners, and the deals that are out.

Nothing here is the record of anything. What is out lives in signed tickets, what was answered in votes; this memory only
keeps a player from being dealt a pair twice or paid choices above the cap while his answers are still on their way.
"""

import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np

from game.confirmation import Probe
from game.dealing import Dealt, Seat, Table, deal
from game.matchup import Matchup
from game.style_test import StyleTest, TestState
from ranking.pairing import Planner
from server.again import again
from server.stores import snapshots, tests
from server.stores.db import AsyncEngine, reading

# Below this many answers a share says more about chance than about players.
ENOUGH_TO_SHOW = 20

FLOOR_OF_SEGMENT = 3
"""Times that each style is shown to a segment before its votes go where the decision is open."""


@dataclass(slots=True)
class _Out:
    """Deals of one player that are neither answered (as far as this process knows) nor expired."""

    matchups: dict[UUID, Matchup] = field(default_factory=dict)


class Dealer:
    """Deals rounds for all players of a process."""

    def __init__(self, engine: AsyncEngine, *, seed: int | None = None) -> None:
        self._engine = engine
        self._rng = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
        self._tables: dict[UUID, Table] = {}
        self._wins: dict[UUID, list[list[int]]] = {}
        self._out: dict[UUID, _Out] = {}
        self._expiries: deque[tuple[datetime, UUID, UUID]] = deque()

    @property
    def tables(self) -> list[Table]:
        """The tests that are dealt from now."""
        return list(self._tables.values())

    def table(self, test_id: UUID) -> Table | None:
        """The open table of a test."""
        return self._tables.get(test_id)

    async def refresh(self) -> None:
        """Take up tests that were launched, leave those that ended, and give planners the newest ranking."""
        async with reading(self._engine) as conn:
            running = await tests.in_states(conn, [TestState.RUNNING])
            versions = await snapshots.versions(conn)
            stale = [
                test.test_id
                for test in running
                if test.test_id not in self._tables
                or versions.get(test.test_id, 0) > self._tables[test.test_id].snapshot
            ]
            fresh = {test_id: await snapshots.latest(conn, test_id) for test_id in stale}
        now_open = {}
        for test in running:
            known = self._tables.get(test.test_id)
            table = known if known else Table(test, self._new_planners(test))
            snapshot = fresh.get(test.test_id)
            if snapshot is not None:
                self._teach(table.planners, snapshot.state, test.test_id)
                leaders = tuple(snapshot.state.get("probe", ()))
                table = replace(
                    table,
                    snapshot=snapshot.version,
                    appetites=tuple(snapshot.state.get("appetites", ())),
                    probe=Probe(leaders, len(test.ranked)) if leaders else None,
                )
            now_open[test.test_id] = replace(table, test=test)
        self._tables = now_open
        self._wins = {test_id: wins for test_id, wins in self._wins.items() if test_id in now_open}

    def _new_planners(self, test: StyleTest) -> tuple[Planner, ...]:
        """A planner for each segment of the audience; with several, each sees every style before it asks for more."""
        n_segments = len(test.audience.quotas)
        return tuple(
            Planner(
                len(test.ranked),
                test.goal,
                np.random.default_rng(self._rng.integers(2**63)),
                floor=FLOOR_OF_SEGMENT if n_segments > 1 else 0,
            )
            for _ in range(n_segments)
        )

    def _teach(self, planners: tuple[Planner, ...], state: dict[str, Any], test_id: UUID) -> None:
        """Give planners the newest posterior, and tell them which deals of this process are still out."""
        whole = _fit_of(state)
        of_segments = state.get("segments") or []
        for number, planner in enumerate(planners):
            in_flight = [
                (matchup.left, matchup.right)
                for out in self._out.values()
                for matchup in out.matchups.values()
                if matchup.test_id == test_id
                and max(matchup.left, matchup.right) < planner.n_items
                and (len(planners) == 1 or matchup.segment == number)
            ]
            if number < len(of_segments):
                planner.update(_fit_of(of_segments[number]), in_flight=in_flight, decided_on=whole)
            else:
                planner.update(whole, in_flight=in_flight)
            kept = state.get("open_items")
            if kept and len(kept) >= 2:
                planner.restrict(kept)
        self._wins[test_id] = state["wins"]

    def deal(self, seat: Seat, *, size: int) -> list[Dealt]:
        """Pairs for a player, out of the tests that are open here."""
        return deal(self.tables, seat, size=size, rng=self._rng)

    def take_back(self, pair: Dealt) -> None:
        """This pair was not handed out after all."""
        table = self._tables.get(pair.test.test_id)
        if table is not None and not pair.gold:
            table.planner(pair.segment).expire(pair.left, pair.right)

    def agreement(self, matchup: Matchup, choice: str) -> int | None:
        """How many in a thousand of those who were asked this pair chose the same; None while too few were asked."""
        chosen, other = (matchup.left, matchup.right) if choice == "left" else (matchup.right, matchup.left)
        wins = self._wins.get(matchup.test_id)
        if wins is None or choice not in ("left", "right") or max(chosen, other) >= len(wins):
            return None
        asked = wins[chosen][other] + wins[other][chosen]
        return round(1000 * wins[chosen][other] / asked) if asked >= ENOUGH_TO_SHOW else None

    def out_of(self, player_id: UUID, now: datetime) -> list[Matchup]:
        """What this player holds unanswered and unexpired."""
        self.forget_expired(now)
        out = self._out.get(player_id)
        return list(out.matchups.values()) if out else []

    def remember(self, matchups: Iterable[Matchup]) -> None:
        """These matchups were handed out."""
        for matchup in matchups:
            self._out.setdefault(matchup.player_id, _Out()).matchups[matchup.matchup_id] = matchup
            self._expiries.append((matchup.expires_at, matchup.player_id, matchup.matchup_id))

    def answered(self, player_id: UUID, matchup_ids: Iterable[UUID]) -> None:
        """These matchups are on record now."""
        out = self._out.get(player_id)
        if out is not None:
            for matchup_id in matchup_ids:
                out.matchups.pop(matchup_id, None)
            if not out.matchups:
                del self._out[player_id]

    def forget_expired(self, now: datetime) -> None:
        """Let go of deals that can no longer be answered, and tell the planners so."""
        while self._expiries and self._expiries[0][0] + timedelta(seconds=1) < now:
            _, player_id, matchup_id = self._expiries.popleft()
            out = self._out.get(player_id)
            matchup = out.matchups.pop(matchup_id, None) if out else None
            if out is not None and not out.matchups:
                del self._out[player_id]
            table = self._tables.get(matchup.test_id) if matchup is not None else None
            if matchup and table and max(matchup.left, matchup.right) < len(table.test.ranked):
                table.planner(matchup.segment).expire(matchup.left, matchup.right)

    async def keep_fresh(self, every_s: float = 0.5) -> None:
        """Refresh for ever; a database that is away for a while is waited for."""
        await again(self.refresh, what="dealer", every_s=every_s)


def _fit_of(state: dict[str, Any]) -> SimpleNamespace:
    """What planners read of a fit, out of a snapshot's state."""
    return SimpleNamespace(
        strength=np.array(state["strength"]), posterior_covariance=np.array(state["posterior_covariance"])
    )

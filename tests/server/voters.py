"""Voters on record for the tests of fair votes: honest people of a taste, and those who do not look."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from game.judging import Vote
from game.matchup import Choice, Matchup
from game.style_test import StyleTest
from rewards.economy import Economy
from server.flows.reserve_block import reserve_block
from server.ids import uuid7
from server.stores import players, votes
from server.stores.db import transaction
from tests.server.books import TICKET_LIFE, raw


@dataclass(slots=True)
class Ballot:
    """A running test with a block to promise from, and a way to put voters on record."""

    engine: AsyncEngine
    test: StyleTest
    now: datetime
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    block_id: UUID = field(default_factory=uuid7)
    liking: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.liking = np.linspace(1.0, -1.0, len(self.test.ranked))

    async def open(self, *, wanted_g: int = 60_000) -> "Ballot":
        async with transaction(self.engine) as conn:
            block = await reserve_block(
                conn,
                budget_id=self.test.test_id,
                process_id=uuid7(),
                wanted_g=wanted_g,
                ticket_life=TICKET_LIFE,
                economy=Economy(),
                now=self.now,
            )
        self.block_id = block.id
        return self

    async def people(
        self,
        number: int,
        *,
        how: str = "honest",
        each: int = 24,
        device: str | None = None,
        pushed: int = 0,
        player_ids: Sequence[UUID] | None = None,
        hold_s: int = 600,
    ) -> list[UUID]:
        """So many players who each gave `each` answers: `honest`, `left` (always, quickly), `random` (quickly) or `push`."""
        ids = list(player_ids or [uuid7() for _ in range(number)])
        async with transaction(self.engine) as conn:
            if player_ids is None:
                await conn.execute(
                    sa.insert(players.players),
                    [{"player_id": each_id, "created_at": self.now, "hold_s": hold_s} for each_id in ids],
                )
            for each_id in ids:
                await players.open_session(
                    conn,
                    session_id=uuid7(),
                    player_id=each_id,
                    device=(device or f"device {each_id}").encode()[-16:],
                    address_block=f"address {each_id}".encode()[-16:],
                    now=self.now - timedelta(hours=1),
                    expires_at=self.now + timedelta(days=30),
                )
            batch = [vote for each_id in ids for vote in self._answers(each_id, how, each, pushed)]
            await votes.append(await raw(conn), batch)
        return ids

    def _answers(self, player_id: UUID, how: str, each: int, pushed: int) -> list[Vote]:
        n, n_all = len(self.test.ranked), len(self.test.styles)
        ordinary = [(a, b) for a in range(n) for b in range(a + 1, n)]
        golden = [(good, poor) for good in range(n) for poor in range(n, n_all)]
        n_gold = min(len(golden), max(1, each // 10)) if golden else 0
        dealt = [ordinary[k] for k in self.rng.permutation(len(ordinary))[: each - n_gold]]
        dealt += [golden[k] for k in self.rng.permutation(len(golden))[:n_gold]]
        at = self.now - timedelta(minutes=50) + timedelta(seconds=float(self.rng.uniform(0, 600)))
        own = self.liking + 0.4 * self.rng.standard_normal(n)
        made = []
        for k in self.rng.permutation(len(dealt)):
            left, right = dealt[k] if self.rng.random() < 0.5 else dealt[k][::-1]
            quick = how in ("left", "random")
            took_ms = int(np.exp(self.rng.normal(np.log(450 if quick else 2100), 0.4)))
            at += timedelta(milliseconds=took_ms + int(self.rng.uniform(300, 2500)))
            made.append(self._vote(player_id, left, right, self._choice(how, left, right, own, pushed), took_ms, at))
        return made

    def _choice(self, how: str, left: int, right: int, own: np.ndarray, pushed: int) -> Choice:
        n = len(self.test.ranked)
        if how == "left":
            return Choice.LEFT
        if how == "random":
            return Choice.LEFT if self.rng.random() < 0.5 else Choice.RIGHT
        if how == "push" and pushed in (left, right):
            return Choice.LEFT if left == pushed else Choice.RIGHT
        if left >= n or right >= n:
            looked = self.rng.random() < 0.97
            return Choice.LEFT if (left < n) == looked else Choice.RIGHT
        return Choice.LEFT if self.rng.random() < 1 / (1 + np.exp(own[right] - own[left])) else Choice.RIGHT

    def _vote(self, player_id: UUID, left: int, right: int, choice: Choice, took_ms: int, at: datetime) -> Vote:
        matchup = Matchup(
            matchup_id=uuid7(),
            player_id=player_id,
            test_id=self.test.test_id,
            block_id=self.block_id,
            left=int(left),
            right=int(right),
            offer_g=10,
            dealt_at=at,
            expires_at=at + TICKET_LIFE,
        )
        return Vote(matchup, choice, took_ms, at)

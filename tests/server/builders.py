"""Builders for the service's tests: say only what matters to the case, get everything else."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from game.segments import Audience
from game.style_test import Style, StyleTest, numbered
from ranking.pairing import Goal
from rewards.economy import Economy
from server.app import player_app, shell_of
from server.config import Config
from server.flows.fund_merchant import fund_merchant
from server.flows.launch_test import launch_test
from server.ids import uuid7
from server.ports import Shell
from server.stores import tests
from server.stores.db import transaction


class SteppingClock:
    """A clock that stands still until it is told to move. It starts now, so that ids and times agree."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def a_test(
    *,
    styles: int = 4,
    decoys: int = 0,
    keep: int = 1,
    budget_fen: int = 30_000,
    audience: Audience | None = None,
    merchant_id: UUID | None = None,
    title: str = "夏季连衣裙",
    created_at: datetime | None = None,
    goal: Goal | None = None,
    **fields: Any,
) -> StyleTest:
    """A complete draft, ready to launch."""
    return StyleTest(
        test_id=uuid7(),
        merchant_id=merchant_id or uuid7(),
        title=title,
        goal=goal or Goal(keep=keep),
        audience=audience or Audience(),
        budget_fen=budget_fen,
        created_at=created_at or datetime.now(UTC),
        styles=numbered(
            [
                Style(uuid7(), 0, f"款式{number + 1}", picture=f"{number:064x}", decoy=number >= styles)
                for number in range(styles + decoys)
            ]
        ),
        **fields,
    )


async def put_on_record(engine: AsyncEngine, test: StyleTest, *, fen: int | None = None) -> StyleTest:
    """A merchant with money, and this draft of his."""
    now = test.created_at
    assert now is not None
    async with transaction(engine) as conn:
        if await tests.merchant_name(conn, test.merchant_id) is None:
            await tests.add_merchant(conn, merchant_id=test.merchant_id, name="春山女装", now=now)
        await fund_merchant(
            conn,
            merchant_id=test.merchant_id,
            amount_fen=test.budget_fen if fen is None else fen,
            payment_no=f"pay-{test.test_id}",
            now=now,
        )
        await tests.add(conn, test)
    return test


async def a_running_test(engine: AsyncEngine, **fields: Any) -> StyleTest:
    """A launched test."""
    draft = await put_on_record(engine, a_test(**fields))
    assert draft.created_at is not None
    async with transaction(engine) as conn:
        running = await launch_test(
            conn,
            draft.test_id,
            merchant_id=draft.merchant_id,
            economy=Economy(),
            who="test",
            now=draft.created_at,
        )
    assert running is not None
    return running


def a_config(database: str, data_dir: Path, **fields: Any) -> Config:
    """A demo configuration on this database."""
    return dataclasses.replace(
        Config.from_environment({}, mode="demo"), database_url=database, data_dir=data_dir, guests=True, **fields
    )


@dataclass(slots=True)
class Phone:
    """A player's phone: logged in, it asks for rounds and sends answers as the mini-program would."""

    client: TestClient
    name: str
    device: str = ""
    token: str = ""
    player: dict[str, Any] = field(default_factory=dict)

    async def log_in(self) -> "Phone":
        reply = await self.client.post(
            "/v1/sessions",
            json={"platform": "guest", "code": self.name, "device": self.device or f"device of {self.name}"},
        )
        body = await reply.json()
        assert reply.status == 201, body
        self.token, self.player = body["token"], body["player"]
        return self

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """(status, body) of a call."""
        options = {"headers": self.headers, **options}
        if body is not None:
            options["json"] = body
        async with self.client.request(method, path, **options) as reply:
            data = await reply.json() if "json" in reply.content_type else await reply.read()
            return reply.status, data

    async def round(self, size: int = 5) -> dict[str, Any]:
        status, body = await self.call("POST", "/v1/rounds", {"size": size})
        assert status == 200, body
        return body

    async def answer(self, *pairs: tuple[str, str], took_ms: int = 1800) -> dict[str, Any]:
        """Send (ticket, choice) pairs; returns the whole reply."""
        status, body = await self.call(
            "POST",
            "/v1/answers",
            {"answers": [{"ticket": ticket, "choice": choice, "took_ms": took_ms} for ticket, choice in pairs]},
        )
        assert status == 200, body
        return body


@dataclass(slots=True)
class Service:
    """A running players' application on a database of its own."""

    shell: Shell
    client: TestClient
    engine: AsyncEngine
    clock: Any
    data_dir: Path

    async def phone(self, name: str = "小美", device: str = "") -> Phone:
        return await Phone(self.client, name, device).log_in()

    async def test(self, **fields: Any) -> StyleTest:
        """A running test that is dealt from at once."""
        running = await a_running_test(self.engine, **fields)
        await self.shell.dealer.refresh()
        return running


@contextlib.asynccontextmanager
async def a_service(
    database: str, data_dir: Path, *, clock: Any = None, economy: Economy | None = None, **config: Any
) -> AsyncIterator[Service]:
    """Start the players' application; `clock` stands still unless another is given."""
    clock = clock or SteppingClock()
    async with shell_of(a_config(database, data_dir, **config), clock=clock, economy=economy) as shell:
        server = TestServer(player_app(shell))
        async with TestClient(server, timeout=aiohttp.ClientTimeout(total=30)) as client:
            yield Service(shell, client, shell.engine, clock, data_dir)

"""Builders for tests of the door: an application on a database, merchants with keys, drafts with pictures, votes."""

import asyncio
import contextlib
import hashlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import numpy as np
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image, ImageDraw

from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.flows.sign_in import hash_password
from admin.roles import Role
from admin.shell import AdminShell, admin_shell
from game.judging import Vote
from game.matchup import Choice, Matchup
from game.style_test import StyleTest
from server.flows.fund_merchant import fund_merchant
from server.ids import uuid7
from server.jobs.refit_rankings import RefitRankings
from server.stores import players, snapshots, staff, tests, votes
from server.stores.db import AsyncEngine, transaction
from tests.server.books import TICKET_LIFE, raw
from tests.server.builders import SteppingClock, a_config

COLOURS = ((196, 60, 52), (70, 120, 170), (60, 140, 90), (214, 170, 60), (120, 80, 150), (90, 90, 90))


def a_picture(number: int = 0, *, width: int = 360, height: int = 480, kind: str = "PNG") -> bytes:
    """A plain picture; another number, another drawing."""
    picture = Image.new("RGB", (width, height), (250, 249, 246))
    draw = ImageDraw.Draw(picture)
    top = 60 + 24 * (number % 5)
    draw.rectangle((90, top, 270, 420), fill=COLOURS[number % len(COLOURS)])
    draw.ellipse((120 + 20 * (number % 4), 20, 240, 20 + 30 * (1 + number % 3)), fill=COLOURS[(number + 2) % 6])
    for line in range(number % 7):
        draw.line((90, top + 40 * line, 270, top + 40 * line), fill=(255, 255, 255), width=9)
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


@dataclass(slots=True)
class Merchant:
    """A merchant with a key, who calls."""

    client: "TestClient | Caller"
    merchant_id: UUID
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """(status, body)."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Language": "en", **self.headers}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        async with self.client.request(method, path, headers=headers, **options) as reply:
            data = await reply.json() if "json" in reply.content_type else await reply.read()
            return reply.status, data

    async def good(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The body of a call that must go well."""
        status, data = await self.call(method, path, body, **options)
        assert 200 <= status < 300, (status, data)
        return data

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str, str]:
        """(status, code, detail) of a call that must be refused, by name and in one sentence."""
        status, data = await self.call(method, path, body, **options)
        assert 400 <= status < 500, (status, data)
        assert data["detail"].strip(), data
        return status, data["code"], data["detail"]

    async def upload(self, test_id: str, picture: bytes, **style: Any) -> tuple[int, Any]:
        """Add a style; returns (status, body)."""
        form = aiohttp.FormData()
        form.add_field("style", json.dumps(style), content_type="application/json")
        form.add_field("picture", io.BytesIO(picture), filename="picture.png", content_type="image/png")
        return await self.call("POST", f"/v1/merchant/tests/{test_id}/styles", data=form)

    async def draft(self, *, styles: int = 4, keep: int = 1, budget_fen: int = 30_000, **fields: Any) -> dict[str, Any]:
        """A draft with pictures."""
        goal = {"keep": keep, **fields.pop("goal", {})}
        body = {"title": "夏季连衣裙", "goal": goal, "budget_fen": budget_fen, **fields}
        made = await self.good("POST", "/v1/merchant/tests", body)
        for number in range(styles):
            attributes = {"颜色": ("红色", "白色", "蓝色")[number % 3], "袖长": ("短袖", "长袖")[number // 3 % 2]}
            status, reply = await self.upload(
                made["test_id"], a_picture(number), title=f"款式{number + 1}", attributes=attributes, cost_fen=4000,
                price_fen=9900,
            )  # fmt: skip
            assert status == 201, reply
        return await self.good("GET", f"/v1/merchant/tests/{made['test_id']}")

    async def running(self, **fields: Any) -> dict[str, Any]:
        """A launched test."""
        draft = await self.draft(**fields)
        return await self.good("POST", f"/v1/merchant/tests/{draft['test_id']}/launch")


@dataclass(slots=True)
class Operator:
    """A person with a console session, who calls or opens pages."""

    client: "TestClient | Caller"
    login: str
    cookie: str
    csrf: str

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """(status, body)."""
        headers = {"Cookie": f"{COOKIE}={self.cookie}", "X-CSRF-Token": self.csrf, "Accept-Language": "en"}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        async with self.client.request(method, path, headers=headers, allow_redirects=False, **options) as reply:
            data = await reply.json() if reply.content_type.endswith(("/json", "+json")) else await reply.text()
            return reply.status, data

    async def good(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The body of a call that must go well."""
        status, data = await self.call(method, path, body, **options)
        assert 200 <= status < 300, (status, data)
        return data

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
        """(status, code) of a call that must be refused by name."""
        status, data = await self.call(method, path, body, **options)
        assert 400 <= status < 500, (status, data)
        return status, data["code"]


@dataclass(slots=True)
class Door:
    """The door's application on a database of its own."""

    shell: AdminShell
    client: "TestClient | Caller"
    engine: AsyncEngine
    clock: SteppingClock
    refit: RefitRankings

    async def merchant(
        self, name: str = "春山女装", *, fen: int = 1_000_000, scopes: tuple[str, ...] = ("read", "write")
    ) -> Merchant:
        """A merchant with money and a key."""
        merchant_id, key = uuid7(), f"xk-{uuid7()}"
        async with transaction(self.engine) as conn:
            await tests.add_merchant(conn, merchant_id=merchant_id, name=name, now=self.clock.now)
            await tests.add_api_key(
                conn, key_id=uuid7(), digest=hashlib.sha256(key.encode()).digest(), merchant_id=merchant_id, name=name,
                scopes=scopes, now=self.clock.now,
            )  # fmt: skip
            if fen:
                await fund_merchant(
                    conn, merchant_id=merchant_id, amount_fen=fen, payment_no=f"pay-{merchant_id}", now=self.clock.now
                )
        return Merchant(self.client, merchant_id, key)

    async def person(self, merchant: Merchant, *, login: str = "chunshan", password: str = "a long password") -> str:
        """A person of this merchant for the console; returns the login."""
        async with transaction(self.engine) as conn:
            await staff.add(
                conn, user_id=uuid7(), login=login, name="小林", password_hash=hash_password(password),
                roles=[Role.MERCHANT.value], merchant_id=merchant.merchant_id, now=self.clock.now,
            )  # fmt: skip
        return login

    async def operator(self, *roles: Role, login: str = "yunying", password: str = "a long password") -> str:
        """An operator with these roles (administrator unless told); returns the login."""
        async with transaction(self.engine) as conn:
            await staff.add(
                conn, user_id=uuid7(), login=login, name=login, password_hash=hash_password(password),
                roles=[role.value for role in roles or (Role.ADMINISTRATOR,)], merchant_id=None, now=self.clock.now,
            )  # fmt: skip
        return login

    async def office_key(self, *roles: Role, write: bool = True) -> str:
        """A key with these roles of operators."""
        key = f"xk-{uuid7()}"
        scopes = [role.value for role in roles] + (["write"] if write else [])
        async with transaction(self.engine) as conn:
            await tests.add_api_key(
                conn, key_id=uuid7(), digest=hashlib.sha256(key.encode()).digest(), merchant_id=None, name="office",
                scopes=scopes, now=self.clock.now,
            )  # fmt: skip
        return key

    async def signed_in(self, login: str, password: str = "a long password", code: str = "") -> Operator:
        """A console session of this person, as a browser would hold it."""
        body = {"login": login, "password": password, "code": code}
        async with self.client.request("POST", "/sign-in", json=body) as reply:
            told = await reply.json()
            assert reply.status == 200, told
            cookie = reply.cookies[COOKIE].value
        self.client.session.cookie_jar.clear()  # several people call through one client
        return Operator(self.client, login, cookie, told["csrf"])

    async def test(self, test_id: str) -> StyleTest:
        async with self.engine.connect() as conn:
            found = await tests.find(conn, UUID(test_id))
        assert found is not None
        return found

    async def vote(
        self, test_id: str, *, voters: int, each: int, spread: float = 1.0, seed: int = 1, segments: int = 1
    ) -> list[UUID]:
        """Votes of simulated shoppers on record, the first style the best; then one refit. Returns the players."""
        test = await self.test(test_id)
        rng = np.random.default_rng(seed)
        n = len(test.ranked)
        liking = np.linspace(spread, -spread, n)
        ids = [uuid7() for _ in range(voters)]
        block = uuid7()
        batch = []
        for number, player in enumerate(ids):
            for _ in range(each):
                left, right = rng.choice(n, 2, replace=False)
                p_left = 1 / (1 + np.exp(liking[right] - liking[left]))
                matchup = Matchup(
                    matchup_id=uuid7(), player_id=player, test_id=test.test_id, block_id=block, left=int(left),
                    right=int(right), offer_g=10, dealt_at=self.clock.now, expires_at=self.clock.now + TICKET_LIFE,
                    segment=number % segments,
                )  # fmt: skip
                choice = Choice.LEFT if rng.random() < p_left else Choice.RIGHT
                batch.append(Vote(matchup, choice, 1500, self.clock.now))
        async with transaction(self.engine) as conn:
            await conn.execute(
                players.players.insert(), [{"player_id": player, "created_at": self.clock.now} for player in ids]
            )
        async with transaction(self.engine) as conn:
            await votes.append(await raw(conn), batch)
        await self._refitted(test.test_id, len(batch))
        return ids

    async def _refitted(self, test_id: UUID, fresh: int) -> None:
        """Refit until the fresh votes are counted: another test's transaction on this server may hide them a while."""
        async with self.engine.connect() as conn:
            before = await snapshots.latest(conn, test_id)
        for _ in range(200):
            await self.refit.run(self.clock.now)
            async with self.engine.connect() as conn:
                latest = await snapshots.latest(conn, test_id)
            if latest and latest.votes >= (before.votes if before else 0) + fresh:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the votes were never counted")


class Caller:
    """Calls a door that listens somewhere, as the test client calls one that does not."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self.session, self._address = http, address

    def request(self, method: str, path: str, **options: Any) -> Any:
        return self.session.request(method, self._address + path, **options)


@contextlib.asynccontextmanager
async def open_door(shell: AdminShell, address: str) -> AsyncIterator[Door]:
    """A door that listens already."""
    async with aiohttp.ClientSession() as http:
        yield Door(shell, Caller(http, address), shell.engine, SteppingClock(), RefitRankings(shell.engine))


@contextlib.asynccontextmanager
async def a_door(database: str, data_dir: Path, **config: Any) -> AsyncIterator[Door]:
    """Start the door's application; its clock stands still."""
    clock = SteppingClock()
    async with admin_shell(a_config(database, data_dir, **config), clock=clock) as shell:
        server = TestServer(admin_app(shell))
        async with TestClient(server, timeout=aiohttp.ClientTimeout(total=60)) as client:
            yield Door(shell, client, shell.engine, clock, RefitRankings(shell.engine))

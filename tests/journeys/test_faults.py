"""What is killed comes back: no acknowledged vote is lost, nothing is paid twice, and the books stay exact."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from server.embedded import EmbeddedPostgres
from server.migrations import upgrade
from server.stores.db import engine_from
from server.stores.grants import grants
from server.stores.votes import votes
from tests.journeys.conftest import Deployment
from tests.server.builders import a_running_test

PLAYERS = 24


class LoadedPhones:
    """Players who answer without rest, keep what has no receipt, and send it again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.acknowledged: dict[str, int] = {}
        self.stop = asyncio.Event()

    async def play(self, http: aiohttp.ClientSession, name: str) -> None:
        session = await self._insist(http, "/v1/sessions", {"platform": "guest", "code": name, "device": name}, "")
        token = session["token"]
        outbox: list[dict[str, Any]] = []
        while not self.stop.is_set() or outbox:
            if not outbox:
                dealt = await self._try(http, "/v1/rounds", {"size": 5}, token)
                if not dealt or not dealt["matchups"]:
                    await asyncio.sleep(0.2)
                    if dealt and dealt.get("reason") == "daily_cap_reached":
                        return
                    continue
                outbox = [{"ticket": m["ticket"], "choice": "left", "took_ms": 900} for m in dealt["matchups"]]
            reply = await self._try(http, "/v1/answers", {"answers": outbox}, token)
            if reply is None:
                await asyncio.sleep(0.1)
                continue
            for receipt in reply["receipts"]:
                assert receipt["status"] in ("counted", "repeated"), receipt
                self.acknowledged[receipt["matchup_id"]] = receipt["grant_g"]
            outbox = []
            await asyncio.sleep(0.05)

    async def _insist(self, http: aiohttp.ClientSession, path: str, body: dict[str, Any], token: str) -> Any:
        while (reply := await self._try(http, path, body, token)) is None:
            await asyncio.sleep(0.2)
        return reply

    async def _try(self, http: aiohttp.ClientSession, path: str, body: dict[str, Any], token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with http.post(self._url + path, json=body, headers=headers) as reply:
                assert reply.status in (200, 201, 429, 503), await reply.text()
                return await reply.json() if reply.status < 300 else None
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None


async def until_acknowledged(phones: LoadedPhones, more: int) -> None:
    """Wait until so many more answers have their receipt: the service serves."""
    goal = len(phones.acknowledged) + more
    async with asyncio.timeout(120):
        while len(phones.acknowledged) < goal:
            await asyncio.sleep(0.05)


async def facts(url: str) -> tuple[dict[str, int], dict[str, int]]:
    """(votes on record with their offers, grants with their amounts), by matchup."""
    engine = engine_from(url, pool_size=1)
    async with engine.connect() as conn:
        cast = {
            str(row.matchup_id): row.offer_g
            for row in await conn.execute(sa.select(votes.c.matchup_id, votes.c.offer_g))
        }
        held = {
            str(row.matchup_id): row.amount_g
            for row in await conn.execute(
                sa.select(grants.c.matchup_id, grants.c.amount_g).where(grants.c.kind == "per_vote")
            )
        }
    await engine.dispose()
    return cast, held


async def test_killing_the_api_and_the_database_loses_nothing_that_was_acknowledged(
    tmp_path: Path, deploy: Callable[[str], Deployment]
) -> None:
    """Two kill -9 of each under load: every receipt has its vote and its grant, once; the audit is clean."""
    with EmbeddedPostgres(tmp_path / "database") as postgres:
        await upgrade(postgres.url)
        engine = engine_from(postgres.url, pool_size=2)
        await a_running_test(engine, styles=12, budget_fen=100_000)
        await engine.dispose()
        deployment = deploy(postgres.url)
        deployment.start("serve")
        deployment.start("work")
        await deployment.ready()
        phones = LoadedPhones(deployment.url)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            playing = [asyncio.create_task(phones.play(http, f"player {n}")) for n in range(PLAYERS)]
            await until_acknowledged(phones, 60)
            deployment.kill("serve")
            deployment.start("serve")
            await until_acknowledged(phones, 60)
            assert postgres.pid is not None
            os.kill(postgres.pid, signal.SIGKILL)
            await until_acknowledged(phones, 60)
            deployment.kill("work")
            deployment.start("work")
            await until_acknowledged(phones, 30)
            phones.stop.set()
            await asyncio.gather(*playing)
        cast, held = await facts(postgres.url)
        lost = {matchup for matchup in phones.acknowledged if matchup not in cast}
        assert not lost
        assert held == {matchup: offer_g for matchup, offer_g in cast.items() if offer_g}
        # Review may have muted one who always taps left: his receipts say 0 g, and so do his votes.
        assert phones.acknowledged.items() <= cast.items()
        report = await asyncio.to_thread(deployment.audit)
        assert report.returncode == 0, report.stdout + report.stderr

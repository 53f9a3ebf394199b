"""From pictures to a verdict: a folder is imported, shoppers play over HTTP, the autopilot decides, the money is exact."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from game.style_test import TestState
from rewards import ledger as books
from rewards.economy import Economy
from server.app import player_app, shell_of
from server.files.test_folder import read_test_folder
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.jobs.all import jobs_of
from server.ports import system_clock
from server.running import listening, working
from server.shoppers import crowd, read_world
from server.stores import budgets, invariants, ledger, snapshots, tests
from server.stores.db import transaction
from tests.journeys.conftest import SAMPLE
from tests.server.builders import a_config


async def test_a_folder_of_pictures_becomes_a_verdict(database: str, tmp_path: Path) -> None:
    """The test is decided by itself, names the truly best styles, and returns what it did not spend."""
    config = a_config(database, tmp_path)
    async with shell_of(config, clock=system_clock) as shell:
        now = datetime.now(UTC)
        draft = dataclasses.replace(read_test_folder(SAMPLE, now=now), ends_at=None)
        async with transaction(shell.engine) as conn:
            merchant_id = await house_merchant(conn, now=now)
            test = await import_test(conn, draft, merchant_id=merchant_id, media_dir=config.media_dir, now=now)
            await fund_merchant(conn, merchant_id=merchant_id, amount_fen=40_000, payment_no="one", now=now)
            await launch_test(conn, test.test_id, merchant_id=merchant_id, economy=Economy(), who="test", now=now)
        await shell.dealer.refresh()
        async with listening(player_app(shell), "127.0.0.1", 0) as port, working(shell):
            tally = await crowd(
                f"http://127.0.0.1:{port}", read_world(SAMPLE), shoppers=320, seed=11, arrive_over_s=30.0, hurry=6.0
            )
            assert tally.counted > 500
            assert tally.repeated > 0, "some receipts were lost, and their answers were sent again"
            assert tally.refused == 0, tally.refusals
            async with asyncio.timeout(60):
                state = TestState.RUNNING
                while state is TestState.RUNNING:
                    await asyncio.sleep(0.2)
                    async with shell.engine.connect() as conn:
                        state = (await tests.states(conn, [test.test_id]))[test.test_id]
        assert state is TestState.DECIDED
        async with shell.engine.connect() as conn:
            snapshot = await snapshots.latest(conn, test.test_id)
            budget = await budgets.find(conn, test.test_id)
            assert snapshot is not None
            assert budget is not None
            hits = {item["name"] for item in snapshot.document["items"] if item["verdict"] == "hit"}
            assert hits == {"米白飘袖裹身长裙", "雾蓝飘袖裹身长裙", "米白泡泡袖短裙"}
            assert snapshot.document["decision"]["probability"] >= 0.95
            # Money: what came in is what lies in the merchant's account, in escrow, and with the platform.
            merchant_fen = await ledger.balance(conn, books.merchant(merchant_id))
            escrow_fen = await ledger.balance(conn, books.test_escrow(test.test_id))
            platform_fen = await ledger.balance(conn, books.PLATFORM)
            assert merchant_fen + escrow_fen + platform_fen == 40_000
            assert merchant_fen > 10_000, "what was neither spent nor promised came back at the decision"
            assert await conn.scalar(sa.text("select count(*) from votes")) >= tally.counted
        broken = [finding async for finding in invariants.audit(shell.engine) if not finding.holds]
        assert not broken


async def test_every_job_has_its_name_once(database: str, tmp_path: Path) -> None:
    """Two jobs of one name would hide each other in health and metrics."""
    async with shell_of(a_config(database, tmp_path)) as shell:
        names = [job.name for job in jobs_of(shell)]
    assert len(names) == len(set(names)) >= 6

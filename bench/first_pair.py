"""Milliseconds until the first pair of pictures is on a new player's screen, over simulated mobile networks.

    python -m bench.first_pair                         ten cold starts on each network: two minutes
    python -m bench.first_pair --quick                 three
    python -m bench.first_pair --json out.json

The real service with the sample test, the web build (`make client`), and Chromium as a phone of 360 x 640 at two pixels a
point. Network: Chromium's own throttling, round trip and rates as named. A cold start opens the play page with nothing kept
on the phone: page, code, log-in, round and two pictures all come over the network. From the orchard, the pairs were
fetched while the tree was looked at, and only the tap is timed.
"""

import argparse
import asyncio
import dataclasses
import json
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from playwright.async_api import Browser, CDPSession, Page, async_playwright
from rich.console import Console
from rich.table import Table

from bench.filled_books import new_database
from game.segments import Audience
from rewards.economy import Economy
from server.app import player_app, shell_of
from server.config import Config
from server.embedded import EmbeddedPostgres
from server.files.test_folder import read_test_folder
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.stores.db import transaction
from tools.ensure_chromium import find_chromium

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "summer-dresses"
CLIENT = ROOT / "miniprogram" / "dist" / "build" / "h5"
GOAL_MS = 1500.0
NETWORKS = {
    "none": None,
    "4G: 9 Mbit/s, 60 ms": {"latency": 60, "downloadThroughput": 9e6 / 8, "uploadThroughput": 4.5e6 / 8},
    "far 4G: 9 Mbit/s, 170 ms": {"latency": 170, "downloadThroughput": 9e6 / 8, "uploadThroughput": 1.5e6 / 8},
    "slow 4G: 1.6 Mbit/s, 150 ms": {"latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8},
}
# A pair is visible when both of its pictures are decoded in the page, which is when its stopwatch starts.
VISIBLE = """() => {
    const all = [...document.querySelectorAll('.pair:not(.behind) .frame img')];
    return all.length === 2 && all.every((one) => one.complete && one.naturalWidth > 0) ? performance.now() : false;
}"""


@asynccontextmanager
async def service(url: str, folder: Path) -> AsyncIterator[str]:
    """The players' application with the sample test open to everyone; its address."""
    now = datetime.now(UTC)
    config = Config.from_environment({}, mode="demo")
    config = dataclasses.replace(config, database_url=url, data_dir=folder, guests=True, client_dir=CLIENT)
    async with shell_of(config) as shell:
        draft = dataclasses.replace(read_test_folder(SAMPLE, now=now), audience=Audience(), ends_at=None)
        async with transaction(shell.engine) as conn:
            merchant_id = await house_merchant(conn, now=now)
            test = await import_test(conn, draft, merchant_id=merchant_id, media_dir=config.media_dir, now=now)
            await fund_merchant(conn, merchant_id=merchant_id, amount_fen=test.budget_fen, payment_no="b", now=now)
            await launch_test(conn, test.test_id, merchant_id=merchant_id, economy=Economy(), who="bench", now=now)
        await shell.dealer.refresh()
        runner = web.AppRunner(player_app(shell), access_log=None)
        await runner.setup()
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/play/"
        finally:
            await runner.cleanup()


async def throttled(page: Page, network: dict[str, float] | None, cpu: int) -> CDPSession:
    """The page's network and processor slowed down."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    if network is not None:
        await session.send("Network.emulateNetworkConditions", {"offline": False, **network})
    if cpu > 1:
        await session.send("Emulation.setCPUThrottlingRate", {"rate": cpu})
    return session


async def one_visit(browser: Browser, url: str, network: dict[str, float] | None, cpu: int) -> dict[str, float]:
    """A new player: a cold start at the play page, then another who comes by the orchard."""
    times = {}
    for name, path in (("cold", "#/pages/play/index"), ("orchard", "")):
        context = await browser.new_context(
            viewport={"width": 360, "height": 640}, device_scale_factor=2, has_touch=True, locale="zh-CN"
        )
        page = await context.new_page()
        session = await throttled(page, network, cpu)
        received = 0

        def note(event: dict[str, Any]) -> None:
            nonlocal received
            received += int(event["encodedDataLength"])

        session.on("Network.loadingFinished", note)
        await page.goto(url + path, wait_until="commit")
        if name == "orchard":
            await page.get_by_role("button", name="种苹果").click()
            await page.wait_for_load_state("networkidle")
            before = await page.evaluate("performance.now()")
            await page.get_by_role("button", name="选款", exact=True).click()
            seen = await page.wait_for_function(VISIBLE, polling="raf")
            times["from the orchard"] = float(await seen.json_value()) - before
        else:
            seen = await page.wait_for_function(VISIBLE, polling="raf")
            times["cold start"] = float(await seen.json_value())
            times["kB received"] = received / 1000
        await context.close()
    return times


async def measure(postgres: EmbeddedPostgres, folder: Path, *, times: int, cpu: int) -> dict[str, Any]:
    """All networks, so many visits each."""
    executable = find_chromium()
    assert executable, "there is no Chromium: make chromium"
    url = await new_database(postgres, "first_pair")
    found: dict[str, Any] = {}
    async with service(url, folder) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        for name, network in NETWORKS.items():
            visits = [await one_visit(browser, address, network, cpu) for _ in range(times)]
            found[name] = {
                what: {
                    "median": round(float(np.median([visit[what] for visit in visits]))),
                    "worst": round(max(visit[what] for visit in visits)),
                }
                for what in visits[0]
            }
        await browser.close()
    return {"times": times, "cpu": cpu, "networks": found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three visits on each network")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--cpu", type=int, default=1, help="so many times slower than this machine")
    parser.add_argument("--json", type=Path, help="write the result here, one line of JSON")
    arguments = parser.parse_args()
    if not (CLIENT / "index.html").is_file():
        print("The web build is not there: make client", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as place, EmbeddedPostgres(Path(place) / "pg", durable=False) as postgres:
        times = 3 if arguments.quick else arguments.times
        result = asyncio.run(measure(postgres, Path(place), times=times, cpu=arguments.cpu))
    table = Table(
        "network", "cold start ms", "from the orchard ms", "kB received", title="First pair visible, median (worst)"
    )
    for name, row in result["networks"].items():
        late = " over the goal" if row["cold start"]["median"] > GOAL_MS else ""
        table.add_row(
            name, f"{row['cold start']['median']} ({row['cold start']['worst']}){late}",
            f"{row['from the orchard']['median']} ({row['from the orchard']['worst']})", str(row["kB received"]["median"]),
        )  # fmt: skip
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The live view of one test at 500 votes a second: how often 50 merchants see it move, and what that costs the door.

    python -m bench.live_view                      30 s at 500 votes/s with 50 watchers
    python -m bench.live_view --seconds 5 --watchers 5

Votes are put on record in batches, as the desk does; the worker's job refits; the door sends. Each of the three is a
process of its own, whose processor time is read from the system before and after.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.console_pages import LIFE, door, keys_of, listener, played, processor_s
from bench.filled_books import new_database
from game.judging import Vote
from game.matchup import Choice, Matchup
from game.style_test import StyleTest
from server.embedded import EmbeddedPostgres
from server.ids import uuid7
from server.jobs.refit_rankings import RefitRankings
from server.stores import players, votes
from server.stores.db import engine_from, transaction

BATCH_S = 0.1
REST_S = 0.5


@contextlib.asynccontextmanager
async def refitting(url: str) -> AsyncIterator[int]:
    """The worker's refit job alone, as a process of its own; yields its process id. The votes here have no grants."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.live_view", "--refit", url, start_new_session=True
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def refit(url: str) -> None:
    """Refit for ever, with the worker's rest between."""
    engine = engine_from(url, pool_size=2)
    job = RefitRankings(engine)
    while True:
        await job.run(datetime.now(UTC))
        await asyncio.sleep(REST_S)


async def vote(engine: AsyncEngine, test: StyleTest, *, rate: int, seconds: float) -> int:
    """Votes on record, `rate` a second, of shoppers who hardly prefer anything, so that the test goes on."""
    rng, n, cast = np.random.default_rng(2), len(test.ranked), 0
    ids = [uuid7() for _ in range(2000)]
    async with transaction(engine) as conn:
        await conn.execute(
            players.players.insert(), [{"player_id": each, "created_at": datetime.now(UTC)} for each in ids]
        )
    block, started = uuid7(), time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        batch, now = [], datetime.now(UTC)
        for _ in range(int(rate * (passed + BATCH_S)) - cast):
            left, right = (int(each) for each in rng.choice(n, 2, replace=False))
            matchup = Matchup(
                matchup_id=uuid7(), player_id=ids[cast % len(ids)], test_id=test.test_id, block_id=block, left=left,
                right=right, offer_g=10, dealt_at=now, expires_at=now + LIFE, segment=cast % len(test.audience.quotas),
            )  # fmt: skip
            batch.append(Vote(matchup, Choice.LEFT if rng.random() < 0.5 else Choice.RIGHT, 1500, now))
            cast += 1
        async with transaction(engine) as conn:
            await votes.append((await conn.get_raw_connection()).driver_connection, batch)
        await asyncio.sleep(max(0.0, started + cast / rate - BATCH_S - time.perf_counter()))
    return cast


async def watch(http: aiohttp.ClientSession, url: str, key: str, until: float) -> list[float]:
    """Moments at which one merchant's page was told something new."""
    seen: list[float] = []
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(until - time.perf_counter()),
            http.get(url, headers={"Authorization": f"Bearer {key}"}) as reply,
        ):
            async for line in reply.content:
                seen += [time.perf_counter()] if line.startswith(b"id: ") else []
    return seen


async def measure(
    postgres: EmbeddedPostgres, folder: Path, *, rate: int, watchers: int, seconds: float
) -> dict[str, Any]:
    """Vote and watch at once."""
    url = await new_database(postgres, "live")
    engine = engine_from(url, pool_size=3)
    merchant_id, test = await played(engine, folder / "media", n_votes=400, taste=0.02)
    keys = await keys_of(engine, merchant_id, watchers)
    async with refitting(url) as fitter, door(url, folder) as address:
        pids = (listener(address), fitter)
        timeout, connector = aiohttp.ClientTimeout(total=None), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=2**20) as http:
            events = f"{address}/v1/merchant/tests/{test.test_id}/events"
            before_s, began = [processor_s(pid) for pid in pids], time.perf_counter()
            looks, cast = await asyncio.gather(
                asyncio.gather(*(watch(http, events, key, began + seconds) for key in keys)),
                vote(engine, test, rate=rate, seconds=seconds),
            )
            door_s, refit_s = (processor_s(pid) - was for pid, was in zip(pids, before_s, strict=True))
    await engine.dispose()
    gaps = np.concatenate([np.diff(each) for each in looks if len(each) > 1])
    return {
        "votes_per_s": round(cast / seconds), "watchers": watchers, "seconds": seconds,
        "updates_per_watcher": round(float(np.mean([len(each) for each in looks])), 1),
        "gap_median_s": round(float(np.median(gaps)), 2), "gap_p95_s": round(float(np.quantile(gaps, 0.95)), 2),
        "gap_worst_s": round(float(gaps.max()), 2), "door_percent_of_a_core": round(100 * door_s / seconds, 1),
        "refit_percent_of_a_core": round(100 * refit_s / seconds, 1),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=500, help="votes a second")
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--quick", action="store_true", help="five seconds")
    parser.add_argument("--json", type=Path, help="write the result here, one line of JSON")
    parser.add_argument("--refit", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds = min(arguments.seconds, 5.0)
    if arguments.refit:
        asyncio.run(refit(arguments.refit))
    with tempfile.TemporaryDirectory() as place, EmbeddedPostgres(Path(place) / "pg", durable=False) as postgres:
        result = asyncio.run(
            measure(postgres, Path(place), rate=arguments.rate, watchers=arguments.watchers, seconds=arguments.seconds)
        )
    table = Table(*result, title="Live view")
    table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

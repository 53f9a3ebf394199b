"""What one vote costs: this service against a bare endpoint, and against itself with a transaction per request.

    python -m bench.vote_path [--quick] [--requests 20000] [--connections 256] [--votes 200000] [--json OUT]

Everything runs on this machine in one go: PostgreSQL with durable commits, one server process on the first core, the
load client (and PostgreSQL) on the others. Only ratios are worth comparing between machines.
"""

import contextlib
import dataclasses
import gc
import json
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import click
import msgspec
import psutil
import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench.client import Load, fire, post
from game.matchup import Matchup, device_tag, sign
from game.segments import Audience
from game.style_test import Style, StyleTest, numbered
from ranking.pairing import Goal
from rewards.economy import Economy
from server.config import Config
from server.edge.auth import PlayerSession, issue_token
from server.embedded import EmbeddedPostgres
from server.flows.fund_merchant import fund_merchant
from server.flows.launch_test import launch_test
from server.flows.reserve_block import reserve_block
from server.ids import uuid7
from server.jobs.refit_rankings import RefitRankings
from server.migrations import upgrade
from server.running import api, configure_logging, run, until_told
from server.stores import tests
from server.stores.db import engine_from, plain, transaction

PLAYERS = 4000


def phone_of(player: UUID) -> bytes:
    """Everybody has a phone of his own."""
    return device_tag(f"phone of {player}")


def main_of_bare(port: int) -> None:
    """(a) An endpoint that parses a body and returns one of the size of ours, and does nothing else."""
    _pin(0)
    answer = json.dumps(
        {
            "receipts": [
                {"matchup_id": str(UUID(int=1)), "status": "counted", "code": None, "grant_g": 10, "agreement": None}
            ],
            "fertilizer": {"available_g": 0, "held_g": 10},
        }
    ).encode()

    async def echo(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        assert body["answers"]
        return web.Response(body=answer, content_type="application/json")

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/answers", echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        gc.collect()
        gc.freeze()
        await until_told()

    run(serve())


def main_of_service(config: Config) -> None:
    """(b, c, d) The players' application, one process."""
    _pin(0)
    configure_logging(level="error")

    async def serve() -> None:
        async with api(config):
            await until_told()

    run(serve())


def _pin(core: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(0, {core})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(target: Any, argument: Any, port: int) -> Iterator[psutil.Process]:
    """A server process that listens on `port`."""
    child = multiprocessing.get_context("spawn").Process(target=target, args=(argument,))
    child.start()
    assert child.pid
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            break
        time.sleep(0.05)
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.join(timeout=20)


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """A launched test, a block of its grams, and players with tokens."""

    test: StyleTest
    block_id: UUID
    players: list[UUID]
    tokens: list[str]
    config: Config


async def prepare(config: Config) -> World:
    """A database with one running test of twelve styles, and players who are logged in."""
    assert config.database_url
    await upgrade(config.database_url)
    engine = engine_from(config.database_url)
    now = datetime.now(UTC)
    economy = Economy()
    test = StyleTest(
        test_id=uuid7(),
        merchant_id=uuid7(),
        title="bench",
        goal=Goal(keep=3, certainty="proven", confidence=0.9999, indifference=0.0),
        audience=Audience(),
        budget_fen=100_000_00,
        created_at=now,
        styles=numbered([Style(uuid7(), 0, f"style {n}", picture=f"{n:064x}") for n in range(12)]),
    )
    async with transaction(engine) as conn:
        await tests.add_merchant(conn, merchant_id=test.merchant_id, name="bench", now=now)
        await fund_merchant(conn, merchant_id=test.merchant_id, amount_fen=test.budget_fen, payment_no="bench", now=now)
        await tests.add(conn, test)
        await launch_test(conn, test.test_id, merchant_id=test.merchant_id, economy=economy, who="bench", now=now)
        block = await reserve_block(
            conn,
            budget_id=test.test_id,
            process_id=uuid7(),
            wanted_g=5_000_000,
            economy=economy,
            ticket_life=timedelta(hours=1),
            now=now,
        )
    players = [uuid7() for _ in range(PLAYERS)]
    connection = await asyncpg.connect(plain(config.database_url))
    await connection.executemany(
        "insert into players (player_id, created_at, hold_s) values ($1, $2, 600)",
        [(player, now) for player in players],
    )
    await connection.close()
    await engine.dispose()
    tokens = [
        issue_token(PlayerSession(player, uuid7(), phone_of(player), now + timedelta(hours=3)), config.token_keys)
        for player in players
    ]
    return World(test, block.id, players, tokens, config)


def requests_of(world: World, requests: int, answers: int, seed: int) -> list[bytes]:
    """Prepared requests of so many fresh answers each; players take turns."""
    now = datetime.now(UTC)
    prepared = []
    for number in range(requests):
        who = (number + seed) % len(world.players)
        body = []
        for k in range(answers):
            left = (number + k) % 12
            matchup = Matchup(
                matchup_id=uuid7(),
                player_id=world.players[who],
                test_id=world.test.test_id,
                block_id=world.block_id,
                left=left,
                right=(left + 1 + (number + k) % 11) % 12,
                offer_g=10,
                dealt_at=now,
                expires_at=now + timedelta(hours=1),
                device=phone_of(world.players[who]),
            )
            choice = "left" if (number * 7 + k * 3) % 5 < 3 else "right"
            body.append({"ticket": sign(matchup, world.config.ticket_keys), "choice": choice, "took_ms": 1800})
        prepared.append(post("/v1/answers", msgspec.json.encode({"answers": body}), world.tokens[who]))
    return prepared


async def measure(port: int, prepared: list[bytes], connections: int) -> Load:
    """One run, after a short warm-up whose requests are not counted."""
    warm = min(len(prepared) // 10, 2000)
    await fire("127.0.0.1", port, prepared[:warm], connections=min(connections, max(1, warm)))
    load = await fire("127.0.0.1", port, prepared[warm:], connections=connections)
    assert set(load.statuses) == {200}, (load.statuses, load.bodies[:1])
    return load


async def refit_seconds(config: Config) -> tuple[float, int]:
    """Seconds of a refit (fit, decision, snapshot) once all votes have been counted, and how many there are."""
    assert config.database_url
    engine = engine_from(config.database_url, pool_size=2)
    job = RefitRankings(engine)
    now = datetime.now(UTC)
    await job.run(now)
    bench = next(iter(job._benches.values()))
    best = float("inf")
    for _ in range(5):
        bench.fitted_votes = -1
        started = time.perf_counter()
        await job.run(now)
        best = min(best, time.perf_counter() - started)
    await engine.dispose()
    return best, bench.votes


def answered(config: Config, prepared: list[bytes], connections: int) -> tuple[Load, float, float]:
    """(load, resident MB before, resident MB after) of the service answering these requests."""
    with process(main_of_service, config, config.port) as server:
        before = server.memory_info().rss / 1e6
        load = uvloop.run(measure(config.port, prepared, connections))
        return load, before, server.memory_info().rss / 1e6


@click.command()
@click.option(
    "--requests", default=20_000, show_default=True, help="Requests of (a) and (b); (c) a quarter, (d) an eighth."
)
@click.option("--connections", default=256, show_default=True)
@click.option("--votes", default=200_000, show_default=True, help="Votes until memory and refit are measured again.")
@click.option("--quick", is_flag=True, help="A small run: 6000 requests, 30 000 votes.")
@click.option(
    "--json", "out", type=click.Path(path_type=Path), default=None, help="Append the line of JSON to this file, too."
)
def main(requests: int, connections: int, votes: int, quick: bool, out: Path | None) -> None:
    """Measure the vote path."""
    if quick:
        requests, votes = min(requests, 6_000), min(votes, 30_000)
    cores = os.cpu_count() or 1
    if cores > 1:
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setaffinity(0, set(range(1, cores)))
    with (
        tempfile.TemporaryDirectory(prefix="xk-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "database") as postgres,
    ):
        config = dataclasses.replace(
            Config.from_environment({}, mode="demo"),
            database_url=postgres.url,
            data_dir=Path(folder) / "data",
            port=_free_port(),
        )
        world = uvloop.run(prepare(config))
        loads: dict[str, Load] = {}
        bare_port = _free_port()
        with process(main_of_bare, bare_port, bare_port):
            loads["a"] = uvloop.run(measure(bare_port, requests_of(world, requests, 1, 0), connections))
        loads["b"], _, _ = answered(config, requests_of(world, requests, 1, 1), connections)
        loads["c"], _, _ = answered(config, requests_of(world, requests // 4, 10, 2), connections)
        loads["d"], _, _ = answered(
            dataclasses.replace(config, desk=False), requests_of(world, requests // 8, 1, 3), connections
        )
        refit_early_s, early_votes = uvloop.run(refit_seconds(config))
        missing = max(0, votes - early_votes)
        memory = {"before_mb": 0.0, "after_mb": 0.0}
        if missing:
            _, memory["before_mb"], memory["after_mb"] = answered(
                config, requests_of(world, missing // 50 + 1, 50, 4), min(connections, 64)
            )
        refit_late_s, late_votes = uvloop.run(refit_seconds(config))
    result = {
        "bench": "vote_path",
        "connections": connections,
        "runs": {
            name: {
                "requests_per_s": round(load.per_second, 1),
                "votes_per_s": round(load.per_second * (10 if name == "c" else 1), 1),
                "p50_ms": round(load.percentile_ms(50), 2),
                "p99_ms": round(load.percentile_ms(99), 2),
            }
            for name, load in loads.items()
        },
        "b_to_a": round(loads["b"].per_second / loads["a"].per_second, 3),
        "b_to_d": round(loads["b"].per_second / loads["d"].per_second, 1),
        "c_votes_to_b": round(10 * loads["c"].per_second / loads["b"].per_second, 2),
        "api_memory_mb": {key: round(value, 1) for key, value in memory.items()},
        "refit_ms": {
            "votes": [early_votes, late_votes],
            "ms": [round(1000 * refit_early_s, 1), round(1000 * refit_late_s, 1)],
        },
        "refit_late_to_early": round(refit_late_s / refit_early_s, 2),
    }
    _show(result)
    line = json.dumps(result)
    print(line)
    if out is not None:
        with out.open("a") as file:
            file.write(line + "\n")


def _show(result: dict[str, Any]) -> None:
    names = {
        "a": "bare endpoint", "b": "answers, one a request", "c": "answers, ten a request", "d": "a transaction per request",
    }  # fmt: skip
    table = Table(title=f"The way of a vote, {result['connections']} connections, one server process")
    for column in ("", "run", "requests/s", "votes/s", "p50 ms", "p99 ms", "to (a)"):
        table.add_column(column, justify="right" if column not in ("", "run") else "left")
    base = result["runs"]["a"]["requests_per_s"]
    for name, row in result["runs"].items():
        votes = "" if name == "a" else f"{row['votes_per_s']:.0f}"
        table.add_row(
            name, names[name], f"{row['requests_per_s']:.0f}", votes, f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}",
            f"{row['requests_per_s'] / base:.2f}",
        )  # fmt: skip
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()

"""Milliseconds to the first byte of every page and call of a merchant, in a database of so many tests and votes.

    python -m bench.console_pages                      1 000 tests, 1 000 000 votes, all of one merchant: two minutes
    python -m bench.console_pages --quick              40 tests, 20 000 votes
    python -m bench.console_pages --json out.json

One test is played and fitted by the engine itself; its votes, snapshots and books are then copied to all others. The
door runs in a process of its own, as in production; one caller asks for one page after another.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.filled_books import new_database
from game.judging import Vote
from game.matchup import Choice, Matchup
from game.style_test import StyleTest
from rewards.economy import Economy
from server.embedded import EmbeddedPostgres
from server.files.test_folder import read_test_folder
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.ids import uuid7
from server.jobs.refit_rankings import RefitRankings
from server.stores import players, tests, votes
from server.stores.db import engine_from, plain, transaction

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "summer-dresses"
LIFE = timedelta(minutes=30)
GOAL_MS, GOAL_RANKING_MS = 100.0, 20.0

# Every row of the pattern again for each further test, under ids that are hashes of the old id and the test's number.
_COPIES = """
create function pg_temp.again(id uuid, number bigint) returns uuid language sql immutable as
    $$ select case when number = 0 then id else md5(id::text || number)::uuid end $$;

insert into style_tests (test_id, merchant_id, title, title_en, question, question_en, goal, audience, budget_fen, state,
                         ends_at, min_days, created_at, launched_at, ended_at)
select pg_temp.again(test_id, n), merchant_id, title || ' ' || n, title_en, question, question_en, goal, audience,
       budget_fen, case n % 20 when 0 then 'running' when 1 then 'draft' else 'decided' end, null, min_days,
       created_at - n * interval '1 hour', case when n % 20 <> 1 then launched_at - n * interval '1 hour' end,
       case when n % 20 > 1 then launched_at end
from style_tests, generate_series(1, {tests} - 1) n where test_id = '{pattern}';

insert into styles (style_id, test_id, position, title, title_en, picture, attributes, decoy, cost_fen, price_fen)
select pg_temp.again(style_id, n), pg_temp.again(test_id, n), position, title, title_en, picture, attributes, decoy,
       cost_fen, price_fen
from styles, generate_series(1, {tests} - 1) n where test_id = '{pattern}';

insert into snapshots (test_id, version, at, votes, document, state)
select pg_temp.again(s.test_id, n), s.version + v, s.at + v * interval '1 second', s.votes,
       jsonb_set(jsonb_set(s.document, '{{test_id}}', to_jsonb(pg_temp.again(s.test_id, n))), '{{items}}',
                 (select jsonb_agg(jsonb_set(i, '{{style_id}}', to_jsonb(pg_temp.again((i->>'style_id')::uuid, n)))
                                   order by o)
                  from jsonb_array_elements(s.document->'items') with ordinality x(i, o))),
       s.state
from snapshots s, generate_series(1, {tests} - 1) n, generate_series(0, 4) v
where s.test_id = '{pattern}' and n % 20 <> 1
  and s.version = (select max(version) from snapshots where test_id = '{pattern}');

insert into budgets (budget_id, kind, merchant_id, rate_fen, rate_g, paid_fen, bought_g, charged_g, purchases, opened_at)
select pg_temp.again(budget_id, n), kind, merchant_id, rate_fen, rate_g, paid_fen, bought_g, 0, purchases, opened_at
from budgets, generate_series(1, {tests} - 1) n where budget_id = '{pattern}' and n % 20 <> 1;

insert into votes (player_id, matchup_id, test_id, dealt_at, answered_at, block_id, took_ms, snapshot, probability,
                   left_position, right_position, choice, segment, offer_g, flags, device)
select player_id, pg_temp.again(matchup_id, n), pg_temp.again(test_id, n), dealt_at - n * interval '1 hour',
       answered_at - n * interval '1 hour', block_id, took_ms, snapshot, probability, left_position, right_position, choice,
       segment, offer_g, flags, device
from votes, generate_series(1, {tests} - 1) n where test_id = '{pattern}' and n % 20 <> 1;

insert into actual_sales (test_id, style_id, units, told_at)
select s.test_id, s.style_id, 100 + 37 * (12 - s.position), now()
from styles s join style_tests t using (test_id)
where t.state = 'decided' and not s.decoy and right(t.title, 1) = '7';
"""


async def played(engine: AsyncEngine, media_dir: Path, *, n_votes: int, taste: float = 0.3) -> tuple[UUID, StyleTest]:
    """(merchant, test): the sample, launched, with votes of shoppers on record and fitted."""
    now, economy = datetime.now(UTC), Economy()
    draft = await asyncio.to_thread(read_test_folder, SAMPLE, now=now)
    async with transaction(engine) as conn:
        merchant_id = await house_merchant(conn, now=now)
        test = await import_test(
            conn, replace(draft, ends_at=None), merchant_id=merchant_id, media_dir=media_dir, now=now
        )
        await fund_merchant(conn, merchant_id=merchant_id, amount_fen=10_000_000, payment_no="bench", now=now)
        launched = now - timedelta(hours=2)
        running = await launch_test(
            conn, test.test_id, merchant_id=merchant_id, economy=economy, who="bench", now=launched
        )
    assert running is not None
    n, rng = len(test.ranked), np.random.default_rng(1)
    liking = np.linspace(taste, -taste, n)
    ids = [uuid7() for _ in range(max(40, n_votes // 20))]
    block, batch = uuid7(), []
    for number in range(n_votes):
        left, right = (int(each) for each in rng.choice(n, 2, replace=False))
        at = launched + timedelta(seconds=number)
        matchup = Matchup(
            matchup_id=uuid7(), player_id=ids[number % len(ids)], test_id=test.test_id, block_id=block, left=left,
            right=right, offer_g=10, dealt_at=at, expires_at=at + LIFE, segment=number % len(test.audience.quotas),
        )  # fmt: skip
        won = rng.random() < 1 / (1 + np.exp(liking[right] - liking[left]))
        batch.append(Vote(matchup, Choice.LEFT if won else Choice.RIGHT, 1500, at))
    async with transaction(engine) as conn:
        await conn.execute(players.players.insert(), [{"player_id": each, "created_at": now} for each in ids])
    async with transaction(engine) as conn:
        raw = (await conn.get_raw_connection()).driver_connection
        await votes.append(raw, batch)
    await RefitRankings(engine).run(now)
    return merchant_id, running


async def keys_of(engine: AsyncEngine, merchant_id: UUID, count: int) -> list[str]:
    """API keys of the merchant: the door's rate limit is one of each key."""
    keys = [f"xk-bench-{number}-{uuid7()}" for number in range(count)]
    async with transaction(engine) as conn:
        for key in keys:
            await tests.add_api_key(
                conn, key_id=uuid7(), digest=hashlib.sha256(key.encode()).digest(), merchant_id=merchant_id, name="bench",
                scopes=["read", "write"], now=datetime.now(UTC),
            )  # fmt: skip
    return keys


async def copied(url: str, pattern: UUID, n_tests: int) -> None:
    """The pattern's rows again for every further test."""
    connection = await asyncpg.connect(plain(url))
    try:
        await connection.execute("set session_replication_role = replica")  # copies of rows that the laws have passed
        await connection.execute(_COPIES.format(tests=n_tests, pattern=pattern))
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def some_test(url: str, state: str) -> UUID:
    """A test in this state, from the middle of the list."""
    connection = await asyncpg.connect(plain(url))
    try:
        return UUID(
            str(
                await connection.fetchval(
                    "select test_id from (select test_id, row_number() over (order by created_at) as place, count(*) over ()"
                    " as of from style_tests where state = $1) t where place = (of + 1) / 2",
                    state,
                )
            )
        )
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def door(url: str, data_dir: Path) -> AsyncIterator[str]:
    """The door as a process of its own; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ, "XUANKUAN_MODE": "demo", "DATABASE_URL": url, "XUANKUAN_DATA_DIR": str(data_dir),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin", "--port", str(port), env=environment, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:
            for _ in range(300):
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{address}/health/ready") as reply:
                        if reply.status == 200:
                            break
                await asyncio.sleep(0.1)
        yield address
    finally:
        process.terminate()
        await process.wait()


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listener(address: str) -> int:
    """The process id of the door at this address."""
    port = address.rsplit(":", 1)[1].encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_bytes().endswith(b"\0-m\0admin\0--port\0" + port + b"\0"):
                return int(entry.name)
    raise LookupError(address)


async def first_bytes(http: aiohttp.ClientSession, method: str, url: str, key: str, times: int) -> list[float]:
    """Milliseconds until the first byte of the body, `times` times; the first call of all is not counted."""
    took = []
    for _ in range(times + 1):
        started = time.perf_counter()
        async with http.request(method, url, headers={"Authorization": f"Bearer {key}"}, json=None) as reply:
            assert reply.status == 200, (url, reply.status, await reply.text())
            await reply.content.readany()
            took.append(1000 * (time.perf_counter() - started))
            await reply.read()
    return took[1:]


async def measure(
    postgres: EmbeddedPostgres, folder: Path, *, n_tests: int, n_votes: int, times: int
) -> dict[str, Any]:
    """Fill, start the door, ask."""
    say = Console(stderr=True).print
    url = await new_database(postgres, "pages")
    engine = engine_from(url, pool_size=3)
    started = time.perf_counter()
    merchant_id, pattern = await played(engine, folder / "media", n_votes=max(200, n_votes // n_tests))
    await copied(url, pattern.test_id, n_tests)
    draft, running, decided = [await some_test(url, state) for state in ("draft", "running", "decided")]
    say(f"filled in {time.perf_counter() - started:.0f} s")
    api, own = "/v1/merchant", "/v1/merchant/tests/"
    asked = [
        ("GET", "/"), ("GET", "/tests/new"), ("GET", f"/tests/{draft}"), ("GET", f"/tests/{running}"),
        ("GET", f"/tests/{decided}"), ("GET", "/billing"), ("GET", "/afterwards"), ("GET", "/settings"),
        ("GET", f"{api}/tests"), ("GET", f"{own}{running}"), ("GET", f"{own}{draft}"), ("POST", f"{own}{draft}/quote"),
        ("GET", f"{own}{running}/ranking"), ("GET", f"{own}{running}/decision"),
        *(("GET", f"{own}{decided}/report.{kind}") for kind in ("html", "json", "csv", "xlsx")),
        ("GET", f"{own}{decided}/plan"), ("GET", f"{own}{decided}/votes.csv"), ("GET", f"{own}{decided}/sales"),
        ("GET", f"{api}/hit-rate"), ("GET", f"{api}/billing"), ("GET", f"{api}/webhooks"), ("GET", f"{api}/keys"),
    ]  # fmt: skip
    keys = await keys_of(engine, merchant_id, len(asked))
    await engine.dispose()
    names = {str(draft): "draft", str(running): "running", str(decided): "decided"}
    found = {}
    async with door(url, folder) as address, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        pid = listener(address)
        for (method, path), key in zip(asked, keys, strict=True):
            before_s = processor_s(pid)
            took = await first_bytes(http, method, address + path, key, times)
            worked_ms = 1000 * (processor_s(pid) - before_s) / (times + 1)
            for test_id, name in names.items():
                path = path.replace(test_id, name)
            found[f"{method} {path}"] = {
                "median_ms": round(float(np.median(took)), 1), "p95_ms": round(float(np.quantile(took, 0.95)), 1),
                "door_ms": round(worked_ms, 1),
            }  # fmt: skip
    return {"tests": n_tests, "votes": n_votes, "pages": found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 tests, 20 000 votes")
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the result here, one line of JSON")
    arguments = parser.parse_args()
    n_tests, n_votes = (40, 20_000) if arguments.quick else (arguments.tests, arguments.votes)
    with tempfile.TemporaryDirectory() as place, EmbeddedPostgres(Path(place) / "pg", durable=False) as postgres:
        result = asyncio.run(measure(postgres, Path(place), n_tests=n_tests, n_votes=n_votes, times=arguments.times))
    table = Table(
        "page",
        "median ms",
        "p95 ms",
        "of it the door's processor, ms",
        title=f"First byte, {n_tests} tests, {n_votes} votes",
    )
    for name, row in result["pages"].items():
        goal = GOAL_RANKING_MS if name.endswith("/ranking") else GOAL_MS
        late = " over the goal" if row["median_ms"] > goal else ""
        table.add_row(name, str(row["median_ms"]), f"{row['p95_ms']}{late}", str(row["door_ms"]))
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

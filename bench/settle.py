"""Grants settled a second: real tables, real workers, in batches; every law of the books is checked afterwards."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.filled_books import cpu_s_below, fill, new_database
from server.embedded import EmbeddedPostgres
from server.jobs.settle_grants import BATCH, SettleGrants
from server.stores.db import engine_from
from server.stores.invariants import all_laws, audit


async def settle(
    postgres: EmbeddedPostgres, *, n_grants: int, n_players: int, n_tests: int, n_workers: int, batch: int
) -> dict[str, Any]:
    """One measurement on a database of its own."""
    url = await new_database(postgres, f"settle_{n_workers}")
    engine = engine_from(url, pool_size=n_workers + 1)
    try:
        await fill(engine, n_grants=n_grants, n_players=n_players, n_tests=n_tests, settled=False)
        jobs = [SettleGrants(engine, batch=batch) for _ in range(n_workers)]
        now = datetime.now(UTC)
        cpu_s = cpu_s_below(postgres.pid)
        started = time.perf_counter()
        settled = sum(await asyncio.gather(*(job.run(now) for job in jobs)))
        seconds = time.perf_counter() - started
        cpu_s = cpu_s_below(postgres.pid) - cpu_s
        assert settled == n_grants
        broken = await _broken(engine)
    finally:
        await engine.dispose()
    return {
        "grants": n_grants,
        "players": n_players,
        "workers": n_workers,
        "batch": batch,
        "seconds": round(seconds, 2),
        "grants_per_s": round(n_grants / seconds),
        # What the database's processes used: on a machine that does other things, too, the figure to compare.
        "grants_per_cpu_s": round(n_grants / cpu_s) if cpu_s else None,
        "broken_laws": broken,
    }


async def _broken(engine: AsyncEngine) -> list[str]:
    return [finding.code async for finding in audit(engine, all_laws()) if not finding.holds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--grants", type=int, default=200_000)
    parser.add_argument("--players", type=int, default=10_000)
    parser.add_argument("--tests", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--json", type=Path, help="write the rows here, one line of JSON")
    arguments = parser.parse_args()
    shrink = 10 if arguments.quick else 1
    sizes = {
        "n_grants": arguments.grants // shrink,
        "n_players": arguments.players // shrink,
        "n_tests": arguments.tests,
        "batch": arguments.batch,
    }
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        rows = [asyncio.run(settle(postgres, n_workers=n_workers, **sizes)) for n_workers in arguments.workers]
    table = Table(*rows[0], title="Settlement")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"bench": "settle", "rows": rows}) + "\n", encoding="utf-8")
    return int(any(row["broken_laws"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

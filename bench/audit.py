"""Seconds for an audit of books with so many transfers: every law, and every seal, one by one and together."""

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
from server.jobs.seal_books import SealBooks
from server.stores.db import engine_from
from server.stores.invariants import AnyLaw, audit, every_law


async def measure(
    postgres: EmbeddedPostgres, *, n_transfers: int, connections: int, one_by_one: bool
) -> dict[str, Any]:
    """Fill books, seal them, audit them."""
    engine = engine_from(await new_database(postgres, "audited"), pool_size=connections)
    say = Console(stderr=True).print
    try:
        started = time.perf_counter()
        await fill(engine, n_grants=n_transfers, n_players=max(10, n_transfers // 100), n_tests=50, settled=True)
        say(f"filled in {time.perf_counter() - started:.0f} s")
        started = time.perf_counter()
        await SealBooks(engine).seal_all(datetime.now(UTC))
        say(f"sealed in {time.perf_counter() - started:.0f} s")
        # Twice: the second finds in memory what the first read, as an audit does on a machine with enough of it.
        cold_s = await _seconds(engine, every_law(), connections)
        cpu_s = cpu_s_below(postgres.pid)
        warm_s = await _seconds(engine, every_law(), connections)
        cpu_s = cpu_s_below(postgres.pid) - cpu_s
        each_s = {law.code: round(await _seconds(engine, [law], 1), 2) for law in every_law()} if one_by_one else {}
    finally:
        await engine.dispose()
    return {
        "transfers": n_transfers,
        "connections": connections,
        "first_s": round(cold_s, 1),
        "second_s": round(warm_s, 1),
        "per_million_s": round(warm_s / n_transfers * 1e6, 1),
        # Of all processes of the database: on a machine that does other things, too, the figure to compare.
        "cpu_per_million_s": round(cpu_s / n_transfers * 1e6, 1),
        "laws_s": each_s,
    }


async def _seconds(engine: AsyncEngine, laws: tuple[AnyLaw, ...] | list[AnyLaw], connections: int) -> float:
    started = time.perf_counter()
    broken = [finding.code async for finding in audit(engine, laws, connections=connections) if not finding.holds]
    assert broken == [], broken
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fifty thousand transfers")
    parser.add_argument("--transfers", type=int, default=1_000_000)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--one-by-one", action="store_true", help="time each law by itself, too")
    parser.add_argument("--json", type=Path, help="write the result here, one line of JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=False) as postgres:
        result = asyncio.run(
            measure(
                postgres,
                n_transfers=50_000 if arguments.quick else arguments.transfers,
                connections=arguments.connections,
                one_by_one=arguments.one_by_one,
            )
        )
    laws_s = result.pop("laws_s")
    table = Table(*result, title="Audit")
    table.add_row(*(str(value) for value in result.values()))
    console = Console(width=120)
    console.print(table)
    for code, seconds in sorted(laws_s.items(), key=lambda item: -item[1]):
        console.print(f"{seconds:8.2f} s  {code}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"bench": "audit", **result, "laws_s": laws_s}) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Spend against plan, hour by hour, in a simulated day with bursts: real budgets, desks, jobs and votes on PostgreSQL."""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.filled_books import new_database
from game.judging import Vote
from game.matchup import Choice, Matchup
from rewards.economy import DEFAULT
from rewards.pacing import EVENING_PEAK, planned_g
from server.budget_desk import BudgetDesk
from server.embedded import EmbeddedPostgres
from server.flows.buy_budget import buy_budget
from server.flows.fund_merchant import fund_merchant
from server.ids import uuid7
from server.jobs.pace_budgets import PaceBudgets
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.settle_grants import SettleGrants
from server.stores import budgets, players, votes
from server.stores.db import engine_from, transaction
from server.stores.invariants import all_laws, audit

MIDNIGHT = datetime(2030, 6, 3, 16, tzinfo=UTC)  # in Beijing
STEP_S = 10
TICKET_LIFE = timedelta(minutes=30)
PROCESSES = 2
NEVER_ANSWERED = 7
"""One offer in so many runs out."""


@dataclass(slots=True)
class Day:
    """The simulated day: its clock, and the answers that are on their way."""

    now: datetime = MIDNIGHT
    answers: dict[int, list[Vote]] = field(default_factory=dict)

    def __call__(self) -> datetime:
        return self.now


def wished(rng: np.random.Generator, n_votes: int) -> np.ndarray:
    """Offers asked for in each step of a day: 4.5 times what the plan has, two thirds of it in bursts of 90 s."""
    asked = np.zeros(86_400, dtype=np.int64)
    for hour, weight in enumerate(EVENING_PEAK):
        target = n_votes * weight // sum(EVENING_PEAK)
        np.add.at(asked, hour * 3_600 + rng.integers(0, 3_600, 3 * target // 2), 1)
        for _ in range(3):
            np.add.at(asked, hour * 3_600 + int(rng.integers(0, 3_500)) + rng.integers(0, 90, target), 1)
    return asked.reshape(-1, STEP_S).sum(axis=1)


async def simulate(engine: AsyncEngine, *, n_votes: int, hours: range, seed: int) -> list[dict[str, Any]]:
    """Live through the hours; returns planned and spent grams of each, and how much was asked for."""
    rng, day = np.random.default_rng(seed), Day(MIDNIGHT + timedelta(hours=hours.start))
    test_id, merchant_id = uuid7(), uuid7()
    everyone = [uuid7() for _ in range(200)]
    budget_fen = n_votes * DEFAULT.vote_price_fen
    async with transaction(engine) as conn:
        await conn.execute(
            sa.insert(players.players), [{"player_id": each, "created_at": day.now, "hold_s": 5} for each in everyone]
        )
        await fund_merchant(conn, merchant_id=merchant_id, amount_fen=budget_fen, payment_no="p", now=day.now)
        await buy_budget(
            conn, test_id=test_id, merchant_id=merchant_id, budget_fen=budget_fen, economy=DEFAULT, now=day.now,
            plan_ends_at=MIDNIGHT + timedelta(hours=hours.stop),
        )  # fmt: skip
    desks = [BudgetDesk(engine, economy=lambda: DEFAULT, ticket_life=TICKET_LIFE, clock=day) for _ in range(PROCESSES)]
    pacing, settling, releasing = PaceBudgets(engine), SettleGrants(engine), ReleaseBlocks(engine)
    share = sum(EVENING_PEAK) / sum(EVENING_PEAK[hour] for hour in hours)
    asked = wished(rng, int(n_votes * share))
    spent, offered, wanted = dict.fromkeys(hours, 0), dict.fromkeys(hours, 0), dict.fromkeys(hours, 0)
    for step in range(hours.start * 3_600 // STEP_S, hours.stop * 3_600 // STEP_S):
        hour = step * STEP_S // 3_600
        day.now = MIDNIGHT + timedelta(seconds=step * STEP_S)
        await pacing.run(day.now)
        for number, desk in enumerate(desks):
            await desk.look(passed_s=STEP_S)
            await desk.keep_up()
            for _ in range(int(asked[step]) // PROCESSES + (number < int(asked[step]) % PROCESSES)):
                wanted[hour] += 10
                block_id = desk.offer(test_id, 10)
                if block_id is None:
                    continue
                offered[hour] += 10
                if rng.integers(0, NEVER_ANSWERED):
                    vote = _vote(everyone[int(rng.integers(0, len(everyone)))], test_id, block_id, day.now)
                    day.answers.setdefault(step + int(rng.integers(1, 7)), []).append(vote)
        if due := day.answers.pop(step, []):
            async with transaction(engine) as conn:
                raw = (await conn.get_raw_connection()).driver_connection
                await votes.append(raw, due)
            spent[hour] += 10 * len(due)
        if step % 6 == 0:
            await settling.run(day.now)
            await releasing.run(day.now)
    async with engine.connect() as conn:
        budget = await budgets.find(conn, test_id)
    assert budget is not None
    plan = budgets.plan_of(budget)
    assert plan is not None
    rows = []
    for hour in hours:
        at = MIDNIGHT + timedelta(hours=hour)
        planned = planned_g(plan, at + timedelta(hours=1)) - planned_g(plan, at)
        rows.append(
            {
                "hour": hour,
                "planned_g": planned,
                "spent_g": spent[hour],
                "off_percent": round(100 * (spent[hour] - planned) / planned, 1),
                "offered_g": offered[hour],
                "asked_g": wanted[hour],
            }
        )
    return rows


def _vote(player_id: UUID, test_id: UUID, block_id: UUID, now: datetime) -> Vote:
    matchup = Matchup(
        matchup_id=uuid7(), player_id=player_id, test_id=test_id, block_id=block_id, left=0, right=1, offer_g=10,
        dealt_at=now, expires_at=now + TICKET_LIFE,
    )  # fmt: skip
    return Vote(matchup, Choice.LEFT, 1500, now)


async def measure(url: str, **sizes: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """One day on a database of its own, and the laws of the books that are broken after it."""
    engine = engine_from(url, pool_size=6)
    try:
        rows = await simulate(engine, **sizes)
        broken = [finding.code async for finding in audit(engine, all_laws()) if not finding.holds]
    finally:
        await engine.dispose()
    return rows, broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two hours of the morning's rise")
    parser.add_argument("--votes", type=int, default=24_000, help="what the day's budget pays for")
    parser.add_argument(
        "--hours", type=int, nargs=2, default=(0, 24), metavar=("FROM", "TO"), help="of the Beijing day"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the rows here, one line of JSON")
    arguments = parser.parse_args()
    hours = range(8, 10) if arguments.quick else range(*arguments.hours)
    n_votes = arguments.votes * sum(EVENING_PEAK[hour] for hour in hours) // sum(EVENING_PEAK)

    async def go(postgres: EmbeddedPostgres) -> tuple[list[dict[str, Any]], list[str]]:
        url = await new_database(postgres, "paced")
        return await measure(url, n_votes=n_votes, hours=hours, seed=arguments.seed)

    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=False) as postgres:
        rows, broken = asyncio.run(go(postgres))
    table = Table(*rows[0], title="Pacing")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=120).print(table)
    worst = max(abs(row["off_percent"]) for row in rows)
    Console(width=120).print(f"worst hour: {worst} % off its plan; broken laws: {broken}")
    if arguments.json:
        line = {"bench": "pacing", "rows": rows, "worst_percent": worst, "broken_laws": broken}
        arguments.json.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())

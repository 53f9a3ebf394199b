"""The figures outside the rules: the command that simulates them, and the numbers that operators read."""

import asyncio
import json
import math
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from rewards.economy import DEFAULT, changed
from rewards.prizes import OrderState
from server.cli import cli
from server.jobs.measure_programme import MeasureProgramme
from server.stores import farm
from server.stores.db import engine_from, transaction
from server.stores.programme import programme_numbers
from tests.rewards.builders import ADDRESS
from tests.server.orchard import SMALL, a_harvest, an_orchard, give, move, plant, stock


def simulated(*arguments: str):
    return CliRunner().invoke(cli, ["economy", "simulate", "--players", "10", "--days", "60", *arguments])


def test_a_change_is_shown_beside_what_is() -> None:
    done = simulated("--set", "choice_g=20", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["changed"]["days_to_ripe_p50"] < said["now"]["days_to_ripe_p50"]
    assert said["changed"]["liability_fen"] > 0
    assert "days to ripe, p50" in simulated().stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "choices=3"],
        ["--set", "choice_g"],
        ["--set", "choice_g=-1"],
        ["--set", "choice_g=1.5"],
        ["--choices", "30-8"],
        ["--choices", "many"],
        ["--comes", "0-1001"],
        ["--variety", "durian"],
        ["--players", "0"],
    ],
)
def test_bad_arguments_get_one_sentence_and_exit_2(arguments: list[str]) -> None:
    done = simulated(*arguments)
    assert done.exit_code == 2
    assert "Error: " in done.output
    assert "Traceback" not in done.output


async def test_the_simulation_starts_from_the_figures_that_are_saved(database: str) -> None:
    engine = engine_from(database)
    async with transaction(engine) as conn:
        saved = changed(DEFAULT, {"choice_g": 14})
        await farm.save_economy(conn, saved, who="test", why="test", now=datetime.now(UTC))
    await engine.dispose()
    done = await asyncio.to_thread(
        CliRunner(env={"DATABASE_URL": database}).invoke, cli, ["economy", "show", "--saved", "--json"]
    )
    assert json.loads(done.stdout)["choice_g"] == 14


async def test_the_numbers_are_those_of_the_books(database: str, tmp_path: Path) -> None:
    async with an_orchard(database, tmp_path) as service:
        await stock(service, 3)
        one, other = await service.phone("一"), await service.phone("二")
        redemption_id = await a_harvest(service, one)
        await one.call("PUT", f"/v1/redemptions/{redemption_id}/address", ADDRESS)
        await move(service, redemption_id, OrderState.ORDERED)
        await plant(other)
        await give(service, other, 100)
        await other.call("POST", "/v1/farm/applications", {"times": 1})
        async with service.engine.connect() as conn:
            seen = await programme_numbers(
                conn, economy=SMALL, now=service.clock(), since=service.clock() - timedelta(days=30)
            )
        assert (seen.redeemed_g, seen.trees_g, seen.wallets_g) == (400, 50, 7 + 57)
        assert seen.given_g == seen.redeemed_g + seen.trees_g + seen.wallets_g == 514
        assert seen.liability_fen == -(-(50 + 64) * 1_300 // 400)
        assert (seen.harvests, seen.spent_on_prizes_fen, seen.cost_per_harvest_fen) == (1, 1_300, 1_300)
        assert (seen.days_to_ripe_p50, seen.growing_trees) == (1, 1)
        assert (seen.boxes_promised, seen.boxes_free) == (0, 2)
        assert (seen.valid_votes, seen.cost_per_vote_millifen) == (0, None)
        registry = CollectorRegistry()
        await MeasureProgramme(service.engine, lambda: SMALL, registry).run(service.clock())
        assert registry.get_sample_value("xuankuan_programme_liability_fen") == seen.liability_fen
        for name, value in asdict(seen).items():
            gauge = registry.get_sample_value(f"xuankuan_programme_{name}")
            assert gauge is not None
            assert math.isnan(gauge) if value is None else gauge == value, name
        assert math.isnan(registry.get_sample_value("xuankuan_programme_cost_per_vote_millifen") or 0)

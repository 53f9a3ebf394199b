"""What the figures of the reward programme mean: show them, and simulate a change before it is saved."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from rewards.economy import DEFAULT, Economy, as_figures, changed
from rewards.errors import RewardsRefusal
from rewards.simulate import Crowd, Outlook, simulate
from server.commands import progress, run, screen, settings_without_keys, the_database
from server.stores import farm
from server.stores.db import engine_from, transaction


@click.group("economy")
def command() -> None:
    """What the figures of the reward programme mean."""


@command.command("show")
@click.option("--saved", is_flag=True, help="The figures saved in the database, not the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(saved: bool, as_json: bool) -> None:
    """The figures of the programme, by the names under which they are changed."""
    figures = as_figures(_figures_now(saved))
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False, indent=2))
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, escape(json.dumps(value, ensure_ascii=False)))
    screen().print(table)


@command.command("simulate")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Another figure; may be given many times.")
@click.option("--players", type=click.IntRange(1, 20_000), default=300, show_default=True)
@click.option("--days", type=click.IntRange(1, 1_000), default=120, show_default=True)
@click.option("--choices", metavar="LOW-HIGH", default="8-30", show_default=True, help="Choices wished a day.")
@click.option(
    "--comes",
    metavar="LOW-HIGH",
    default="500-1000",
    show_default=True,
    help="Permille of days on which a player comes.",
)
@click.option(
    "--valid", type=click.IntRange(0, 1_000), default=930, show_default=True, help="Permille of choices that count."
)
@click.option("--variety", default="apple", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32), default=1, show_default=True)
@click.option("--saved", is_flag=True, help="Start from the figures saved in the database, not from the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate_command(
    settings: tuple[str, ...], players: int, days: int, choices: str, comes: str, valid: int, variety: str, seed: int,
    saved: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Let a crowd play under the figures as they are and as they would be.

    Shows days to ripe, what a valid vote costs, what is owed at the end, and how much fruit is wanted. A saved change
    is for trees planted afterwards; here all trees are planted on the first day.
    """
    crowd = Crowd(
        players=players,
        days=days,
        choices_a_day=_span("--choices", choices, 0, 1_000),
        comes_permille=_span("--comes", comes, 0, 1_000),
        valid_permille=valid,
        variety=variety,
    )
    changes = dict(_setting(text) for text in settings)
    now = _figures_now(saved)
    try:
        after = changed(now, changes)
        runs = [("now", now)] + ([("changed", after)] if changes else [])
        with progress() as bar:
            task = bar.add_task("Simulated days", total=days * len(runs))
            outlooks = [(name, _simulate(economy, crowd, seed, lambda: bar.advance(task))) for name, economy in runs]
    except RewardsRefusal as refusal:
        raise click.UsageError(str(refusal)) from refusal
    if as_json:
        click.echo(json.dumps(_as_json(outlooks, changes, crowd, seed), ensure_ascii=False, indent=2))
    else:
        screen().print(_table(outlooks))


def _figures_now(saved: bool) -> Economy:
    if not saved:
        return DEFAULT
    with the_database(settings_without_keys()) as url:
        return run(_saved(url))


async def _saved(url: str) -> Economy:
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as conn:
            return await farm.current_economy(conn)
    finally:
        await engine.dispose()


def _simulate(economy: Economy, crowd: Crowd, seed: int, advance: Any) -> Outlook:
    return simulate(economy, replace(crowd), np.random.default_rng(seed), progress=advance)


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.UsageError(f'--set takes figure=value, not "{text}".')
    return name.strip(), value.strip()


def _span(option: str, text: str, low: int, high: int) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise click.UsageError(f'{option} takes two whole numbers as LOW-HIGH, not "{text}".')
    span = int(first), int(last or first)
    if not low <= span[0] <= span[1] <= high:
        raise click.UsageError(f"{option} goes up from LOW to HIGH, within {low} to {high}.")
    return span


def _as_json(outlooks: list[tuple[str, Outlook]], changes: dict[str, str], crowd: Crowd, seed: int) -> dict[str, Any]:
    return {"seed": seed, "crowd": asdict(crowd), "set": changes, **{name: asdict(one) for name, one in outlooks}}


def _table(outlooks: list[tuple[str, Outlook]]) -> Table:
    table = Table("", *(name for name, _ in outlooks))
    rows: tuple[tuple[str, Callable[[Outlook], str]], ...] = (
        ("days to ripe, p10", lambda one: _days(one, one.days_to_ripe_p10)),
        ("days to ripe, p50", lambda one: _days(one, one.days_to_ripe_p50)),
        ("days to ripe, p90", lambda one: _days(one, one.days_to_ripe_p90)),
        ("players with a ripe tree", lambda one: f"{one.ripened_permille // 10} %"),
        ("harvests", lambda one: f"{one.harvests:,}"),
        ("boxes in the fullest week", lambda one: f"{one.boxes_a_week_peak:,}"),
        ("valid votes", lambda one: f"{one.valid_votes:,}"),
        ("cost per valid vote", lambda one: _millifen(one.cost_per_vote_millifen)),
        ("income per valid vote", lambda one: _millifen(one.income_per_vote_fen * 1_000)),
        ("cost per harvest", lambda one: _yuan(one.cost_per_harvest_fen)),
        ("liability at the end", lambda one: _yuan(one.liability_fen)),
    )
    for label, read in rows:
        table.add_row(label, *(read(one) for _, one in outlooks))
    return table


def _days(outlook: Outlook, days: int | None) -> str:
    return f"later than {outlook.days}" if days is None else str(days)


def _yuan(fen: int) -> str:
    return f"¥{fen // 100:,}.{fen % 100:02d}"


def _millifen(millifen: int | None) -> str:
    return "-" if millifen is None else f"¥{millifen // 100_000}.{millifen % 100_000:05d}"

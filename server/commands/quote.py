"""What a decision would cost: expected votes, their range, money and days, before anything is begun."""

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ranking.pairing import CERTAINTIES, Goal
from ranking.quote import PRICE_FEN, Quote, beside, quote
from ranking.simulate import SPREAD, TASTE_SD
from server.commands import BadInput, screen

WORDS = {"likely": "很有把握 likely", "proven": "已经证实 proven"}
METHOD = (
    "quantiles of simulated tests played by the planner and stopping rules themselves; "
    f"styles N(0, {SPREAD}^2) logits apart, tastes of shoppers {TASTE_SD} around them"
)


@click.command(short_help="expected votes, range and price for a decision")
@click.option("--styles", type=int, required=True, help="How many styles are tested.")
@click.option("--top", "keep", type=int, default=1, show_default=True, help="How many of them are to be kept.")
@click.option("--confidence", type=float, default=0.95, show_default=True, help="How sure the decision is to be.")
@click.option(
    "--certainty",
    type=click.Choice(CERTAINTIES),
    default="likely",
    show_default=True,
    help="likely: right that often over tests like this one; proven: wrong at most that often in any case.",
)
@click.option("--segments", type=int, default=1, show_default=True, help="Audiences, each decided for itself.")
@click.option(
    "--indifference",
    type=float,
    default=0.1,
    show_default=True,
    help="Differences that do not matter, in logits; 0.1 is a preference of 52.5 : 47.5.",
)
@click.option("--votes-per-day", type=float, help="Present flow of matching players' votes, for the days.")
@click.option("--budget-fen", type=int, help="A ceiling of money: how likely is it enough?")
@click.option("--price-fen", type=int, default=PRICE_FEN, show_default=True, help="Price of a vote.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="Write the quote as JSON to this file, or to stdout for '-'.")  # fmt: skip
def command(
    styles: int,
    keep: int,
    confidence: float,
    certainty: str,
    segments: int,
    indifference: float,
    votes_per_day: float | None,
    budget_fen: int | None,
    price_fen: int,
    out: Path | None,
) -> None:
    """Quotes a test: the votes that tests of this shape use until their goal is reached, and what they cost.

    \b
    xuankuan quote --styles 12 --top 3 --confidence 0.95
    """
    if budget_fen is not None and budget_fen < 0:
        raise BadInput(f"a budget is not negative, and is {budget_fen} fen")
    goal = Goal(keep, certainty, confidence, indifference)  # type: ignore[arg-type]
    settings: dict[str, Any] = {"segments": segments, "price_fen": price_fen, "votes_per_day": votes_per_day}
    asked = quote(styles, goal, **settings)
    others = beside(styles, goal, **settings)
    if out is not None:
        text = json.dumps(as_json(asked, others, budget_fen), ensure_ascii=False, indent=1) + "\n"
        if str(out) == "-":
            click.echo(text, nl=False)
            return
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{out} cannot be written: {error.strerror}") from error
    show(asked, others, budget_fen)


def as_json(asked: Quote, others: list[Quote], budget_fen: int | None) -> dict[str, Any]:
    """The quote as `--json` writes it."""
    found = _row(asked)
    found |= {
        "styles": asked.n_styles,
        "keep": asked.goal.keep,
        "segments": asked.segments,
        "indifference": asked.goal.indifference,
        "price_fen_per_vote": asked.price_fen,
        "votes_per_day": asked.votes_per_day,
        "budget_fen": budget_fen,
        "chance_within_budget": None if budget_fen is None else _chance(asked, budget_fen),
        "beside": [_row(other) for other in others],
        "method": METHOD,
    }
    return found


def _row(one: Quote) -> dict[str, Any]:
    return {
        "certainty": one.goal.certainty,
        "confidence": one.goal.confidence,
        "expected_votes": one.expected,
        "low_votes": one.low,
        "median_votes": one.median,
        "high_votes": one.high,
        "confirmation_votes": one.confirmation,
        "expected_fen": one.expected_fen,
        "low_fen": one.low_fen,
        "high_fen": one.high_fen,
        "expected_days": one.expected_days,
        "high_days": one.high_days,
        "extrapolated": one.extrapolated,
    }


def _chance(one: Quote, budget_fen: int) -> float:
    return round(one.chance_within(budget_fen / one.price_fen), 3) if one.price_fen else 1.0


def show(asked: Quote, others: list[Quote], budget_fen: int | None) -> None:
    """The quote as a table: what was asked for first, then the same test at other promises."""
    table = Table(
        title=f"报价 quote: {asked.n_styles} 款选 {asked.goal.keep} · the best {asked.goal.keep} of {asked.n_styles}"
    )
    for heading in ("把握 certainty", "置信度", "票数 votes", "范围 range 10-90 %", "价格 price", "最多 up to"):
        table.add_column(heading, justify="left" if heading.startswith("把握") else "right")
    days = asked.votes_per_day is not None
    if days:
        table.add_column("天数 days", justify="right")
    rows = [asked] + [other for other in others if other.goal != asked.goal]
    for one in rows:
        mark = " *" if one.extrapolated else ""
        cells = [
            WORDS[one.goal.certainty],
            f"{one.goal.confidence:.1%}".replace(".0%", "%"),
            f"{one.expected:,}{mark}",
            f"{one.low:,} - {one.high:,}",
            yuan(one.expected_fen),
            yuan(one.high_fen),
        ]
        if one.expected_days is not None and one.high_days is not None:
            cells.append(f"{one.expected_days:.1f} - {one.high_days:.1f}")
        table.add_row(*cells, style="bold" if one is asked else "", end_section=one is asked)
    out = screen()
    out.print(table)
    if budget_fen is not None:
        chance = _chance(asked, budget_fen)
        out.print(f"预算 {yuan(budget_fen)} 够用的可能 · the budget is enough with probability {chance:.0%}")
    confirmation = max(one.confirmation for one in rows)
    if confirmation:
        out.print(
            f"“已证实”的票数含确认测试 {confirmation:,} 票 · proven includes {confirmation:,} votes that confirm the winner"
        )
    if any(one.extrapolated for one in rows):
        out.print("* 超出模拟范围,仅供参考 · outside what was simulated: a rough guess")
    out.print(
        "五次里有四次,用票落在这个范围内;款式越相近,用票越多 · "
        "four tests in five stay within the range; the more alike the styles, the more votes"
    )


def yuan(fen: int) -> str:
    """Money as merchants read it."""
    return f"¥{fen / 100:,.2f}"

"""`xuankuan quote`: a table for eyes, JSON for programs, and one sentence with exit 2 for what cannot be quoted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ranking.pairing import Goal
from ranking.quote import quote
from server.cli import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["quote", *arguments])


def test_the_quote_of_the_contract_shows_votes_range_and_price() -> None:
    result = run("--styles", "12", "--top", "3", "--confidence", "0.95")
    assert result.exit_code == 0
    told = quote(12, Goal(3))
    assert f"{told.expected:,}" in result.output
    assert f"{told.low:,} - {told.high:,}" in result.output
    assert f"¥{told.expected_fen / 100:,.2f}" in result.output
    assert "proven" in result.output
    assert "12 款选 3" in result.output


def test_json_holds_the_same_numbers_and_what_stands_beside(tmp_path: Path) -> None:
    out = tmp_path / "quote.json"
    result = run("--styles", "12", "--top", "3", "--certainty", "proven", "--segments", "2", "--budget-fen", "30000",
                 "--votes-per-day", "500", "--json", str(out))  # fmt: skip
    assert result.exit_code == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    told = quote(12, Goal(3, "proven"), segments=2, votes_per_day=500)
    assert found["expected_votes"] == told.expected
    assert (found["low_votes"], found["high_votes"]) == (told.low, told.high)
    assert found["expected_fen"] == 3 * told.expected
    assert found["expected_days"] == pytest.approx(told.expected / 500)
    assert found["chance_within_budget"] == pytest.approx(told.chance_within(10_000), abs=1e-3)
    assert (found["styles"], found["keep"], found["segments"]) == (12, 3, 2)
    assert len(found["beside"]) == 6
    assert {row["confidence"] for row in found["beside"]} == {0.9, 0.95, 0.99}


def test_json_can_go_to_standard_output() -> None:
    result = run("--styles", "5", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.output)["keep"] == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--styles", "1"], "2 to 200 styles"),
        (["--styles", "3", "--top", "3"], "leaves nothing to choose"),
        (["--styles", "12", "--top", "0"], "keep"),
        (["--styles", "12", "--confidence", "95"], "confidence"),
        (["--styles", "12", "--segments", "0"], "audiences"),
        (["--styles", "12", "--indifference", "0"], "for ever"),
        (["--styles", "12", "--budget-fen", "-1"], "budget"),
        (["--styles", "12", "--price-fen", "-1"], "price"),
        (["--styles", "12", "--votes-per-day", "0"], "flow"),
        (["--styles", "12", "--json", "/nowhere/at/all.json"], "cannot be written"),
        (["--styles", "twelve"], "not a valid integer"),
        (["--styles", "12", "--certainty", "sure"], "certainty"),
        ([], "--styles"),
    ],
)
def test_bad_arguments_get_one_sentence_and_exit_two(arguments: list[str], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output

"""`xuankuan inspect`: a file of votes in, who can be believed out; with whatever columns there are."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from game.abuse.verdict import REASONS
from server.cli import cli

STYLES = ("白裙", "red dress", "短袖", "长袖", "polo", "knit", "denim", "linen")
START_S = 1_780_000_000


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


def a_file(path: Path, *, people: int = 60, each: int = 24, columns: tuple[str, ...] = (), seed: int = 1) -> Path:
    """Honest voters h00, h01 …; always-left l0-l2, alternating a0-a2, and a farm f0-f4 of one sequence of taps."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 0.9, len(STYLES))
    names = [f"h{k:02}" for k in range(people)] + [f"l{k}" for k in range(3)] + [f"a{k}" for k in range(3)]
    names += [f"f{k}" for k in range(5)]
    script = rng.random(each) < 0.5
    rows = []
    for number, voter in enumerate(names):
        begun = START_S + (0 if voter[0] == "f" else 7_000 * (number + 1)) + rng.uniform(0, 40)
        for nth in range(each):
            i, j = rng.choice(len(STYLES), 2, replace=False)
            left = rng.random() < 1 / (1 + np.exp(strength[j] - strength[i]))
            left = {"l": True, "a": nth % 2 == 0, "f": bool(script[nth])}.get(voter[0], left)
            row = {
                "voter": voter, "left": STYLES[i], "right": STYLES[j], "choice": "left" if left else "right",
                "took_ms": round(float((2000 if voter[0] in "h" else 700) * np.exp(rng.normal(0, 0.4)))),
                "at": np.datetime64(int(begun + 4 * nth), "s").item().isoformat() + "Z",
                "segment": "年轻" if number % 3 else "other", "session": f"{voter}-{nth // 10}",
                "device": "farm" if voter[0] == "f" else f"d{number}", "address": "" if number % 2 else f"n{number}",
                "gold": "none",
            }  # fmt: skip
            rows.append({name: row[name] for name in ("left", "right", "choice", "voter", *columns)})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_json(path: Path, out: Path) -> dict[str, Any]:
    result = run(path, "--json", out)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def of(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [voter for voter in found["voters"] if voter["voter"].startswith(kind)]


ALL = ("took_ms", "at", "segment", "session", "device", "address", "gold")


@pytest.mark.parametrize("columns", [(), ("took_ms",), ("segment", "at"), ALL], ids=len)
def test_whatever_columns_there_are_the_careless_come_first_and_the_honest_are_trusted(
    tmp_path: Path, columns: tuple[str, ...]
) -> None:
    found = as_json(a_file(tmp_path / "votes.csv", columns=columns), tmp_path / "out.json")
    assert [set(voter) for voter in found["voters"]] == [
        {"voter", "votes", "standing", "reliability", "p_abusive", "reasons"}
    ] * 71
    assert all(voter["votes"] == 24 for voter in found["voters"])
    assert all(voter["standing"] == "trusted" for voter in of(found, "h"))
    worst = max(voter["p_abusive"] for voter in of(found, "h"))
    for kind, reason in (("l", "one_sided"), ("a", "patterned")):
        for voter in of(found, kind):
            assert voter["p_abusive"] > worst
            assert voter["standing"] in ("watched", "muted")
            assert reason in voter["reasons"]
            assert voter["reliability"] < 0.1
    suspicion = [voter["p_abusive"] for voter in found["voters"]]
    assert suspicion == sorted(suspicion, reverse=True)
    assert set(found["reasons"]) == set(REASONS)


def test_a_farm_is_one_cluster(tmp_path: Path) -> None:
    found = as_json(a_file(tmp_path / "votes.csv", columns=ALL), tmp_path / "out.json")
    farm = [cluster for cluster in found["clusters"] if "f0" in cluster["voters"]]
    assert [sorted(cluster["voters"]) for cluster in farm] == [["f0", "f1", "f2", "f3", "f4"]]
    assert set(farm[0]["by"]) >= {"sequence"}
    assert all(voter["standing"] != "trusted" for voter in of(found, "f"))


def test_the_table_names_the_suspects_and_says_why(tmp_path: Path) -> None:
    result = run(a_file(tmp_path / "votes.csv", columns=ALL))
    assert result.exit_code == 0
    assert "l0" in result.output
    assert "You almost always tapped the same" in result.output
    assert "71 voters, 1704 votes" in result.output
    assert "h00" not in result.output


def test_a_file_without_suspects_says_so(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("left,right,choice,voter\nA,B,left,x\nB,C,right,x\nC,A,neither,y\n", encoding="utf-8")
    result = run(path)
    assert result.exit_code == 0
    assert "2 voters, 3 votes: 2 trusted, 0 watched, 0 muted." in result.output


def test_the_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    plain = a_file(tmp_path / "votes.csv", columns=("took_ms",))
    lines = [line.split(",") for line in plain.read_text(encoding="utf-8").splitlines()]
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join(",".join(line[::-1]) for line in lines) + "\n", encoding="utf-8")
    assert as_json(plain, tmp_path / "a.json") == as_json(turned, tmp_path / "b.json")


def test_gold_answers_are_used_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    rng = np.random.default_rng(2)
    lines = ["left,right,choice,voter,gold"]
    for voter in range(40):
        for _ in range(20):
            right = ("left", "right")[int(rng.integers(2))]
            wrong = "right" if right == "left" else "left"
            chosen = right if voter or rng.random() < 0.3 else wrong
            lines.append(f"A,B,{chosen},v{voter},{right}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = as_json(path, tmp_path / "out.json")
    assert found["voters"][0]["voter"] == "v0"
    assert found["voters"][0]["standing"] == "muted"
    assert "missed_gold" in found["voters"][0]["reasons"]


def test_merchants_are_pushed_where_the_file_names_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lines = ["left,right,choice,voter,party_left,party_right"]
    strength = rng.normal(0, 0.6, 20)
    for voter in range(150):
        for _ in range(60):
            i, j = rng.choice(20, 2, replace=False)
            left = rng.random() < 1 / (1 + np.exp(strength[j] - strength[i]))
            if voter < 6 and (i % 5 == 0) != (j % 5 == 0):
                left = i % 5 == 0
            lines.append(f"s{i},s{j},{'left' if left else 'right'},v{voter},m{i % 5},m{j % 5}")
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = as_json(path, tmp_path / "out.json")
    assert {voter["voter"] for voter in found["voters"][:6]} == {f"v{k}" for k in range(6)}
    suspects = [voter for voter in found["voters"] if voter["standing"] != "trusted"]
    assert len(suspects) >= 3
    assert all("pushing" in voter["reasons"] for voter in suspects)


def test_json_can_go_to_stdout(tmp_path: Path) -> None:
    result = run(a_file(tmp_path / "votes.csv"), "--json", "-")
    assert len(json.loads(result.output)["voters"]) == 71


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("left,right,choice\nA,B,left\n", "voter"),
        ("left,right,choice,voter\nA,B,maybe,x\n", "line 2"),
        ("left,right,choice,voter,gold\nA,B,left,x,perhaps\n", "gold"),
        ("left,right,choice,voter\n", "no vote"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_inspected_is_said_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(text, encoding="utf-8")
    result = run(path)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_missing_file_or_folder_is_said(tmp_path: Path) -> None:
    assert run(tmp_path / "none.csv").exit_code == 2
    assert run(a_file(tmp_path / "votes.csv"), "--json", tmp_path / "no" / "out.json").exit_code == 2


def test_more_styles_than_tastes_can_be_found_for_are_inspected_by_the_rest(tmp_path: Path) -> None:
    lines = ["left,right,choice,voter"]
    lines += [f"p{2 * k},p{2 * k + 1},{'left' if k % 50 == 0 or k % 2 else 'right'},v{k % 50}" for k in range(2500)]
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = as_json(path, tmp_path / "out.json")
    assert len(found["voters"]) == 50
    assert found["styles_pushed"] == []

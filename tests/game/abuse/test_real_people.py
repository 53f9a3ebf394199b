"""Real honest people, of a laboratory and of a crowd-sourcing site: what a detector must not take for abuse."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from game.abuse.evidence import PlayerTable, VoteTable
from game.abuse.review import Review, review
from game.abuse.verdict import STANDINGS

DATA = Path(__file__).resolve().parents[2] / "data"
CHOICES = {"left": 1.0, "right": 0.0, "tie": 0.5}


def of_file(name: str, *, scenes: bool) -> Review:
    path = DATA / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.DictReader(file))
    scene = [row["scene"] + "/" if scenes else "" for row in rows]
    sides = [[s + row[side] for s, row in zip(scene, rows, strict=True)] for side in ("left", "right")]
    number = {style: k for k, style in enumerate(sorted(set(sides[0]) | set(sides[1])))}
    people = {voter: k for k, voter in enumerate(sorted({row["voter"] for row in rows}))}
    votes = VoteTable.of(
        [people[row["voter"]] for row in rows],
        [number[style] for style in sides[0]],
        [number[style] for style in sides[1]],
        [CHOICES[row["choice"]] for row in rows],
    )
    return review(votes, PlayerTable.of(len(people)))


@pytest.mark.parametrize("scenes", [True, False])
def test_laboratory_observers_of_whom_a_third_lean_to_a_side_are_not_muted(scenes: bool) -> None:
    found = of_file("light_field.csv.gz", scenes=scenes)
    standing = found.verdicts.standing
    assert standing.size == 29
    assert np.sum(standing == STANDINGS.index("muted")) <= 1
    assert np.sum(standing != STANDINGS.index("trusted")) <= 3
    assert found.clusters == ()


def test_paid_crowd_workers_with_four_ties_in_ten_are_nearly_all_trusted() -> None:
    standing = of_file("llm_answers.csv", scenes=False).verdicts.standing
    assert np.mean(standing == STANDINGS.index("muted")) <= 0.01
    assert np.mean(standing != STANDINGS.index("trusted")) <= 0.06

"""Votes for the tests of the statistics: small worlds with a known truth, and files of real votes."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranking.comparisons import Comparisons

DATA = Path(__file__).parent.parent / "data"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Votes and the strengths (segments, items) that made them."""

    votes: Comparisons
    truth: Floats


def some_votes(
    n: int = 6,
    m: int = 400,
    *,
    seed: int = 0,
    spread: float = 0.6,
    taste: float = 0.0,
    ties: float = 0.0,
    neither: float = 0.0,
    side: float = 0.08,
    per_voter: int | None = 10,
    segments: int = 1,
    deviation: float = 0.35,
    weighted: bool = False,
    truth: Floats | None = None,
) -> World:
    """m votes on n items; `ties` and `neither` are the shares of such answers, `taste` the spread between voters."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0, spread, n) if truth is None else truth
    strength = common + (rng.normal(0.0, deviation, (segments, n)) if segments > 1 else np.zeros((1, n)))
    left = rng.integers(0, n, m)
    right = (left + rng.integers(1, n, m)) % n
    voter = np.arange(m) // (per_voter or 1)
    segment = rng.integers(0, segments, voter[-1] + 1)[voter]
    own = strength[segment] + taste * rng.normal(size=(voter[-1] + 1, n))[voter]
    rows = np.arange(m)
    chance = 1.0 / (1.0 + np.exp(-(own[rows, left] - own[rows, right] + side)))
    choice = (rng.random(m) < chance).astype(float)
    fate = rng.random(m)
    choice[fate < ties] = 0.5
    choice[(fate >= ties) & (fate < ties + neither)] = -1.0
    votes = Comparisons.from_arrays(
        left,
        right,
        choice,
        voter=None if per_voter is None else voter,
        segment=segment if segments > 1 else None,
        weight=rng.choice([0.25, 0.5, 1.0, 2.0], m) if weighted else None,
        n_items=n,
        n_segments=segments,
    )
    return World(votes, strength)


def counted(rows: list[tuple[int, int, int, int, int]], n: int) -> Comparisons:
    """Votes of a published table: (left, right, left wins, right wins, ties) for each pair as it was shown."""
    cells = [(i, j, c, k) for i, j, *ks in rows for c, k in zip((1.0, 0.0, 0.5), ks, strict=True) if k]
    left, right, choice, weight = zip(*cells, strict=True)
    return Comparisons.from_arrays(left, right, choice, weight=weight, n_items=n)


def table_of(name: str) -> list[dict[str, str]]:
    """The rows of a file in tests/data, unpacked where it is packed."""
    packed = DATA / f"{name}.gz"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else (DATA / name).read_text()
    return list(csv.DictReader(text.splitlines()))


def unpacked(name: str, folder: Path) -> Path:
    """A packed file of tests/data as a file in `folder`."""
    path = folder / name
    path.write_bytes(gzip.decompress((DATA / f"{name}.gz").read_bytes()))
    return path


def real_votes(name: str) -> tuple[Comparisons, list[str]]:
    """A file of tests/data as comparisons, and the names of its items in order."""
    rows = table_of(name)
    items = sorted({row["left"] for row in rows} | {row["right"] for row in rows})
    voters = sorted({row["voter"] for row in rows})
    number, who = {item: k for k, item in enumerate(items)}, {voter: k for k, voter in enumerate(voters)}
    votes = Comparisons.from_arrays(
        [number[row["left"]] for row in rows],
        [number[row["right"]] for row in rows],
        [{"left": 1.0, "right": 0.0, "tie": 0.5}[row["choice"]] for row in rows],
        voter=[who[row["voter"]] for row in rows],
    )
    return votes, items

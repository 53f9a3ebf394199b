"""Makes ranking/quote_table.py: how many votes tests of many shapes used, by playing them with the engine itself.

    python -m bench.quote_table --seed 20260401 --worlds 64        (half an hour of one core)
    python -m bench.quote_table --cells 4,1 --worlds 40 --dry      (one shape, printed, nothing written)

A shape is (styles, keep). Each simulated world is played once under the planner; at every look it is noted which of all
the rules (likely and proven, several confidences and indifferences) would have stopped it. The table keeps quantiles.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ranking import simulate
from ranking.pairing import Goal, Planner
from ranking.quote import CONFIDENCES, INDIFFERENCES, QUANTILES, RULES
from ranking.stopping import FEW_VOTERS, VOTES_PER_STYLE, evidence

TARGET = Path(__file__).resolve().parent.parent / "ranking" / "quote_table.py"
HORIZON = 12_000
SIZES = (2, 4, 8, 12, 20, 30, 60)


def cells() -> list[tuple[int, int]]:
    """For each number of styles: the best one, half of them, and one between."""
    return [(n, k) for n in SIZES for k in sorted({1, round((n / 2) ** 0.5), n // 2})]


def stopping_votes(n: int, keep: int, rng: np.random.Generator, *, horizon: int = HORIZON) -> np.ndarray:
    """(rules, confidences, indifferences): votes at which each would have stopped one realistic world."""
    goals = [
        [[Goal(keep, rule, confidence, indifference) for indifference in INDIFFERENCES] for confidence in CONFIDENCES]
        for rule in RULES
    ]
    stopped = np.full((len(RULES), len(CONFIDENCES), len(INDIFFERENCES)), np.inf)
    world = simulate.realistic(n, rng)
    planner = Planner(n, Goal(keep), rng)
    next_look = VOTES_PER_STYLE * n
    for scores, record in simulate.study(world, planner, rng, votes=horizon):
        if record.n_votes < next_look or record.n_voters < FEW_VOTERS:
            continue
        # Later looks are rarer: a test of 5000 votes is not told to the nearest 50.
        next_look = record.n_votes + max(50, record.n_votes // 25)
        for d, indifference in enumerate(INDIFFERENCES):
            seen = evidence(scores, keep, indifference)
            for r in range(len(RULES)):
                for c in range(len(CONFIDENCES)):
                    if stopped[r, c, d] == np.inf and seen.settles(goals[r][c][d]):
                        stopped[r, c, d] = record.n_votes
        if np.isfinite(stopped).all():
            break
    return stopped


def table_of(n: int, keep: int, worlds: int, seed: int) -> np.ndarray:
    """(rules, confidences, indifferences, quantiles) votes; infinite where the horizon did not do."""
    drawn = np.stack(
        [stopping_votes(n, keep, np.random.default_rng([seed, n, keep, world])) for world in range(worlds)], axis=-1
    )
    ordered = np.sort(drawn, axis=-1)
    at = np.array(QUANTILES) * (worlds - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, worlds - 1)
    with np.errstate(invalid="ignore"):
        between = ordered[..., low] * (1 - (at - low)) + ordered[..., high] * (at - low)
    return np.where(np.isnan(between), np.inf, between)


def source(tables: dict[tuple[int, int], np.ndarray], command: str) -> str:
    """The module as text: votes as whole numbers, 0 for what lies beyond the horizon."""
    lines = [
        '"""Votes that simulated tests used: quantiles by shape, rule, confidence and indifference (generated)."""',
        "",
        f"# Made by: {command}",
        "# Axes of each entry: likely/proven, confidence, indifference, quantile, as listed in ranking/quote.py;",
        f"# 0: more than {HORIZON} votes.",
        "",
        "# fmt: off",
        f"HORIZON = {HORIZON}",
        "",
        "VOTES: dict[tuple[int, int], tuple[int, ...]] = {",
    ]
    for (n, keep), table in sorted(tables.items()):
        lines.append(f"    ({n}, {keep}): (")
        rows = table.reshape(-1, len(QUANTILES))
        lines += ["        " + " ".join(f"{int(v) if np.isfinite(v) else 0}," for v in row) for row in rows]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


def main() -> None:
    """Play all shapes, or those that are named, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260401)
    parser.add_argument("--worlds", type=int, default=64, help="worlds at 60 styles; up to three times as many at few")
    parser.add_argument("--cells", nargs="*", help="shapes as n,keep; default all")
    parser.add_argument("--dry", action="store_true", help="print instead of writing")
    arguments = parser.parse_args()
    chosen = [tuple(map(int, cell.split(","))) for cell in arguments.cells] if arguments.cells else cells()
    tables: dict[tuple[int, int], np.ndarray] = {}
    for n, keep in chosen:
        worlds = arguments.worlds * (3 if n <= 8 else 2 if n <= 20 else 1)
        started = time.perf_counter()
        tables[n, keep] = table_of(n, keep, worlds, arguments.seed)
        middle = tables[n, keep][:, CONFIDENCES.index(0.95), INDIFFERENCES.index(0.1), len(QUANTILES) // 2]
        took = time.perf_counter() - started
        print(
            f"{n:3d} keep {keep:2d}: medians at .95 {middle}, {worlds} worlds, {took:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    text = source(tables, f"python -m bench.quote_table --seed {arguments.seed} --worlds {arguments.worlds}")
    if arguments.dry:
        print(text)
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

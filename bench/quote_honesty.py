"""Is the quote honest: of tests played to their end, how many used votes within the quoted 10-90 % range?

    python -m bench.quote_honesty                      200 tests of each shape, an hour of one core
    python -m bench.quote_honesty --reps 40            a fifth of it
    python -m bench.quote_honesty --shapes 12,3,likely,2 --json out.json

A shape is (styles, keep, certainty, audiences). Tests are played as the service plays them: dealt by the planner on a
posterior that is stale by 200 votes, sessions of ten, decided on by the rule at every look; several audiences by one
hierarchical fit, weighted by their quotas. A proven winner's confirmation counts, and so do gold pairs, one in twenty,
which merchants pay for like any other vote. Worlds are those of ranking/simulate.py.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from game.dealing import GOLD_SHARE
from ranking import segments, simulate
from ranking.comparisons import RunningCounts
from ranking.pairing import Goal, Planner
from ranking.quote import Quote, quote
from ranking.simulate import World
from ranking.stopping import decide

HORIZON = 15_000
SHAPES = (
    (4, 1, "likely", 1), (8, 2, "likely", 1), (12, 3, "likely", 1), (20, 5, "likely", 1), (8, 1, "proven", 1),
    (12, 3, "proven", 1), (8, 2, "likely", 2), (12, 3, "likely", 2), (12, 3, "likely", 3),
)  # fmt: skip


def used_alone(n: int, goal: Goal, rng: np.random.Generator) -> float:
    """Ranked votes of one test for everybody; infinite beyond the horizon."""
    (outcome,) = simulate.run_test(simulate.realistic(n, rng), [goal], rng, max_votes=HORIZON, first_look=0)
    return outcome.votes


def used_together(n: int, goal: Goal, audiences: int, rng: np.random.Generator) -> float:
    """Ranked votes of one test for audiences with even quotas, which come as they like; infinite beyond the horizon."""
    world: World = simulate.with_segments(n, (1.0,) * audiences, rng)
    flow = rng.dirichlet(np.full(audiences, 4.0))
    planners = [Planner(n, goal, rng, floor=3) for _ in range(audiences)]
    counts, kernel, voter = RunningCounts(n, audiences), None, 0
    length = simulate.session_length(n)
    while len(counts) < HORIZON:
        until = len(counts) + simulate.BATCH // 2
        while len(counts) < until:
            s = int(rng.choice(audiences, p=flow))
            for votes in simulate.play(
                world, planners[s], rng, votes=length, first_voter=voter, chunk=length, segment=s
            ):
                counts.add(votes.left, votes.right, votes.choice, votes.voter, votes.segment)
                voter += 1
        fitted = segments.fit(counts, start=kernel, improvements=40 if kernel is None else 1, test=False)
        kernel, whole = fitted.kernel, fitted.poststratified(world.segment_share)
        if decide(whole, goal, len(counts)).done:
            return float(len(counts))
        for s, planner in enumerate(planners):
            planner.update(fitted.of[s], decided_on=whole)
    return float("inf")


def told_of(n: int, goal: Goal, audiences: int) -> Quote:
    """The quote as the console shows it."""
    return quote(n, goal, audiences=audiences, checks=GOLD_SHARE)


def played(shape: tuple[int, int, str, int], reps: int, seed: int) -> dict[str, Any]:
    """How often tests of one shape used what was quoted."""
    n, keep, certainty, audiences = shape
    goal = Goal(keep, certainty)  # type: ignore[arg-type]
    told = told_of(n, goal, audiences)
    used, started = [], time.perf_counter()
    for rep in range(reps):
        rng = np.random.default_rng([seed, n, keep, certainty == "proven", audiences, rep])
        ranked = used_alone(n, goal, rng) if audiences == 1 else used_together(n, goal, audiences, rng)
        used.append(np.ceil((ranked + told.confirmation) / (1.0 - GOLD_SHARE)))
    votes = np.array(used)
    within = float(((told.low <= votes) & (votes <= told.high)).mean())
    return {
        "styles": n, "keep": keep, "certainty": certainty, "audiences": audiences, "tests": reps,
        "quoted": [told.low, told.median, told.high], "used": [float(q) for q in np.quantile(votes, (0.1, 0.5, 0.9))],
        "within": within, "fewer": float((votes < told.low).mean()), "more": float((votes > told.high).mean()),
        "seconds": round(time.perf_counter() - started),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=200, help="tests of each shape")
    parser.add_argument("--seed", type=int, default=20260501)
    parser.add_argument("--shapes", nargs="*", help="styles,keep,certainty,audiences; default all")
    parser.add_argument("--quick", action="store_true", help="ten tests of each shape")
    parser.add_argument("--json", type=Path, help="write the results here, one line of JSON")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.reps = min(arguments.reps, 10)
    named = [tuple(each.split(",")) for each in arguments.shapes or []]
    shapes = [(int(n), int(keep), certainty, int(many)) for n, keep, certainty, many in named] or list(SHAPES)
    rows = []
    table = Table("shape", "tests", "quoted 10/50/90", "used 10/50/90", "within", "fewer", "more", title="Quote")
    for shape in shapes:
        row = played(shape, arguments.reps, arguments.seed)
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        table.add_row(
            f"{shape[1]} of {shape[0]}, {shape[2]}, {shape[3]} audience(s)", str(row["tests"]),
            " ".join(map(str, row["quoted"])), " ".join(f"{q:.0f}" for q in row["used"]), f"{row['within']:.0%}",
            f"{row['fewer']:.0%}", f"{row['more']:.0%}",
        )  # fmt: skip
    everything = float(np.average([row["within"] for row in rows], weights=[row["tests"] for row in rows]))
    table.add_row("all", str(sum(row["tests"] for row in rows)), "", "", f"{everything:.0%}", "", "")
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

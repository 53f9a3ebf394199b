"""What a fit costs, beside evalica, choix and the trueskill package on the same votes in the same run.

    python -m bench.fit                                   (a million votes on 200 items, half a minute)
    python -m bench.fit --votes 100000 --items 60 --json out.json

Every figure is the best of some repetitions, in milliseconds: other work on the machine can only add to it. Where the
machine is busy (`load` above 1), read the columns of processor time as well.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import choix
import evalica
import numpy as np
import trueskill

from ranking import bradley_terry, segments
from ranking.comparisons import Comparisons
from ranking.partworths import Attributes
from ranking.trueskill_stream import TrueSkillStream


class Took(NamedTuple):
    """Milliseconds by the clock on the wall, and of the processor (all cores together)."""

    wall_ms: float
    cpu_ms: float


def best_ms(repeat: int, work: Callable[[], Any]) -> Took:
    """The shortest of so many runs."""
    runs = []
    for _ in range(repeat):
        begun, used = time.perf_counter(), time.process_time()
        work()
        runs.append((1e3 * (time.perf_counter() - begun), 1e3 * (time.process_time() - used)))
    return Took(*map(min, zip(*runs, strict=True)))


def votes_of(n_votes: int, n_items: int, per_voter: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Votes of voters who play so many pairs each, in the order in which a busy day would mix them."""
    strength = rng.normal(0.0, 0.6, n_items)
    left = rng.integers(0, n_items, n_votes)
    right = (left + rng.integers(1, n_items, n_votes)) % n_items
    chance = 1.0 / (1.0 + np.exp(strength[right] - strength[left] - 0.08))
    return {
        "left": left,
        "right": right,
        "choice": (rng.random(n_votes) < chance).astype(float),
        "voter": rng.permutation(np.arange(n_votes) // per_voter),
    }


def ours(v: dict[str, np.ndarray], n_items: int, *, clustered: bool) -> Any:
    """From integer arrays to every interval: of strengths, of ranks, of shares."""
    votes = Comparisons.from_arrays(
        v["left"], v["right"], v["choice"], voter=v["voter"] if clustered else None, n_items=n_items
    )
    scores = bradley_terry.fit(votes)
    return scores.interval(), scores.rank_interval(), scores.share_interval()


def refit_ms(rng: np.random.Generator, n_items: int, n_segments: int, repeat: int) -> Took:
    """A warm refit of all segments with attributes, one improvement of the variances included; 200 votes are new."""
    m = 20_000
    strength = rng.normal(0.0, 0.5, n_items) + rng.normal(0.0, 0.35, (n_segments, n_items))
    left = rng.integers(0, n_items, m)
    right = (left + rng.integers(1, n_items, m)) % n_items
    segment = rng.integers(0, n_segments, m)
    choice = rng.random(m) < 1.0 / (1.0 + np.exp(strength[segment, right] - strength[segment, left]))
    attributes = Attributes.from_columns({
        "colour": [f"colour {k % 5}" for k in range(n_items)],
        "sleeve": [f"sleeve {k // 5 % 4}" for k in range(n_items)],
        "length": [f"length {k // 20 % 3}" for k in range(n_items)],
    })  # fmt: skip
    early, late = (
        Comparisons.from_arrays(left[:k], right[:k], choice[:k], segment=segment[:k], n_items=n_items).table
        for k in (m - 200, m)
    )
    parts = segments.parts(n_items, n_segments, attributes)
    fit = segments.fit_tables
    start = fit(early, parts)
    return best_ms(repeat, lambda: fit(late, parts, start=start, improvements=1))


def rank_command(v: dict[str, np.ndarray]) -> tuple[Took, float]:
    """`xuankuan rank` as a whole process on these votes as a file: its time, and its megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.csv"
        with path.open("w") as file:
            file.write("voter,left,right,choice\n")
            rows = zip(v["voter"].tolist(), v["left"].tolist(), v["right"].tolist(), v["choice"].tolist(), strict=True)
            file.writelines(
                f"player-{voter},style-{i:03d},style-{j:03d},{'left' if choice else 'right'}\n"
                for voter, i, j, choice in rows
            )
        command = [sys.executable, "-c", "from server.cli import main; main()", "rank", str(path), "--json", os.devnull]
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall_ms = 1e3 * (time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_ms = 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return Took(wall_ms, cpu_ms), after.ru_maxrss / 1024.0


def measure(args: argparse.Namespace) -> dict[str, Took]:
    """What took how long, by name."""
    rng = np.random.default_rng(args.seed)
    v = votes_of(args.votes, args.items, args.per_voter, rng)
    left, right = v["left"].tolist(), v["right"].tolist()
    winners = [evalica.Winner.X if choice else evalica.Winner.Y for choice in v["choice"]]
    some = [
        (i, j) if choice else (j, i)
        for i, j, choice in zip(left[: args.few], right[: args.few], v["choice"][: args.few].tolist(), strict=True)
    ]
    a_few = Comparisons.from_arrays(
        v["left"][: args.few], v["right"][: args.few], v["choice"][: args.few], n_items=args.items
    )
    a, b = trueskill.Rating(), trueskill.Rating()
    package = best_ms(3, lambda: [trueskill.rate_1vs1(a, b) for _ in range(200)])
    scale = len(some) / 200
    return {
        "counts, fit and all intervals, model-based": best_ms(
            args.repeat, lambda: ours(v, args.items, clustered=False)
        ),
        "the same, voter-clustered": best_ms(args.repeat, lambda: ours(v, args.items, clustered=True)),
        "evalica.bradley_terry (estimates only)": best_ms(3, lambda: evalica.bradley_terry(left, right, winners)),
        f"ours on {len(some)} votes": best_ms(args.repeat, lambda: bradley_terry.fit(a_few)),
        f"choix.ilsr_pairwise on {len(some)} votes": best_ms(
            1, lambda: choix.ilsr_pairwise(args.items, some, alpha=0.01)
        ),
        f"our TrueSkill stream on {len(some)} votes": best_ms(3, lambda: TrueSkillStream(args.items).add_votes(a_few)),
        f"trueskill.rate_1vs1 on {len(some)} votes (from 200)": Took(package.wall_ms * scale, package.cpu_ms * scale),
        "warm refit, 60 items x 6 segments, with variances": refit_ms(rng, 60, 6, 15),
        "warm refit, 24 items x 1 segment, with variances": refit_ms(rng, 24, 1, 30),
    }


GOALS_MS = {
    "counts, fit and all intervals, model-based": 20.0,
    "the same, voter-clustered": 150.0,
    "warm refit, 60 items x 6 segments, with variances": 10.0,
    "xuankuan rank, whole process": 3000.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--per-voter", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--few", type=int, default=20_000, help="votes for what would take minutes on all of them")
    parser.add_argument("--no-command", dest="command", action="store_false", help="leave out `xuankuan rank`")
    parser.add_argument("--quick", action="store_true", help="100 000 votes, 2 000 for the slow ones")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.votes, args.few, args.repeat = min(args.votes, 100_000), min(args.few, 2_000), 3
    load = os.getloadavg()[0]
    found = measure(args)
    megabytes = None
    if args.command:
        v = votes_of(args.votes, args.items, args.per_voter, np.random.default_rng(args.seed))
        found["xuankuan rank, whole process"], megabytes = rank_command(v)
    print(f"{args.votes:,} votes on {args.items} items, seed {args.seed}, load {load:.1f}")
    print(f"{'':58}{'wall ms':>12}{'cpu ms':>12}{'goal':>10}")
    set_here = args.votes == 1_000_000 and args.items == 200
    for name, took in found.items():
        goal = f"{GOALS_MS[name]:10,.0f}" if name in GOALS_MS and set_here else ""
        print(f"{name:58}{took.wall_ms:12,.2f}{took.cpu_ms:12,.2f}{goal}")
    if megabytes is not None:
        print(f"{'xuankuan rank, megabytes at most':58}{megabytes:12,.0f}{'':12}{'600' if set_here else '':>10}")
    if args.json is not None:
        told = {
            "votes": args.votes, "items": args.items, "per_voter": args.per_voter, "seed": args.seed, "load": load,
            "took": {name: took._asdict() for name, took in found.items()}, "rank_megabytes": megabytes,
        }  # fmt: skip
        args.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

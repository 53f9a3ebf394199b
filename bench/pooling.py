"""What segments and attributes are worth: the error of one pooled fit beside separate fits with more votes.

    python -m bench.pooling                       (two minutes)
    python -m bench.pooling --worlds 10 --json out.json

Six segments (40, 25, 15, 10, 6 and 4 % of the voters), thirty styles of 5 x 3 x 2 attributes; global strengths have sd
.5, deviations .35, four fifths of both from attributes; voters differ by .5. Errors are root mean squares over styles
and segments against what each segment's voters show on average.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ranking import Attributes, Comparisons, bradley_terry, segments

SHARES = np.array([0.40, 0.25, 0.15, 0.10, 0.06, 0.04])
ITEMS, GLOBAL_SD, DEVIATION_SD, TASTE_SD, EXPLAINED = 30, 0.5, 0.35, 0.5, 0.8
LEVELS = (np.arange(ITEMS) % 5, np.arange(ITEMS) // 5 % 3, np.arange(ITEMS) // 15)
PAIRS = ((1150, 5000), (3200, 10_000), (5000, 20_000), (8600, 20_000))


def strengths(sd: float, rng: np.random.Generator) -> np.ndarray:
    """(items,) of which attributes explain their share."""
    by_attribute = sum(rng.normal(size=level.max() + 1)[level] for level in LEVELS) / len(LEVELS) ** 0.5
    return sd * (EXPLAINED**0.5 * by_attribute + (1.0 - EXPLAINED) ** 0.5 * rng.normal(size=ITEMS))


def votes_of(strength: np.ndarray, n_votes: int, rng: np.random.Generator) -> Comparisons:
    """Uniform pairs, ten a voter."""
    segment = rng.choice(len(SHARES), n_votes // 10, p=SHARES)
    voter = np.repeat(np.arange(len(segment)), 10)
    own = strength[segment] + TASTE_SD * rng.normal(size=(len(segment), ITEMS))
    left = rng.integers(0, ITEMS, len(voter))
    right = (left + rng.integers(1, ITEMS, len(voter))) % ITEMS
    choice = rng.random(len(voter)) < 1.0 / (1.0 + np.exp(own[voter, right] - own[voter, left]))
    return Comparisons.from_arrays(
        left, right, choice, voter=voter, segment=segment[voter], n_items=ITEMS, n_segments=len(SHARES)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="two worlds")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.worlds = min(args.worlds, 2)
    attributes = Attributes.from_columns({
        f"attribute {k}": [f"level {one}" for one in level] for k, level in enumerate(LEVELS)
    })  # fmt: skip
    squares = np.zeros((args.worlds, len(PAIRS), 4))
    for world in range(args.worlds):
        rng = np.random.default_rng([args.seed, world])
        strength = strengths(GLOBAL_SD, rng) + np.array([strengths(DEVIATION_SD, rng) for _ in SHARES])
        shown = strength / np.sqrt(1.0 + 0.346 * 2.0 * TASTE_SD**2)
        truth = shown - shown.mean(axis=1, keepdims=True)
        for k, (few, many) in enumerate(PAIRS):
            some, more = votes_of(strength, few, rng), votes_of(strength, many, rng)
            alone = [bradley_terry.fit(more.of_segment(s)) for s in range(len(SHARES))]
            guesses = (
                [scores.strength for scores in segments.fit(some, attributes).of],
                [scores.strength for scores in segments.fit(some).of],
                [scores.strength for scores in alone],
                [scores.weak_strength for scores in alone],
            )
            squares[world, k] = [((np.array(guess) - truth) ** 2).mean() for guess in guesses]
    root = np.sqrt(squares.mean(axis=0))
    print(f"{'votes':>8}{'attributes + segments':>24}{'segments':>12}{'votes':>10}{'separate':>12}{'unshrunken':>12}")
    for (few, many), (both, pooled, alone, weak) in zip(PAIRS, root.tolist(), strict=True):
        print(f"{few:8,}{both:24.3f}{pooled:12.3f}{many:10,}{alone:12.3f}{weak:12.3f}")
    if args.json is not None:
        rows = [
            {"votes": few, "attributes_and_segments": r[0], "segments": r[1], "separate_votes": many, "separate": r[2],
             "separate_unshrunken": r[3]}
            for (few, many), r in zip(PAIRS, root.tolist(), strict=True)
        ]  # fmt: skip
        args.json.write_text(json.dumps({"seed": args.seed, "worlds": args.worlds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

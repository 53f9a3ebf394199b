"""Catch rates, false alarms, what attackers gain and what they are paid, on a crowd of honest players and attackers.

    python -m bench.abuse --quick                (a minute)
    python -m bench.abuse --seed 20260501        (some fifteen minutes of one core)
    python -m bench.abuse --only speed           (catch, honest, effect, speed; may be given several times)
    python -m bench.abuse --only catch --kind random     (one kind of attacker; may be given several times)

The world is game/abuse/crowd.py: 30 styles of 10 merchants, five segments of which one has a taste of its own, a
hidden minority of a tenth in every segment, households and carrier networks, one gold pair in twenty, pairs dealt at
random. Each kind of attacker is 5 % of the players, alone among honest ones, unless said otherwise.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from game.abuse.crowd import ATTACKS, Crowd, World, gather
from game.abuse.evidence import VoteTable
from game.abuse.review import Review, review
from game.abuse.sweep import Sweep
from game.abuse.verdict import STANDINGS, bounded
from ranking import bradley_terry, reliability
from ranking.comparisons import Comparisons

CHECKPOINTS = (10, 20, 50, 100, 200)
FEN_PER_VOTE = 1.44
# What the effect is measured of: those whose votes could move a ranking.
EFFECTIVE = ("pusher", "random_pusher", "half_pusher", "ring", "random", "left", "contrary")
TRUSTED = STANDINGS.index("trusted")
MUTED = STANDINGS.index("muted")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated. `players` per crowd; `catch_runs`, `effect_runs` crowds per kind; `honest_runs` crowds
    of honest players.
    """

    players: int
    checkpoints: tuple[int, ...]
    catch_runs: int
    honest_runs: int
    effect_runs: int
    shares: tuple[float, ...]
    sweep_players: int
    kinds: tuple[str, ...] = ATTACKS


FULL = Size(
    players=2000,
    checkpoints=CHECKPOINTS,
    catch_runs=1,
    honest_runs=2,
    effect_runs=3,
    shares=(0.02, 0.05, 0.1, 0.2, 0.3),
    sweep_players=50_000,
)
QUICK = Size(
    players=800,
    checkpoints=(10, 20, 50),
    catch_runs=1,
    honest_runs=1,
    effect_runs=1,
    shares=(0.05, 0.2),
    sweep_players=5000,
)


def judged(crowd: Crowd, n_votes: int) -> Review:
    return review(crowd.first(n_votes), crowd.players, party=crowd.merchant)


def catch(size: Size, seed: int, tick: Callable[[], None]) -> list[dict[str, Any]]:
    """For each kind and number of votes: share caught at 1 % and 0.1 % false alarms among the honest of the same
    crowd, and standings.
    """
    rows = []
    for kind in size.kinds:
        for n_votes in size.checkpoints:
            suspect, honest, muted, watched, farms = [], [], [], [], []
            for run in range(size.catch_runs):
                crowd = gather(
                    np.random.default_rng([seed, run, ATTACKS.index(kind)]),
                    n_players=size.players,
                    votes_each=n_votes,
                    attackers={kind: 0.05},
                )
                result = judged(crowd, n_votes)
                bad = ~crowd.honest
                suspect.append(result.verdicts.log_odds[bad])
                honest.append(result.verdicts.log_odds[~bad])
                muted.append(np.mean(result.verdicts.standing[bad] == MUTED))
                watched.append(np.mean(result.verdicts.standing[bad] != TRUSTED))
                if kind == "farm":
                    farms.append(_farms_found(crowd, result))
            at = [
                np.mean([np.mean(s > np.quantile(h, q)) for s, h in zip(suspect, honest, strict=True)])
                for q in (0.99, 0.999)
            ]
            rows.append({
                "kind": kind, "votes": n_votes, "caught_at_1_percent": float(at[0]), "caught_at_0.1_percent": float(at[1]),
                "muted": float(np.mean(muted)), "watched_or_muted": float(np.mean(watched)),
                "farms_found": float(np.mean(farms)) if farms else None,
            })  # fmt: skip
            tick()
    return rows


def _farms_found(crowd: Crowd, result: Review) -> float:
    """Share of farms of which one cluster holds at least half the telephones, and nobody else's."""
    found = 0
    farms = np.unique(crowd.group[crowd.group >= 0])
    for farm in farms:
        members = set(np.flatnonzero(crowd.group == farm).tolist())
        for cluster in result.clusters:
            inside = set(cluster.members.tolist())
            if len(inside & members) >= len(members) / 2 and len(inside - members) <= 1:
                found += 1
                break
    return found / len(farms)


def honest(size: Size, seed: int, tick: Callable[[], None]) -> list[dict[str, Any]]:
    """Honest crowds of several worlds: who is watched or muted though nobody cheats, by segment and among the hidden
    minority.
    """
    worlds = {
        "standard": World(),
        "strong tastes": World(strength_sd=1.2, personal_sd=0.9),
        "one merchant, 12 styles": World(n_styles=12, n_merchants=12),
        "no gold pairs": World(gold=False),
        "half minorities": World(segment_shares=(0.25, 0.25, 0.25, 0.25), undeclared_share=0.3),
    }
    rows = []
    for name, world in worlds.items():
        for n_votes in size.checkpoints:
            standing, segment, hidden = [], [], []
            for run in range(size.honest_runs):
                crowd = gather(
                    np.random.default_rng([seed, 77, run]), n_players=size.players, votes_each=n_votes, world=world
                )
                standing.append(judged(crowd, n_votes).verdicts.standing)
                segment.append(crowd.players.segment)
                hidden.append(crowd.undeclared)
            stands, segments, minority = np.concatenate(standing), np.concatenate(segment), np.concatenate(hidden)
            rows.append({
                "world": name, "votes": n_votes, "players": stands.size,
                "muted": float(np.mean(stands == MUTED)),
                "muted_in_worst_segment": max(float(np.mean(stands[segments == s] == MUTED)) for s in np.unique(segments)),
                "muted_in_hidden_minority": float(np.mean(stands[minority] == MUTED)),
                "watched": float(np.mean(stands != TRUSTED)),
                "watched_in_worst_segment": max(
                    float(np.mean(stands[segments == s] != TRUSTED)) for s in np.unique(segments)
                ),
            })  # fmt: skip
            tick()
    return rows


def effect(size: Size, seed: int, tick: Callable[[], None]) -> list[dict[str, Any]]:
    """What attackers of a share gain: ranks of the pushed styles and error of the shares, before and after review;
    and their pay.
    """
    rows = []
    for kind in _effective(size):
        for share in size.shares:
            outcome = [_one_effect(size, [seed, 99, run], kind, share) for run in range(size.effect_runs)]
            about: dict[str, Any] = {"kind": kind, "share": share, "votes_each": min(100, size.checkpoints[-1])}
            rows.append(about | _mean(outcome))
            tick()
    return rows


def _effective(size: Size) -> tuple[str, ...]:
    return tuple(kind for kind in EFFECTIVE if kind in size.kinds)


def _one_effect(size: Size, seed: list[int], kind: str, share: float) -> dict[str, float]:
    checkpoints = [k for k in size.checkpoints if k <= 100]
    crowd = gather(
        np.random.default_rng(seed), n_players=size.players // 2, votes_each=checkpoints[-1], attackers={kind: share}
    )
    votes, honest_vote = crowd.votes, crowd.honest[crowd.votes.player]
    real = votes.gold < 0
    result = judged(crowd, checkpoints[-1])
    reviewed = bounded(result.vote_weight, votes.player)
    reviewed = bounded(reviewed, result.sweep.groups(crowd.players).of[votes.player], most_votes=80)
    truth = _scores(votes, real * honest_vote * 1.0)
    before, after = _scores(votes, real * 1.0), _scores(votes, real * reviewed)
    pushed = np.flatnonzero(crowd.merchant == crowd.target)
    paid = _paid(crowd, checkpoints, result)
    return {
        "rank_gain_before": float(np.mean(truth.rank[pushed] - before.rank[pushed])),
        "rank_gain_after": float(np.mean(truth.rank[pushed] - after.rank[pushed])),
        "share_rmse_before": 100 * float(np.sqrt(np.mean((before.share - truth.share) ** 2))),
        "share_rmse_after": 100 * float(np.sqrt(np.mean((after.share - truth.share) ** 2))),
        "fen_per_attacker_before": FEN_PER_VOTE * checkpoints[-1],
        "fen_per_attacker_after": FEN_PER_VOTE * float(np.mean(paid[~crowd.honest])),
        "fen_per_honest_after": FEN_PER_VOTE * float(np.mean(paid[crowd.honest])),
    }


def _scores(votes: VoteTable, weight: np.ndarray) -> Any:
    return bradley_terry.fit(Comparisons.from_arrays(votes.left, votes.right, votes.choice, weight=weight))


def _paid(crowd: Crowd, checkpoints: list[int], final: Review) -> np.ndarray:
    """Votes paid to each player: those between two reviews, if the player is trusted at the second; held and voided
    ones are not.
    """
    paid = np.zeros(crowd.honest.size)
    last = 0
    for n_votes in checkpoints:
        found = final if n_votes == checkpoints[-1] else judged(crowd, n_votes)
        paid += (n_votes - last) * (found.verdicts.standing == TRUSTED)
        last = n_votes
    return paid


def speed(size: Size, seed: int, tick: Callable[[], None]) -> list[dict[str, Any]]:
    """Seconds of one core: finding the tastes, the sweep over all votes with all verdicts, and a sweep of 2 000 new
    votes after it.
    """
    crowd = gather(
        np.random.default_rng([seed, 5]),
        n_players=size.sweep_players,
        votes_each=20,
        attackers={"random": 0.02, "farm": 0.01, "ring": 0.01},
    )
    votes, players = crowd.votes, crowd.players
    begin = time.process_time()
    comparisons = Comparisons.from_arrays(
        votes.left, votes.right, votes.choice, voter=votes.player, segment=players.segment[votes.player]
    )
    tastes = reliability.judge(comparisons, took_ms=votes.took_ms, gold=votes.gold, party=crowd.merchant)
    found = time.process_time()
    known = replace(votes, expected=tastes.expected, lean=tastes.expected[:, 0])
    tick()
    new = np.isin(known.player, np.arange(100) * (size.sweep_players // 100))
    sweep = Sweep()
    start = time.process_time()
    sweep.add(known.take(np.flatnonzero(~new)))
    sweep.verdicts(players)
    swept = time.process_time()
    touched = sweep.add(known.take(np.flatnonzero(new)))
    added = time.process_time()
    sweep.verdicts(players, touched)
    return [{
        "votes": len(votes), "players": len(players), "tastes_s": found - begin, "sweep_s": swept - start,
        "new_votes": int(new.sum()), "added_s": added - swept, "their_verdicts_s": time.process_time() - added,
    }]  # fmt: skip


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


PARTS: Mapping[str, Callable[[Size, int, Callable[[], None]], list[dict[str, Any]]]] = {
    "catch": catch,
    "honest": honest,
    "effect": effect,
    "speed": speed,
}


def steps(part: str, size: Size) -> int:
    return {
        "catch": len(size.kinds) * len(size.checkpoints),
        "honest": 5 * len(size.checkpoints),
        "effect": len(_effective(size)) * len(size.shares),
        "speed": 1,
    }[part]


def show(title: str, rows: list[dict[str, Any]], console: Console) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*("" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260501)
    parser.add_argument("--quick", action="store_true", help="a small size")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part only; may be repeated")
    parser.add_argument("--kind", action="append", choices=list(ATTACKS), help="this attack only; may be repeated")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args()
    size = replace(QUICK if options.quick else FULL, kinds=tuple(options.kind or ATTACKS))
    console = Console(width=160)
    found = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for part in options.only or PARTS:
            task = bar.add_task(part, total=steps(part, size))
            found[part] = PARTS[part](size, options.seed, partial(bar.advance, task))
    for part, rows in found.items():
        show(part, rows, console)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"seed": options.seed, "quick": options.quick} | found, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()

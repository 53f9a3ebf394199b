"""Votes to decision, errors under peeking, coverage, forecasts and quotes: is what the engine promises so?

    python -m bench.decision                        every part, some twenty minutes of one core
    python -m bench.decision --quick                the same in a minute, to see that it runs
    python -m bench.decision --parts stop --reps 400 --n 12 --json out.json

Parts: `select` (votes until the leader, or the top k, is right; uniform deals beside), `stop` (errors of both rules
when one looks every 50 votes, in worlds made to fool them), `honest` (shown probability against truth, coverage of
the leader's interval), `forecast` (votes still needed), `quote` (the quoted range), `probe` (a bought leader),
`audiences` (what fitting several audiences together saves), `clientele` (one decision for audiences with quotas,
whoever comes), `cost` (of a deal and of a decision).
Everything runs on the shipped planner, fit and rules; worlds are those of ranking/simulate.py. Standard errors are
by bootstrap over worlds, or binomial for shares.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from game.dealing import appetites
from ranking import bradley_terry, segments, simulate
from ranking.comparisons import RunningCounts
from ranking.pairing import Goal, Planner
from ranking.quote import quote
from ranking.simulate import SCENARIOS, Record, World
from ranking.stopping import Evidence, decide, evidence, forecast, probe_plan, probe_test

Floats = np.ndarray
DELTA = 0.1
KEEP = {4: 2, 12: 3, 30: 6, 60: 10}
# Votes to play and worlds, by number of styles; the second world count is for the uniform deal.
BEST_VOTES = {4: 1200, 12: 3600, 30: 5000, 60: 6000}
TOP_VOTES = {4: 900, 12: 3600, 30: 7000, 60: 18000}
UNIFORM_VOTES = {4: 1600, 12: 8000, 30: 20000, 60: 40000}
WORLDS = {4: 900, 12: 400, 30: 150, 60: 60}
GOALS = {  # the figures that were set as goals
    "best": {4: 460, 12: 1650, 30: 2350, 60: 3000},
    "top": {4: 330, 12: 1700, 30: 4400, 60: 9700},
}
PEEK = 50
FIRST_LOOK = 100
HORIZON = 12_000


def worlds(arguments: argparse.Namespace, usual: int) -> int:
    """How many worlds to play: what was asked for, or the usual number, or next to none."""
    if arguments.reps:
        return int(arguments.reps)
    return max(8, usual // 40) if arguments.quick else usual


# ---- votes to decision -------------------------------------------------------------------------------------------


def reached(right: Floats, votes: Floats, level: float) -> float:
    """Votes from which on the share of right answers (worlds, looks) is `level`: isotonic regression, interpolated."""
    height, weight = [], []
    for share in right.mean(axis=0).tolist():
        height.append(share)
        weight.append(1.0)
        while len(height) > 1 and height[-2] > height[-1]:
            w = weight[-2] + weight[-1]
            height[-2:] = [(height[-2] * weight[-2] + height[-1] * weight[-1]) / w]
            weight[-2:] = [w]
    steps = np.repeat(height, np.array(weight, dtype=int))
    if steps[-1] < level:
        return float("inf")
    at = int(np.argmax(steps >= level))
    if at == 0:
        return float(votes[0])
    share = (level - steps[at - 1]) / (steps[at] - steps[at - 1])
    return float(votes[at - 1] + share * (votes[at] - votes[at - 1]))


def spread(right: Floats, votes: Floats, level: float, rng: np.random.Generator) -> float:
    """Bootstrap standard error of `reached`; infinite when a tenth of the resamples never got there."""
    drawn = np.array([reached(right[rng.integers(len(right), size=len(right))], votes, level) for _ in range(100)])
    finite = drawn[np.isfinite(drawn)]
    return float(finite.std()) if len(finite) >= 90 else float("inf")


def misses(world: World, strength: Floats, keep: int) -> tuple[float, float]:
    """(how far the weakest chosen is below the k-th best, how far below the best one left out), logits."""
    truth = world.mean_strength
    chosen = np.argsort(-strength, kind="stable")[:keep]
    return float(np.sort(truth)[-keep] - truth[chosen].min()), world.regret(tuple(chosen.tolist()))


def select(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The planner against uniform deals: votes to a right answer, with votes of 200 dealt from one posterior."""
    rows = []
    for n in arguments.n:
        for asks, keep, level, length in (("best", 1, 0.95, BEST_VOTES[n]), ("top", KEEP[n], 0.90, TOP_VOTES[n])):
            reps = worlds(arguments, WORLDS[n])
            found = []
            for rep in range(reps):
                rng = np.random.default_rng([arguments.seed, n, keep, rep])
                world = simulate.realistic(n, rng)
                planner = Planner(n, Goal(keep), rng)
                trace = simulate.study(world, planner, rng, votes=length, look_every=200)
                found.append([(r.n_votes, *misses(world, s.strength, keep)) for s, r in trace])
            rows.append(_selected(n, asks, keep, "planner", np.array(found), level, arguments.seed))
            found = []
            for rep in range(reps):
                rng = np.random.default_rng([arguments.seed, n, keep, rep])
                world = simulate.realistic(n, rng)
                found.append(_uniform(world, keep, UNIFORM_VOTES[n], rng))
            rows.append(_selected(n, asks, keep, "uniform", np.array(found), level, arguments.seed))
    return rows


def _uniform(world: World, keep: int, length: int, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    votes = simulate.uniform_votes(world, length, rng)
    looks = np.unique(np.geomspace(length / 60, length, 28).astype(int) // 10 * 10)
    table = np.zeros((world.n_items, world.n_items, 4))
    fit, before, found = None, 0, []
    for look in looks.tolist():
        part = slice(before, look)
        np.add.at(table, (votes.left[part], votes.right[part], np.where(votes.choice[part] == 1, 2, 0)), 1.0)
        fit = bradley_terry.fit_table(table, start=None if fit is None else fit.x)
        found.append((look, *misses(world, fit.strength, keep)))
        before = look
    return found


def _selected(n: int, asks: str, keep: int, deal: str, found: Floats, level: float, seed: int) -> dict[str, Any]:
    votes = found[0, :, 0]
    rng = np.random.default_rng(seed)
    within, strict = found[:, :, 1] <= DELTA, found[:, :, 2] <= DELTA
    return {
        "n": n,
        "asks": asks,
        "keep": keep,
        "deal": deal,
        "level": level,
        "worlds": len(found),
        "votes": reached(within, votes, level),
        "standard_error": spread(within, votes, level, rng),
        "votes_by_regret": reached(strict, votes, level),
        "standard_error_by_regret": spread(strict, votes, level, rng),
        "goal": GOALS[asks][n] if deal == "planner" else None,
    }


# ---- errors under peeking ------------------------------------------------------------------------------------------


def stop(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Both rules, asked every 50 votes from 100 on, in five kinds of world; wrong: a regret above the indifference."""
    rows = []
    cells = [(12, name, 1, reps) for name, reps in
             (("realistic", 400), ("duel", 300), ("slip", 300), ("forced_gap", 300), ("tie", 200))]  # fmt: skip
    cells += [(4, "realistic", 1, 300), (4, "duel", 1, 300), (12, "realistic", 3, 150), (30, "realistic", 1, 80)]
    for n, name, keep, usual in cells:
        if n not in arguments.n:
            continue
        reps = worlds(arguments, usual)
        ended: dict[str, list[tuple[float, float]]] = {"likely": [], "proven": [], "strict": []}
        for rep in range(reps):
            rng = np.random.default_rng([arguments.seed, 2, n, keep, rep])
            world = SCENARIOS[name](n, rng)
            for rule, outcome in _watch(world, keep, rng, strict=name == "tie").items():
                ended[rule].append(outcome)
        for rule, outcomes in ended.items():
            if outcomes:
                rows.append(_stopped(n, name, keep, rule, np.array(outcomes)))
    return rows


def _watch(
    world: World, keep: int, rng: np.random.Generator, *, strict: bool = False
) -> dict[str, tuple[float, float]]:
    """(votes, regret) at which each rule stopped; votes infinite where it never did. `strict`: proven at 0, a tie."""
    n = world.n_items
    goals = {"likely": Goal(keep), "proven": Goal(keep, "proven")}
    if strict:
        goals["strict"] = Goal(keep, "proven", indifference=0.0)
    ended: dict[str, tuple[float, float]] = {}
    planner = Planner(n, goals["likely"], rng)
    for scores, record in simulate.study(world, planner, rng, votes=HORIZON, look_every=PEEK):
        if record.n_votes < FIRST_LOOK:
            continue
        seen = {0.1: evidence(scores, keep, DELTA)}
        if strict:
            seen[0.0] = evidence(scores, keep, 0.0)
        for rule, goal in goals.items():
            if rule not in ended and seen[goal.indifference].settles(goal):
                decision = decide(scores, goal)
                if not decision.done:  # too few votes or voters so far
                    continue
                # Two that are exactly alike have no regret: in a tie any strict winner is wrong.
                wrong = np.inf if rule == "strict" else world.regret(decision.chosen)
                ended[rule] = (float(record.n_votes), wrong)
        if len(ended) == len(goals):
            break
    return {rule: ended.get(rule, (np.inf, 0.0)) for rule in goals}


def _stopped(n: int, name: str, keep: int, rule: str, outcomes: Floats) -> dict[str, Any]:
    votes, regret = outcomes.T
    wrong = float((np.isfinite(votes) & (regret > DELTA)).mean())
    kept = np.minimum(votes, HORIZON)
    return {
        "n": n,
        "world": name,
        "keep": keep,
        "rule": rule,
        "worlds": len(outcomes),
        "wrong": wrong,
        "wrong_standard_error": float(np.sqrt(max(wrong, 1 / len(outcomes)) * (1 - wrong) / len(outcomes))),
        "stopped": float(np.isfinite(votes).mean()),
        "mean_votes": float(kept.mean()),
        "mean_standard_error": float(kept.std() / np.sqrt(len(kept))),
        "median_votes": float(np.median(votes)) if np.isfinite(np.median(votes)) else None,
    }


# ---- is what is shown so? --------------------------------------------------------------------------------------


def honest(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Realistic worlds played on whatever the rules say: the shown probability at each look, the leader's interval."""
    rows: list[dict[str, Any]] = []
    for n, usual, length, budgets in ((12, 300, 4000, (1000, 2000, 4000)), (30, 120, 4000, (2000, 4000))):
        if n not in arguments.n:
            continue
        shown: list[tuple[float, bool]] = []
        covered: dict[int, list[tuple[bool, bool, float]]] = {budget: [] for budget in budgets}
        for rep in range(worlds(arguments, usual)):
            rng = np.random.default_rng([arguments.seed, 3, n, rep])
            world = simulate.realistic(n, rng, taste_sd=arguments.taste_sd)
            truth = world.scores()
            # A probability about the population is checked against the population: tastes that differ shrink gaps.
            planner = Planner(n, Goal(), rng)
            pending = list(budgets)
            for scores, record in simulate.study(world, planner, rng, votes=length, look_every=PEEK):
                if record.n_votes >= FIRST_LOOK:
                    seen: Evidence = evidence(scores, 1, DELTA)
                    leader = int(np.argmax(scores.strength))
                    shown.append((seen.probability, bool(truth.max() - truth[leader] <= DELTA)))
                if pending and record.n_votes >= pending[0]:
                    covered[pending.pop(0)].append(_covers(record, truth))
        rows += _calibration(n, np.array(shown, dtype=float))
        for budget, hits in covered.items():
            leader_hit, all_hit, width = (np.mean([h[i] for h in hits]) for i in range(3))
            rows.append(
                {
                    "n": n,
                    "what": "coverage",
                    "votes": budget,
                    "worlds": len(hits),
                    "leader": float(leader_hit),
                    "standard_error": float(np.sqrt(leader_hit * (1 - leader_hit) / len(hits))),
                    "all_styles": float(all_hit),
                    "leader_half_width": float(width),
                }
            )
    return rows


def _covers(record: Record, truth: Floats) -> tuple[bool, float, float]:
    """Do the public fit's 95 % intervals hold the truth: the leader's, the share of all; the leader's half width."""
    scores = bradley_terry.fit(record.comparisons())
    low, high = scores.interval(0.95)
    inside = (low <= truth) & (truth <= high)
    leader = int(np.argmax(scores.strength))
    return bool(inside[leader]), float(inside.mean()), float(0.5 * (high[leader] - low[leader]))


def _calibration(n: int, shown: Floats) -> list[dict[str, Any]]:
    edges = [0.5, 0.7, 0.85, 0.9, 0.95, 0.99, 1.0 + 1e-9]
    rows = []
    for low, high in pairwise(edges):
        inside = (shown[:, 0] >= low) & (shown[:, 0] < high)
        if inside.sum() >= 30:
            rows.append(
                {
                    "n": n,
                    "what": "probability",
                    "from": low,
                    "to": min(high, 1.0),
                    "looks": int(inside.sum()),
                    "shown": float(shown[inside, 0].mean()),
                    "true": float(shown[inside, 1].mean()),
                }
            )
    return rows


# ---- forecasts and quotes ------------------------------------------------------------------------------------------


def forecasts(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """At 300, 600 and 1200 votes: how many more are forecast, and how many it took."""
    if 12 not in arguments.n:
        return []
    at = (300, 600, 1200)
    found: dict[tuple[str, int], list[tuple[bool, bool, bool]]] = {}
    for rep in range(worlds(arguments, 100)):
        rng = np.random.default_rng([arguments.seed, 4, rep])
        world = simulate.realistic(12, rng)
        goals = {"likely": Goal(), "proven": Goal(certainty="proven")}
        planner = Planner(12, goals["likely"], rng)
        seen: dict[tuple[str, int], Any] = {}
        ended: dict[str, float] = {}
        pending = list(at)
        for scores, record in simulate.study(world, planner, rng, votes=HORIZON, look_every=PEEK):
            for rule, goal in goals.items():
                if rule not in ended and decide(scores, goal).done:
                    ended[rule] = record.n_votes
            if pending and record.n_votes >= pending[0]:
                now = pending.pop(0)
                for rule, goal in goals.items():
                    if rule not in ended:
                        seen[rule, now] = (forecast(scores, goal, rng, n_draws=40), record.n_votes)
            if len(ended) == 2:
                break
        for (rule, now), (ahead, votes) in seen.items():
            needed = ended.get(rule, np.inf) - votes
            low = ahead.low if ahead.low is not None else np.inf
            high = ahead.high if ahead.high is not None else np.inf
            middle = ahead.median if ahead.median is not None else np.inf
            # A look every 50 votes ends a test up to 50 votes late: its true end lies in (needed - 50, needed].
            found.setdefault((rule, now), []).append((needed < low, needed - PEEK > high, needed - PEEK / 2 < middle))
    return [
        {
            "rule": rule,
            "at_votes": now,
            "tests": len(hits),
            "covered": float(np.mean([not (fewer or more) for fewer, more, _ in hits])),
            "standard_error": float(np.sqrt(0.16 / len(hits))),
            "fewer": float(np.mean([fewer for fewer, _, _ in hits])),
            "more": float(np.mean([more for _, more, _ in hits])),
            "below_median": float(np.mean([below for _, _, below in hits])),
        }
        for (rule, now), hits in sorted(found.items())
    ]


def quotes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Tests of random shapes, played to their end: did they use what was quoted?"""
    found = []
    for rep in range(worlds(arguments, 200)):
        rng = np.random.default_rng([arguments.seed, 5, rep])
        n = int(rng.integers(3, 25))
        goal = Goal(
            keep=int(rng.integers(1, max(2, n // 2))),
            certainty="proven" if rng.random() < 0.3 else "likely",
            confidence=float(rng.choice([0.85, 0.9, 0.95, 0.97])),
            indifference=float(rng.choice([0.1, 0.15, 0.2])),
        )
        told = quote(n, goal)
        (outcome,) = simulate.run_test(simulate.realistic(n, rng), [goal], rng, max_votes=HORIZON, first_look=0)
        used = outcome.votes + told.confirmation
        found.append((told.low <= used <= told.high, used < told.low, used > told.high,
                      min(used, HORIZON + told.confirmation) / told.expected, goal.certainty))  # fmt: skip
    rows = []
    for rule in ("likely", "proven", "both"):
        part = [hit for hit in found if rule in ("both", hit[4])]
        if part:
            rows.append(
                {
                    "rule": rule,
                    "tests": len(part),
                    "covered": float(np.mean([hit[0] for hit in part])),
                    "standard_error": float(np.sqrt(0.16 / len(part))),
                    "fewer": float(np.mean([hit[1] for hit in part])),
                    "more": float(np.mean([hit[2] for hit in part])),
                    "used_over_expected": float(np.mean([hit[3] for hit in part])),
                }
            )
    return rows


def probes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """How often the confirmation probe flags a leader: honest crowds, and crowds in which some push it."""
    rows = []
    crowds = {
        "honest": simulate.Crowd(),
        "minority 30 %": simulate.Crowd(minority=0.3),
        "colluders 10 %": simulate.Crowd(colluder=0.1),
        "colluders 20 %": simulate.Crowd(colluder=0.2),
        "camouflaged 20 %": simulate.Crowd(camouflaged=0.2),
    }
    for n, votes in ((4, 2000), (12, 1000), (12, 2000), (12, 3000)):
        if n not in arguments.n:
            continue
        for name, crowd in crowds.items():
            hits = []
            for rep in range(worlds(arguments, 200)):
                rng = np.random.default_rng([arguments.seed, 6, n, rep])
                world = simulate.realistic(n, rng)
                pushed = "coll" in name or "camo" in name
                # Who is pushed became leader by it: the target. Who is not, leads by merit.
                leader = world.target if pushed else int(np.argmax(world.mean_strength))
                world = replace(world, crowd=crowd, minority_taste=0.6 * rng.standard_normal((1, n)))
                hits.append(_probed(world, leader, votes, rng))
            share = float(np.mean(hits))
            rows.append({"n": n, "crowd": name, "votes": votes, "tests": len(hits), "flagged": share,
                         "standard_error": float(np.sqrt(max(share, 0.005) * (1 - share) / len(hits)))})  # fmt: skip
    return rows


def _probed(world: World, leader: int, votes: int, rng: np.random.Generator) -> bool:
    # What the test itself made of this crowd: 4000 uniform votes, attack included.
    before = simulate.uniform_votes(world, 4000, rng)
    record = Record(world.n_items)
    record.add(before)
    strength = record.fit().strength
    plan = probe_plan(leader, world.n_items, votes=votes)
    people = world.voters(plan.n_voters, rng)
    pairs = np.array([pair for _ in range(plan.n_voters) for pair in plan.session(rng)])
    who = np.repeat(np.arange(plan.n_voters), plan.pairs)
    choice = world.answer(people, who, pairs[:, 0], pairs[:, 1], rng)
    return probe_test(strength, leader, pairs[:, 0], pairs[:, 1], choice, who).flagged


# ---- several audiences -----------------------------------------------------------------------------------------


def audiences(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A winner for each of several audiences: votes in all with one pooled fit, against a test for each."""
    rows = []
    for n, n_segments in ((8, 2), (8, 4), (16, 4)):
        pooled, apart, wrong = [], [], []
        for rep in range(worlds(arguments, 50)):
            rng = np.random.default_rng([arguments.seed, 7, n, n_segments, rep])
            world = simulate.with_segments(n, (1.0,) * n_segments, rng)
            votes, misses_ = _together(world, rng)
            pooled.append(votes)
            wrong += [miss > DELTA for miss in misses_]
            own = [replace(world, strength=row[None, :], segment_share=np.ones(1)) for row in world.strength]
            apart.append(sum(min(simulate.run_test(w, [Goal()], rng, max_votes=6000)[0].votes, 6000.0) for w in own))
        ratio = np.mean(pooled) / np.mean(apart)
        resampled = [np.mean(np.array(pooled)[i]) / np.mean(np.array(apart)[i])
                     for i in np.random.default_rng(0).integers(len(pooled), size=(200, len(pooled)))]  # fmt: skip
        rows.append({"n": n, "audiences": n_segments, "tests": len(pooled), "pooled_votes": float(np.mean(pooled)),
                     "separate_votes": float(np.mean(apart)), "ratio": float(ratio),
                     "standard_error": float(np.std(resampled)), "wrong": float(np.mean(wrong))})  # fmt: skip
    return rows


def _together(world: World, rng: np.random.Generator) -> tuple[float, list[float]]:
    """Votes until the likely rule has settled every audience in a pooled fit, and the regret in each."""
    n, n_segments = world.n_items, len(world.segment_share)
    planners = [Planner(n, Goal(), rng) for _ in range(n_segments)]
    counts = RunningCounts(n, n_segments)
    waiting = dict.fromkeys(range(n_segments), 0)
    kernel, voter, regret = None, 0, [0.0] * n_segments
    while waiting and len(counts) < 6000 * n_segments:
        for s in waiting:
            for votes in simulate.play(
                world, planners[s], rng, votes=200 // len(waiting), first_voter=voter, segment=s
            ):
                counts.add(votes.left, votes.right, votes.choice, votes.voter, votes.segment)
                voter = int(votes.voter.max()) + 1
        found = segments.fit(counts, start=kernel, improvements=40 if kernel is None else 1)
        kernel = found.kernel
        for s in list(waiting):
            planners[s].update(found.of[s])
            decision = decide(found.of[s], Goal())
            if decision.done:
                regret[s] = world.regret(decision.chosen, segment=s)
                del waiting[s]
    return float(len(counts)), regret


# ---- one decision for audiences with quotas --------------------------------------------------------------------

CLIENTELE_VOTES = 8_000


def clientele(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One winner for a clientele by quota, whoever comes: weighted and dealt as the service does, or pooled."""
    if 12 not in arguments.n:
        return []
    rows = []
    for quotas, flow in (((0.5, 0.5), (0.5, 0.5)), ((0.5, 0.5), (0.9, 0.1)),
                         ((0.4, 0.25, 0.15, 0.1, 0.06, 0.04), (0.4, 0.25, 0.15, 0.1, 0.06, 0.04))):  # fmt: skip
        for waits in (True, False):
            found: dict[str, list[tuple[float, float]]] = {"likely": [], "proven": [], "pooled, likely": []}
            for rep in range(worlds(arguments, 100)):
                rng = np.random.default_rng([arguments.seed, 9, len(quotas), rep])
                world = simulate.with_segments(12, quotas, rng)
                for rule, outcome in _by_quota(world, np.array(flow), rng, waits=waits).items():
                    found[rule].append(outcome)
            for rule, outcomes in found.items():
                votes, regret = np.array(outcomes).T
                wrong = float((np.isfinite(votes) & (regret > DELTA)).mean())
                kept = np.minimum(votes, CLIENTELE_VOTES)
                rows.append({"quotas": quotas, "come": flow, "large ones wait": waits, "rule": rule, "tests": len(votes),
                             "wrong": wrong, "standard_error": float(np.sqrt(max(wrong, 0.01) * (1 - wrong) / len(votes))),
                             "stopped": float(np.isfinite(votes).mean()), "mean_votes": float(kept.mean()),
                             "mean_standard_error": float(kept.std() / np.sqrt(len(kept)))})  # fmt: skip
    return rows


def _by_quota(world: World, flow: Floats, rng: np.random.Generator, *, waits: bool) -> dict[str, tuple[float, float]]:
    """(votes, regret) at which each rule stopped; `pooled` decides for whoever voted."""
    n, n_segments = world.n_items, len(flow)
    goals = {"likely": Goal(), "proven": Goal(certainty="proven"), "pooled, likely": Goal()}
    planners = [Planner(n, Goal(), rng, floor=3) for _ in range(n_segments)]
    counts, kernel, voter = RunningCounts(n, n_segments), None, 0
    appetite = np.ones(n_segments)
    ended: dict[str, tuple[float, float]] = {}
    length = simulate.session_length(n)
    while len(ended) < len(goals) and len(counts) < CLIENTELE_VOTES:
        stop = len(counts) + simulate.BATCH
        while len(counts) < stop:
            s = int(rng.choice(n_segments, p=flow))
            if rng.random() > appetite[s]:
                continue
            for votes in simulate.play(
                world, planners[s], rng, votes=length, first_voter=voter, chunk=length, segment=s
            ):
                counts.add(votes.left, votes.right, votes.choice, votes.voter, votes.segment)
                voter += 1
        fitted = segments.fit(counts, start=kernel, improvements=40 if kernel is None else 1, test=False)
        kernel, whole = fitted.kernel, fitted.poststratified(world.segment_share)
        for s, planner in enumerate(planners):
            planner.update(fitted.of[s], decided_on=whole)
        if waits:
            worth = fitted.worth(world.segment_share, 1, DELTA)
            appetite = np.array(appetites(worth.tolist(), fitted.votes.tolist(), least_votes=segments.HEARD_VOTES * n))
        for rule, goal in goals.items():
            if rule not in ended:
                decision = decide(bradley_terry.fit(counts) if rule.startswith("pooled") else whole, goal)
                if decision.done:
                    ended[rule] = (float(len(counts)), world.regret(decision.chosen))
    return {rule: ended.get(rule, (np.inf, 0.0)) for rule in goals}


def cost(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Microseconds of processor time: a deal from the planned queue, a deal chosen on the spot; a decision."""
    rows = []
    for n in arguments.n:
        rng = np.random.default_rng([arguments.seed, 8, n])
        world = simulate.realistic(n, rng)
        planner = Planner(n, Goal(KEEP[n]), rng)
        *_, (scores, _) = simulate.study(world, planner, rng, votes=600, look_every=200)
        session = simulate.session_length(n)
        planned, popped, chosen = np.inf, np.inf, np.inf
        for round_ in range(20):
            # The quickest of twenty: whatever else the machine does only ever adds.
            planner.update(scores, in_flight=())
            planned = min(planned, _microseconds(planner.plan, 256))
            voters = [f"{round_} queue {v}" for v in range(200 // session)] * session
            popped = min(popped, _microseconds(lambda p=planner, v=voters: [p.deal(one) for one in v], len(voters)))
            planner.update(scores, in_flight=())
            voters = [f"{round_} {v}" for v in range(200 // session)] * session
            chosen = min(chosen, _microseconds(lambda p=planner, v=voters: [p.deal(one) for one in v], len(voters)))
        decided = min(_microseconds(lambda s=scores, g=Goal(KEEP[n]): decide(s, g), 1) for _ in range(20))
        rows.append({"n": n, "plan_us": planned, "deal_from_queue_us": popped, "deal_on_the_spot_us": chosen,
                     "decide_us": decided})  # fmt: skip
    return rows


def _microseconds(work: Callable[[], object], times: int) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) / times * 1e6


# ---- the command ---------------------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
    "select": select,
    "stop": stop,
    "honest": honest,
    "forecast": forecasts,
    "quote": quotes,
    "probe": probes,
    "audiences": audiences,
    "clientele": clientele,
    "cost": cost,
}


def show(part: str, rows: list[dict[str, Any]], console: Console) -> None:
    """A table of one part."""
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=part)
    for name in names:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 20 else f"{value:.3f}"
    return str(value)


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260402)
    parser.add_argument("--n", type=int, nargs="*", default=[4, 12, 30, 60], choices=[4, 12, 30, 60])
    parser.add_argument("--reps", type=int, default=0, help="worlds per row; default by size")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--taste-sd", type=float, default=0.6, help="how far tastes differ, in the part `honest`")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console = Console(width=170)
    results: dict[str, Any] = {"seed": arguments.seed}
    for part in arguments.parts:
        started = time.process_time()
        rows = PARTS[part](arguments)
        results[part] = rows
        show(part, rows, console)
        print(f"{part}: {time.process_time() - started:.0f} s of processor time", file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Refit rankings: take in new votes, fit on running counts, write one snapshot, decide when the goal is reached.

A worker keeps the counts of each open test in memory. They can be thrown away at any time: votes are the facts, and a
worker that starts reads them again. A refit costs the same however many votes have been counted.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import structlog

from game.conclusions import Ailment, DecisionStatus, Health, ailments, conclude, notes, open_items, status_of
from game.dealing import is_gold, passed
from game.matchup import Choice
from game.style_test import StyleTest, TestState
from ranking import bradley_terry
from ranking.comparisons import NEITHER, RunningCounts
from ranking.pairing import Goal
from ranking.scores import Scores
from ranking.stopping import Decision, decide
from rewards.economy import Economy
from server.closer_look import CloserLook, look
from server.edge.wire import rfc3339
from server.flows.end_test import end_test
from server.stores import budgets, snapshots, standings, tests, votes
from server.stores.db import AsyncEngine, reading, transaction
from server.stores.snapshots import Snapshot

log = structlog.get_logger()

CHOICE_G = Economy().choice_g
PRICE_FEN = Economy().vote_price_fen
REWEIGH_EVERY_S = 20.0


@dataclass(slots=True)
class Workbench:
    """What a worker knows of one open test: its counts, which transactions they hold, and the last fit."""

    test: StyleTest
    counts: RunningCounts
    wins: np.ndarray
    read_until: int = 0
    voters: dict[UUID, int] = field(default_factory=dict)
    weights: dict[UUID, float] = field(default_factory=dict)
    votes_of: Counter[int] = field(default_factory=Counter)
    votes: int = 0
    gold_asked: int = 0
    gold_passed: int = 0
    promised_g: int = 0
    scores: Scores | None = None
    version: int = 0
    reweighed_at: datetime | None = None
    fitted_votes: int = -1
    left_shown: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    right_shown: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    closer: CloserLook = field(default_factory=CloserLook)

    def weightless(self) -> int:
        """Votes of players whose votes weigh nothing now."""
        none = [self.voters[player] for player, weight in self.weights.items() if weight == 0 and player in self.voters]
        return int(sum(self.votes_of.get(number, 0) for number in none))

    def voter_number(self, player_id: UUID) -> int:
        """The dense number that stands for a player in the fit."""
        return self.voters.setdefault(player_id, len(self.voters))


class RefitRankings:
    """The job. One instance belongs to one worker."""

    name = "refit_rankings"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._benches: dict[UUID, Workbench] = {}

    async def run(self, now: datetime) -> int:
        """Bring every open test up to date; returns how many were refitted."""
        async with reading(self._engine) as conn:
            open_tests = await tests.in_states(conn, [TestState.RUNNING, TestState.PAUSED])
        for gone in set(self._benches) - {test.test_id for test in open_tests}:
            del self._benches[gone]
        refitted = 0
        for test in open_tests:
            refitted += await self._bring_up_to_date(test, now)
        return refitted

    async def _bring_up_to_date(self, test: StyleTest, now: datetime) -> bool:
        bench = self._benches.get(test.test_id)
        if bench is None:
            bench = self._benches[test.test_id] = await self._take_up(test)
        bench.test = test
        async with reading(self._engine) as conn:
            until = await votes.horizon(conn)
            fresh = await votes.between(conn, test.test_id, bench.read_until, until)
            stale = bench.reweighed_at is None or (now - bench.reweighed_at).total_seconds() > REWEIGH_EVERY_S
            voters = list(bench.voters) + fresh.player
            weights = await standings.weights_in(conn, test.test_id, voters) if stale else None
        _take_in(bench, fresh)
        bench.read_until = until
        changed = weights is not None and weights != bench.weights
        if weights is not None:
            if changed:
                _reweigh(bench, weights)
            bench.reweighed_at = now
        budget = await self._budget(test)
        ended = (test.ends_at is not None and now >= test.ends_at) or (
            budget is not None and bench.promised_g + CHOICE_G > budget.bought_g
        )
        if bench.votes == bench.fitted_votes and not changed and not ended:
            return False
        await self._conclude(bench, now, ended=ended)
        return True

    async def _take_up(self, test: StyleTest) -> Workbench:
        n = len(test.ranked)
        async with reading(self._engine) as conn:
            latest = await snapshots.latest(conn, test.test_id)
        bench = Workbench(test, RunningCounts(n, max(1, len(test.audience.quotas))), np.zeros((n, n), dtype=np.int64))
        bench.version = latest.version if latest else 0
        bench.left_shown, bench.right_shown = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        return bench

    async def _budget(self, test: StyleTest) -> budgets.Budget | None:
        async with reading(self._engine) as conn:
            return await budgets.find(conn, test.test_id)

    async def _conclude(self, bench: Workbench, now: datetime, *, ended: bool) -> None:
        """Fit, decide, write the snapshot; end the test when its goal is reached or nothing more can be asked."""
        test = bench.test
        if bench.votes:
            bench.scores = bradley_terry.fit(bench.counts, start=bench.scores)
        decision = decide(bench.scores, test.goal, bench.votes) if bench.scores else None
        health = Health(
            bench.votes,
            bench.gold_asked,
            bench.gold_passed,
            bench.weightless(),
            tuple(zip(bench.left_shown.tolist(), bench.right_shown.tolist(), strict=True)),
        )
        ills = ailments(bench.scores, health)
        reached = decision is not None and _reached(decision, test.goal)
        status = status_of(decision, health, ills, reached=reached, ended=ended)
        over = ended or status is DecisionStatus.READY
        if bench.scores is not None and bench.closer.is_due(bench.votes, ended=over):
            bench.closer = await asyncio.to_thread(
                look, test, bench.counts.counts(), bench.scores, votes=bench.votes, price_fen=PRICE_FEN,
                before=bench.closer, done=over,
            )  # fmt: skip
        bench.version += 1
        snapshot = Snapshot(
            test.test_id,
            bench.version,
            now,
            bench.votes,
            document=document(bench, decision, status, ills, now),
            state=_state(bench, decision),
        )
        async with transaction(self._engine) as conn:
            await snapshots.write(conn, snapshot)
            old_enough = test.launched_at is None or now >= test.launched_at + timedelta(days=test.min_days)
            if status is DecisionStatus.READY and old_enough:
                await end_test(conn, test, "decide", who="autopilot", why="the goal is reached", now=now)
            elif ended:
                await end_test(conn, test, "stop", who="autopilot", why="nothing more can be asked", now=now)
        bench.fitted_votes = bench.votes


def _reached(decision: Decision, goal: Goal) -> bool:
    return bool(decision.proven if goal.certainty == "proven" else decision.likely)


def _take_in(bench: Workbench, fresh: votes.VoteColumns) -> None:
    """Count new votes: gold pairs apart, "neither" as what it is, everything else for the ranking."""
    if len(fresh) == 0:
        return
    bench.promised_g += int(fresh.offer_g.sum())
    n = len(bench.test.ranked)
    for left, right, choice in zip(fresh.left, fresh.right, fresh.choice, strict=True):
        if is_gold(bench.test, left, right):
            bench.gold_asked += 1
            bench.gold_passed += int(choice != Choice.NEITHER and passed(bench.test, int(left), choice == Choice.LEFT))
    ranked = (fresh.left < n) & (fresh.right < n)
    left, right, choice = fresh.left[ranked], fresh.right[ranked], fresh.choice[ranked]
    voter = np.array([bench.voter_number(player) for player in fresh.player], dtype=np.int64)[ranked]
    as_value = np.where(choice == Choice.LEFT, 1.0, np.where(choice == Choice.RIGHT, 0.0, NEITHER))
    bench.counts.add(left, right, as_value, voter=voter, segment=fresh.segment[ranked])
    chose = choice != Choice.NEITHER
    winner = np.where(choice == Choice.LEFT, left, right)[chose]
    loser = np.where(choice == Choice.LEFT, right, left)[chose]
    np.add.at(bench.wins, (winner, loser), 1)
    bench.votes += int(ranked.sum())
    bench.left_shown += np.bincount(left, minlength=n)
    bench.right_shown += np.bincount(right, minlength=n)
    bench.votes_of.update(voter.tolist())


def _reweigh(bench: Workbench, weights: dict[UUID, float]) -> None:
    """Give voters their present weights; whoever has none below 1 counts in full again."""
    touched = set(weights) | set(bench.weights)
    numbers = [bench.voter_number(player) for player in touched]
    if numbers:
        bench.counts.reweight(numbers, [weights.get(player, 1.0) for player in touched])
    bench.weights = weights


def _state(bench: Workbench, decision: Decision | None) -> dict[str, Any]:
    """What dealing needs of a snapshot."""
    n = len(bench.test.ranked)
    if bench.scores is None or decision is None:
        return {"strength": [0.0] * n, "posterior_covariance": (0.36 * np.eye(n)).tolist(), "wins": bench.wins.tolist()}
    return {
        "strength": bench.scores.strength.tolist(),
        "posterior_covariance": bench.scores.posterior_covariance.tolist(),
        "covariance": bench.scores.covariance.tolist(),
        "wins": bench.wins.tolist(),
        "open_items": list(open_items(decision, n, bench.test.goal.keep)),
    }


def document(
    bench: Workbench,
    decision: Decision | None,
    status: DecisionStatus,
    ills: tuple[Ailment, ...],
    now: datetime,
) -> dict[str, Any]:
    """What pages and reports show of a test: one document, the same numbers wherever they are read."""
    test, scores = bench.test, bench.scores
    body: dict[str, Any] = {
        "test_id": str(test.test_id),
        "version": bench.version,
        "at": rfc3339(now),
        "status": status.value,
        "votes": bench.votes,
        "voters": len(bench.voters),
        "gold": {"asked": bench.gold_asked, "passed": bench.gold_passed},
        "weightless_votes": bench.weightless(),
        "promised_g": bench.promised_g,
        "goal": tests.goal_data(test.goal),
        "ailments": [{"code": ill.code, "zh": ill.zh, "en": ill.en} for ill in ills],
        "items": [],
        "wins": bench.wins.tolist(),
    }
    if scores is None or decision is None:
        return body
    low, high = scores.interval(0.95)
    rank_low, rank_high = scores.rank_interval(0.95)
    p_best, p_top = scores.p_best(test.goal.indifference), scores.p_top(test.goal.keep)
    share_low, share_high = scores.share_interval(0.95)
    verdicts = conclude(scores, decision, keep=test.goal.keep, confidence=test.goal.confidence, status=status)
    body["items"] = [
        {
            "style_id": str(style.style_id),
            "name": style.title,
            "picture": style.picture,
            "attributes": style.attribute_map,
            "strength": float(scores.strength[i]),
            "standard_error": float(scores.standard_error[i]),
            "low": float(low[i]),
            "high": float(high[i]),
            "rank": int(scores.rank[i]),
            "rank_low": int(rank_low[i]),
            "rank_high": int(rank_high[i]),
            "share": float(scores.share[i]),
            "share_low": float(share_low[i]),
            "share_high": float(share_high[i]),
            "p_best": float(p_best[i]),
            "p_top": float(p_top[i]),
            "votes": round(float(scores.shown[i] + scores.neither[i])),
            "neither": round(float(scores.neither[i])),
            "verdict": verdicts[i].verdict.value,
            "reason": {"zh": verdicts[i].reason_zh, "en": verdicts[i].reason_en},
        }
        for i, style in enumerate(test.ranked)
    ]
    side = scores.side_effect
    body |= {
        "side_effect": {"estimate": side.estimate, "standard_error": side.standard_error} if side else None,
        "flags": [{"code": flag.code, "sentence": flag.sentence, "items": list(flag.items)} for flag in scores.flags],
        "converged": scores.converged,
        "method": scores.method,
        "decision": {
            "likely": bool(decision.likely),
            "proven": bool(decision.proven),
            "probability": float(decision.probability),
            "chosen": [int(item) for item in decision.chosen],
            "dropped": [int(item) for item in decision.dropped],
            "reason": decision.reason,
            "error_bound": float(decision.error_bound),
            "equivalent": [int(item) for item in decision.equivalent],
            "margin_percent": float(decision.margin_percent),
            "margin": {"zh": decision.margin_sentence("zh"), "en": decision.margin_sentence("en")},
        },
        "notes": [
            {"code": note.code, "zh": note.zh, "en": note.en} for note in notes(test, decision, bench.closer.polarised)
        ],
        "looked_at_votes": bench.closer.votes,
    }
    return body | bench.closer.parts

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

from game.conclusions import (
    Ailment,
    DecisionStatus,
    Health,
    ailments,
    conclude,
    mix_note,
    notes,
    open_items,
    status_of,
)
from game.confirmation import Confirmation, ProbeVotes, confirm
from game.dealing import appetites, is_gold, passed
from game.gates import gate_note
from game.matchup import Choice
from game.style_test import StyleTest, TestState
from ranking import bradley_terry, segments
from ranking._kernel import KernelFit
from ranking.comparisons import LEFT, NEITHER, RIGHT, RunningCounts
from ranking.errors import NoVotes
from ranking.scores import Scores
from ranking.segments import HEARD_VOTES, SegmentScores
from ranking.stopping import Decision, confirmation_votes, decide
from rewards.budgets import Rate, rate_of
from server.closer_look import CloserLook, look
from server.edge.wire import rfc3339
from server.flows.end_test import end_test
from server.stores import budgets, farm, snapshots, standings, tests, votes
from server.stores.db import AsyncEngine, reading, transaction
from server.stores.snapshots import Snapshot
from server.stores.standings import StyleGates

log = structlog.get_logger()

REWEIGH_EVERY_S = 20.0

CONFIRM_PATIENCE = timedelta(hours=6)
"""How long a confirmation waits for the next vote; then no fresh players are left, and it ends with what it has."""


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
    audiences: SegmentScores | None = None
    kernel: KernelFit | None = None
    mix: tuple[float, ...] = ()
    probes: list[tuple[int, int, float, int]] = field(default_factory=list)
    confirmation: Confirmation | None = None
    answered_at: float = 0.0
    gates: StyleGates = field(default_factory=StyleGates)

    def weightless(self) -> int:
        """Votes of players whose votes weigh nothing now."""
        none = [self.voters[player] for player, weight in self.weights.items() if weight == 0 and player in self.voters]
        return int(sum(self.votes_of.get(number, 0) for number in none))

    def probe_votes(self) -> ProbeVotes:
        """The confirmation's votes of whoever has weight at all, as arrays."""
        mute = {self.voters[player] for player, weight in self.weights.items() if weight == 0 and player in self.voters}
        kept = [vote for vote in self.probes if vote[3] not in mute]
        columns = np.array(kept, dtype=float).reshape(-1, 4).T
        return ProbeVotes(
            columns[0].astype(np.intp), columns[1].astype(np.intp), columns[2], columns[3].astype(np.int64)
        )

    def waits_in_vain(self, now: datetime) -> bool:
        """Whether a confirmation is under way and nobody has answered for long."""
        running = self.confirmation is not None and not self.confirmation.over
        return running and now.timestamp() - self.answered_at > CONFIRM_PATIENCE.total_seconds()

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
            gates = await standings.gates_in(conn, test.test_id) if stale else bench.gates
        _take_in(bench, fresh)
        bench.read_until = until
        changed = gates != bench.gates or (weights is not None and weights != bench.weights)
        if gates != bench.gates:
            _excuse(bench, gates)
        if weights is not None:
            if weights != bench.weights:
                _reweigh(bench, weights)
            bench.reweighed_at = now
        budget = await self._budget(test)
        ended = (test.ends_at is not None and now >= test.ends_at) or (
            budget is not None and bench.promised_g + budget.rate.grams > budget.bought_g
        )
        in_vain = bench.waits_in_vain(now)
        if bench.votes == bench.fitted_votes and not changed and not ended and not in_vain:
            return False
        await self._conclude(bench, now, ended=ended, in_vain=in_vain, rate=await self._rate(budget))
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

    async def _rate(self, budget: budgets.Budget | None) -> Rate:
        """What the test's votes cost: as it was launched, and as votes cost now where it has no budget of its own."""
        if budget is not None:
            return budget.rate
        async with reading(self._engine) as conn:
            return rate_of(await farm.current_economy(conn))

    async def _conclude(
        self, bench: Workbench, now: datetime, *, ended: bool, in_vain: bool = False, rate: Rate
    ) -> None:
        """Fit, decide, write the snapshot; end the test when its goal is reached or nothing more can be asked."""
        test = bench.test
        if bench.votes:
            try:
                if len(test.audience.quotas) > 1:
                    await asyncio.to_thread(_fit_audiences, bench)
                else:
                    bench.scores = bradley_terry.fit(bench.counts, start=bench.scores)
            except NoVotes:  # nobody liked any, or none of these votes has weight
                bench.scores = bench.audiences = None
        decision = decide(bench.scores, test.goal, bench.votes) if bench.scores else None
        health = Health(
            bench.votes,
            bench.gold_asked,
            bench.gold_passed,
            bench.weightless(),
            tuple(zip(bench.left_shown.tolist(), bench.right_shown.tolist(), strict=True)),
        )
        ills = ailments(bench.scores, health)
        reached = decision is not None and decision.done
        bench.confirmation = None
        if reached and decision and confirmation_votes(test.goal, len(test.ranked)):
            bench.confirmation = _confirm(bench, decision, last=ended or in_vain)
        status = status_of(decision, health, ills, reached=reached, ended=ended, confirmation=bench.confirmation)
        flagged = status is DecisionStatus.REVIEW and not ended
        over = ended or flagged or status is DecisionStatus.READY
        if bench.scores is not None and bench.closer.is_due(bench.votes, ended=over):
            bench.closer = await asyncio.to_thread(
                look, test, bench.counts.counts(), bench.scores, votes=bench.votes, price_fen=rate.fen,
                before=bench.closer, done=over, then_votes=_confirmation_left(bench),
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
            elif flagged:
                why = "the confirmation found a following that honest liking does not explain"
                await end_test(conn, test, "stop", who="autopilot", why=why, now=now)
            elif ended:
                await end_test(conn, test, "stop", who="autopilot", why="nothing more can be asked", now=now)
        bench.fitted_votes = bench.votes


def _fit_audiences(bench: Workbench) -> None:
    """Several audiences: one hierarchical fit, and the answer for them as the quotas weigh them.

    Where no quota was set, the answer is for whoever came: each audience weighs by its voters.
    """
    counts = bench.counts.counts()
    improvements = 40 if bench.kernel is None else 1
    fitted = segments.fit(counts, start=bench.kernel, improvements=improvements, test=False)
    bench.kernel, bench.audiences = fitted.kernel, fitted
    came = [float(scores.n_voters) for scores in fitted.of]
    weights = bench.test.audience.weights or tuple(each / sum(came) for each in came)
    bench.mix = weights
    bench.scores = fitted.poststratified(weights)


def _confirm(bench: Workbench, decision: Decision, *, last: bool) -> Confirmation:
    """Where the confirmation of what was chosen stands: all of it is in the votes."""
    scores = bench.scores
    assert scores is not None, "nothing is chosen without a fit"
    cast = bench.probe_votes()
    table = bradley_terry.together(bench.counts.counts(0))
    kept = cast.choice != 0.5
    outcome = np.where(cast.choice[kept] == 1.0, LEFT, RIGHT)
    numbers = {number: bench.weights.get(player, 1.0) for player, number in bench.voters.items()}
    weight = np.array([numbers[int(voter)] for voter in cast.voter[kept]])
    np.subtract.at(table, (cast.left[kept], cast.right[kept], outcome), weight)
    # What was summed in another order may leave a trace below zero.
    before = bradley_terry.fit_table(np.maximum(table, 0.0), prior_variance=scores.prior_sd**2)
    side = float(before.x[scores.n_items])
    return confirm(decision.chosen, cast, before.strength, side_effect=side, last=last)


def _confirmation_left(bench: Workbench) -> int:
    """Votes that the confirmation of the winner will ask for once the rule has fired."""
    found = bench.confirmation
    if found is None:
        return confirmation_votes(bench.test.goal, len(bench.test.ranked))
    return max(0, found.wanted - found.votes)


def _take_in(bench: Workbench, fresh: votes.VoteColumns) -> None:
    """Count new votes: gold pairs apart, "neither" as what it is, everything else for the ranking."""
    if len(fresh) == 0:
        return
    bench.promised_g += int(fresh.offer_g.sum())
    n = len(bench.test.ranked)
    beside = (fresh.left >= n) | (fresh.right >= n)
    for left, right, choice in zip(fresh.left[beside], fresh.right[beside], fresh.choice[beside], strict=True):
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
    probe = (fresh.flags[ranked] & votes.PROBE) != 0
    values = np.where(as_value == NEITHER, 0.5, as_value)
    bench.probes += list(
        zip(left[probe].tolist(), right[probe].tolist(), values[probe].tolist(), voter[probe].tolist(), strict=True)
    )
    bench.answered_at = max(bench.answered_at, float(fresh.answered_at.max()))
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


def _excuse(bench: Workbench, gates: StyleGates) -> None:
    """Let the votes of those who push a style count less on that style; whoever was cleared counts in full again."""
    pairs = list(gates.factors)
    numbers = [bench.voter_number(player) for player, _ in pairs]
    bench.counts.excuse(numbers, [position for _, position in pairs], list(gates.factors.values()))
    bench.gates = gates


def _gate_notes(bench: Workbench) -> list[Ailment]:
    """Each gated style, with the place that it has and the one that it would have if all votes counted in full."""
    if not bench.gates.gates or bench.scores is None:
        return []
    prior = bench.scores.prior_sd**2
    ranks = []
    for table in (bradley_terry.together(bench.counts.counts(0)), bench.counts.table_in_full().sum(axis=0)):
        strength = bradley_terry.fit_table(table, prior_variance=prior).strength
        ranks.append(np.argsort(np.argsort(-strength, kind="stable"), kind="stable") + 1)
    titles = [style.title for style in bench.test.ranked]
    return [
        gate_note(titles[gate.item], gate, rank_without=int(ranks[0][gate.item]), rank_in_full=int(ranks[1][gate.item]))
        for gate in bench.gates.gates
    ]


def _state(bench: Workbench, decision: Decision | None) -> dict[str, Any]:
    """What dealing needs of a snapshot."""
    test = bench.test
    n = len(test.ranked)
    if bench.scores is None or decision is None:
        return {"strength": [0.0] * n, "posterior_covariance": (0.36 * np.eye(n)).tolist(), "wins": bench.wins.tolist()}
    state: dict[str, Any] = {
        "strength": bench.scores.strength.tolist(),
        "posterior_covariance": bench.scores.posterior_covariance.tolist(),
        "covariance": bench.scores.covariance.tolist(),
        "wins": bench.wins.tolist(),
        "open_items": list(open_items(decision, n, test.goal.keep)),
    }
    confirming = bench.confirmation is not None and not bench.confirmation.over
    if confirming and bench.confirmation:
        state["probe"] = list(bench.confirmation.leaders)
    if bench.audiences is not None:
        # Six digits are more than planners need and half of what would be stored.
        state["segments"] = [
            {
                "strength": np.round(scores.strength, 6).tolist(),
                "posterior_covariance": np.round(scores.posterior_covariance, 7).tolist(),
            }
            for scores in bench.audiences.of
        ]
        weights = test.audience.weights
        if weights is not None and not confirming:
            worth = bench.audiences.worth(weights, test.goal.keep, test.goal.indifference)
            given = bench.audiences.votes.tolist()
            state["appetites"] = [round(a, 4) for a in appetites(worth.tolist(), given, least_votes=HEARD_VOTES * n)]
    return state


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
            "reason": "flagged" if status is DecisionStatus.REVIEW and decision.done else decision.reason,
            "error_bound": float(decision.error_bound),
            "equivalent": [int(item) for item in decision.equivalent],
            "margin_percent": float(decision.margin_percent),
            "margin": {"zh": decision.margin_sentence("zh"), "en": decision.margin_sentence("en")},
        },
        "notes": [{"code": note.code, "zh": note.zh, "en": note.en} for note in _notes(bench, decision)],
        "confirmation": _confirmation_part(bench.confirmation),
        "mix": _mix_part(bench),
        "looked_at_votes": bench.closer.votes,
    }
    return body | bench.closer.parts


def _notes(bench: Workbench, decision: Decision) -> list[Ailment]:
    """What stands beside the verdicts: whom the answer is for, how the confirmation stands, and the rest."""
    test = bench.test
    said = []
    if bench.audiences is not None and test.audience.weights is not None:
        said.append(mix_note(test.audience.names, bench.mix, bench.audiences.votes.tolist()))
    if bench.confirmation is not None:
        zh, en = bench.confirmation.words([style.title for style in test.ranked])
        said.append(Ailment(f"confirmation_{bench.confirmation.state}", zh, en))
    return [*said, *_gate_notes(bench), *notes(test, decision, bench.closer.polarised)]


def _confirmation_part(found: Confirmation | None) -> dict[str, Any] | None:
    """The confirmation of a proven winner in numbers; null where none is due."""
    if found is None:
        return None
    return {
        "state": found.state,
        "leaders": list(found.leaders),
        "votes": found.votes,
        "wanted_votes": found.wanted,
        "styles": [
            {
                "leader": leader,
                "flagged": leader in found.flagged,
                "z": round(verdict.z, 3),
                "voters": verdict.n_voters,
                "chose_it_every_time": verdict.all_win,
                "explained": round(verdict.expected, 1),
            }
            for leader, verdict in zip(found.leaders, found.verdicts, strict=False)
        ],
    }


def _mix_part(bench: Workbench) -> list[dict[str, Any]] | None:
    """Whom the ranking is for: each audience's weight in it beside the part that it has in the votes."""
    if bench.audiences is None:
        return None
    given = bench.audiences.votes
    by = "quota" if bench.test.audience.weights is not None else "voters"
    return [
        {
            "segment": name,
            "weight": round(weight, 4),
            "weighted_by": by,
            "votes": round(float(votes_)),
            "votes_share": round(float(votes_ / max(given.sum(), 1.0)), 4),
        }
        for name, weight, votes_ in zip(bench.test.audience.names, bench.mix, given.tolist(), strict=True)
    ]

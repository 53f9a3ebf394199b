"""Sweep for abuse: take in the votes that are new, judge whom they touch, and let what is news take effect.

Votes are never touched, and neither is what was settled. A verdict is appended with its reasons and figures; the player's
weight is looked up at the next refit; held grants of a muted player are voided with the reason, and a case is opened for
a person to look at. A person's ruling binds the sweep.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from game import standing as rules
from game.standing import Opinion, Ruling
from game.style_test import TestState
from rewards.economy import Economy
from rewards.grants import VoidReason
from server.flows.conclude_player import conclude_player, hold_s_of
from server.flows.restore_player import restore_player
from server.flows.void_grants import void_grants
from server.ids import uuid7
from server.stores import cases, farm, players, standings, tests, votes
from server.stores.db import AsyncConnection, AsyncEngine, reading, transaction
from server.stores.standings import REVIEW, Known, StyleGates
from server.suspicion import Bench, Findings, Mind, Ring, Suspicion

log = structlog.get_logger()

LOOK_BACK = timedelta(days=60)
"""How long after its end a test's votes still are evidence."""
LINGER = timedelta(days=1)
"""Tickets outlive their test by less than this: so long are answers to it waited for."""
BATCH = 1000


class SweepAbuse:
    """The job. One instance belongs to one worker; several workers come to the same opinions and write them once."""

    name = "sweep_abuse"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._mind: Mind | None = None
        # Judged but not written yet: the database may go away between the two.
        self._owed: dict[UUID, Suspicion] = {}
        self._gates: dict[UUID, StyleGates] = {}

    async def run(self, now: datetime) -> int:
        """Judge whom new votes touch; returns how many standings became others."""
        mind = self._mind or Mind()
        fresh = await self._take_in(mind, now)
        self._mind = mind
        if not mind.has_news and not self._owed:
            return 0
        async with reading(self._engine) as conn:
            known = await _known(conn, fresh)
            suspects = await standings.not_trusted(conn)
            economy = await farm.current_economy(conn)
        rings: tuple[Ring, ...] = ()
        if mind.has_news:
            # Arithmetic on many arrays: the event loop does not wait for it.
            found = await asyncio.to_thread(mind.review, known)
            rings = found.rings
            self._owed |= found.suspicions
            await self._bound(found)
        return await self._write(fresh, suspects, rings, economy, now)

    async def _take_in(self, mind: Mind, now: datetime) -> set[UUID]:
        """Read what became visible since the last look, as the refit does; returns the players who voted."""
        async with reading(self._engine) as conn:
            until = await votes.horizon(conn)
            fresh: set[UUID] = set()
            for bench in await self._under_review(conn, mind, now):
                news = await votes.between(conn, bench.test.test_id, bench.read_until, until)
                if len(news):
                    voters = set(news.player)
                    mind.take_in(bench, news, await standings.whereabouts(conn, sorted(voters)))
                    fresh |= voters
                bench.read_until = until
        return fresh

    async def _under_review(self, conn: AsyncConnection, mind: Mind, now: datetime) -> list[Bench]:
        """The tests whose votes may have grown: the open ones, and those that ended so lately that answers still come."""
        first = not mind.benches
        states = [TestState.RUNNING, TestState.PAUSED]
        ended = [TestState.DECIDED, TestState.STOPPED] if first else []
        for test in await tests.in_states(conn, states + ended):
            if test.ended_at is None or test.ended_at > now - LOOK_BACK:
                mind.bench(test).seen_open_at = test.ended_at or now
        return [bench for bench in mind.benches if bench.seen_open_at > now - LINGER or bench.read_until == 0]

    async def _bound(self, found: Findings) -> None:
        for test_id, factors in found.factors.items():
            async with transaction(self._engine) as conn:
                await standings.set_influence(conn, test_id, factors)
        for test_id, gates in found.gates.items():
            if gates != self._gates.get(test_id):
                async with transaction(self._engine) as conn:
                    await standings.set_gates(conn, test_id, gates)
                self._gates[test_id] = gates

    async def _write(
        self, fresh: set[UUID], suspects: frozenset[UUID], rings: tuple[Ring, ...], economy: Economy, now: datetime
    ) -> int:
        """Write what is news. Who is trusted and was trusted costs nothing here."""
        interesting = sorted(
            player_id
            for player_id, suspicion in self._owed.items()
            if suspicion.opinion.standing != "trusted" or player_id in suspects or player_id in fresh
        )
        changed = 0
        for some in _batches(interesting):
            async with reading(self._engine) as conn:
                known = await standings.known_of(conn, some)
                ruled = await standings.rulings(conn, [one for one in some if one in suspects])
            holds: dict[UUID, int] = {}
            for player_id, one in sorted(known.items()):
                suspicion = self._owed[player_id]
                opinion = rules.binding(rules.steadied(one.opinion, suspicion.opinion), ruled.get(player_id), now=now)
                if rules.is_news(one.opinion, opinion):
                    changed += await self._conclude(one, suspicion, economy, now)
                elif one.opinion.standing == "muted" and player_id in fresh:
                    # Tickets that were out when he was muted are answered still; their votes weigh nothing.
                    async with transaction(self._engine) as conn:
                        await void_grants(conn, player_id=player_id, reason=VoidReason.ABUSE, now=now)
                elif one.hold_s != (hold_s := hold_s_of(one.opinion.standing, one.vetted_votes, economy)):
                    holds[player_id] = hold_s
            if holds:
                async with transaction(self._engine) as conn:
                    await players.set_hold(conn, holds)
        self._owed.clear()
        for ring in rings:
            await self._open_ring(ring, now)
        return changed

    async def _conclude(self, one: Known, suspicion: Suspicion, economy: Economy, now: datetime) -> bool:
        """Write one verdict with its effects, unless somebody else did, or a person ruled, since it was looked at."""
        async with transaction(self._engine) as conn:
            await players.lock(conn, one.player_id)
            known = (await standings.known_of(conn, [one.player_id])).get(one.player_id)
            if known is None:
                return False
            ruling: Ruling | None = (await standings.rulings(conn, [one.player_id])).get(one.player_id)
            opinion = rules.binding(rules.steadied(known.opinion, suspicion.opinion), ruling, now=now)
            if not rules.is_news(known.opinion, opinion):
                return False
            if known.opinion.standing == "muted":
                await self._take_back(conn, known, opinion, economy, now)
                return True
            evidence = dict(suspicion.evidence)
            risks = (await standings.risks_of(conn, [one.player_id])).get(one.player_id, [])
            if risks:
                evidence["platform"] = {risk.platform: {"level": risk.level, "rank": risk.rank} for risk in risks}
            case_id = None
            if opinion.standing == "muted":
                case_id = await cases.open_case(
                    conn,
                    case_id=uuid7(),
                    kind="player",
                    player_ids=[one.player_id],
                    opened_by=REVIEW,
                    reasons=opinion.reasons,
                    suggestion=rules.suggestion_for(suspicion.p_free, 1).value,
                    evidence=evidence,
                    now=now,
                )
            await conclude_player(
                conn,
                known,
                opinion,
                who=REVIEW,
                votes=suspicion.votes,
                evidence=evidence,
                case_id=case_id,
                economy=economy,
                now=now,
            )
        log.info("standing", standing=opinion.standing, reasons=opinion.reasons, votes=suspicion.votes)
        return True

    async def _take_back(
        self, conn: AsyncConnection, known: Known, opinion: Opinion, economy: Economy, now: datetime
    ) -> None:
        """Review itself found that it was wrong: later answers speak for the player. His grams come back."""
        why = "later answers speak for the player"
        await restore_player(conn, known.player_id, who=REVIEW, why=why, opinion=opinion, economy=economy, now=now)
        for case in await cases.of_player(conn, known.player_id):
            if case.state is rules.CaseState.OPEN and len(case.player_ids) == 1:
                await cases.write_judgement(conn, case.case_id, rules.CaseState.LIFTED, who=REVIEW, note=why, now=now)

    async def _open_ring(self, ring: Ring, now: datetime) -> None:
        """A case about accounts that belong together; opened once, and not again while a person's word on it binds."""
        async with transaction(self._engine) as conn:
            known = await standings.known_of(conn, ring.player_ids)
            members = [player_id for player_id in ring.player_ids if player_id in known]
            if len(members) < 2:
                return
            await cases.open_case(
                conn,
                case_id=uuid7(),
                kind="group",
                player_ids=members,
                opened_by=REVIEW,
                reasons=sorted({code for one in known.values() for code in one.opinion.reasons}),
                suggestion=rules.suggestion_for(ring.p_abusive, len(members)).value,
                evidence={
                    "by": list(ring.by),
                    "p_abusive": ring.p_abusive,
                    "standings": {str(player_id): known[player_id].opinion.standing for player_id in members},
                },
                quiet_since=now - rules.RULING_LIFE,
                now=now,
            )


async def _known(conn: AsyncConnection, player_ids: Iterable[UUID]) -> dict[UUID, Known]:
    known: dict[UUID, Known] = {}
    for some in _batches(sorted(player_ids)):
        known |= await standings.known_of(conn, some)
    return known


def _batches(player_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    yield from (player_ids[start : start + BATCH] for start in range(0, len(player_ids), BATCH))

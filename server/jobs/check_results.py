"""Check results: does a decision survive without any 5 % of its voters, and is it still the same after verdicts on them?"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import structlog

from game.holding import changed_note, restored_note
from game.matchup import Choice
from game.style_test import StyleTest
from ranking import bradley_terry
from ranking.comparisons import NEITHER, Comparisons
from ranking.errors import RankingError
from ranking.robustness import Removal, survives_removal
from server.stores import audit, standings, tests, votes, webhooks
from server.stores.db import AsyncConnection, AsyncEngine, reading, transaction
from server.stores.standings import REVIEW, ResultCheck, StyleGates
from server.stores.votes import VoteColumns

log = structlog.get_logger()

SHARE = 0.05
LOOK_BACK = timedelta(days=60)
"""A decision older than this is cloth by now: a flag would come too late to help anybody."""
BATCH = 20


class CheckResults:
    """The job. Reads the votes of a decided test once, and again when there is a new verdict on one of its voters."""

    name = "check_results"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Check what was not checked yet; returns how many results were looked at."""
        async with reading(self._engine) as conn:
            waiting = await standings.unchecked_results(conn, since=now - LOOK_BACK, limit=BATCH)
        for test_id in waiting:
            await self._check(test_id, now)
        return len(waiting)

    async def _check(self, test_id: UUID, now: datetime) -> None:
        async with reading(self._engine) as conn:
            # The number first: a verdict that comes while votes are read makes the test be looked at again.
            verdict_no = await standings.latest_verdict_no(conn)
            test = await tests.find(conn, test_id)
            assert test is not None, "a decided test stays"
            columns = await votes.between(conn, test_id, 0, await votes.horizon(conn))
            weights = await standings.weights_in(conn, test_id, sorted(set(columns.player)))
            gates = await standings.gates_in(conn, test_id)
            before = await standings.first_check(conn, test_id)
        comparisons = _comparisons(test, columns, weights, gates)
        chosen: tuple[int, ...] = ()
        removal = None
        if comparisons is not None:
            chosen, removal = await asyncio.to_thread(_look, test, comparisons, before.chosen if before else ())
        async with transaction(self._engine) as conn:
            await standings.record_check(
                conn,
                ResultCheck(
                    test_id=test_id,
                    verdict_no=verdict_no,
                    at=now,
                    votes=len(columns),
                    chosen=chosen,
                    holds=removal.holds if removal else None,
                    share=removal.share if removal else None,
                    share_to_flip=removal.share_to_flip if removal else None,
                    n_removed=removal.n_removed if removal else None,
                ),
            )
            if chosen and before is not None and before.chosen:
                news = await standings.flag_changed_result(
                    conn, test_id, chosen_before=before.chosen, chosen_after=chosen, now=now
                )
                if news:
                    await self._tell(conn, test, before.chosen, chosen, now)
                    log.info("result_flagged", test_id=str(test_id), chosen=chosen)

    async def _tell(
        self, conn: AsyncConnection, test: StyleTest, before: Sequence[int], after: Sequence[int], now: datetime
    ) -> None:
        """Tell the merchant, who may be cutting cloth by the first result."""
        titles = [style.title for style in test.ranked]
        same = sorted(before) == sorted(after)
        note = restored_note() if same else changed_note([titles[k] for k in before], [titles[k] for k in after])
        ids = [str(style.style_id) for style in test.ranked]
        said = {
            "test_id": str(test.test_id),
            "title": test.title,
            "changed": not same,
            "chosen_before": [ids[k] for k in before],
            "chosen_after": [ids[k] for k in after],
            "words": {"zh": note.zh, "en": note.en},
        }
        await webhooks.announce(conn, test.merchant_id, "test.result_changed", said, now)
        await audit.write(
            conn,
            who=REVIEW,
            what="test.result_restored" if same else "test.result_changed",
            object_id=test.test_id,
            before={"chosen": said["chosen_before"]},
            after={"chosen": said["chosen_after"]},
            why=note.en,
            now=now,
        )


def _comparisons(
    test: StyleTest, columns: VoteColumns, weights: dict[UUID, float], gates: StyleGates
) -> Comparisons | None:
    """The votes that rank, each with what its player counts now; None where there are none."""
    n = len(test.ranked)
    ranked = (columns.left < n) & (columns.right < n)
    numbers = {player: number for number, player in enumerate(sorted(set(columns.player)))}
    weight = np.array([weights.get(player, 1.0) for player in columns.player])[ranked]
    if gates.factors:
        of = gates.factors.get
        three = zip(columns.player, columns.left.tolist(), columns.right.tolist(), strict=True)
        weight *= np.array([of((p, left), 1.0) * of((p, right), 1.0) for p, left, right in three])[ranked]
    if not (weight > 0).any():
        return None
    choice = columns.choice[ranked]
    return Comparisons.from_arrays(
        columns.left[ranked].astype(np.int64),
        columns.right[ranked].astype(np.int64),
        np.where(choice == Choice.LEFT, 1.0, np.where(choice == Choice.RIGHT, 0.0, NEITHER)),
        voter=np.array([numbers[player] for player in columns.player], dtype=np.int64)[ranked],
        weight=weight,
        n_items=n,
    )


def _look(test: StyleTest, comparisons: Comparisons, before: tuple[int, ...]) -> tuple[tuple[int, ...], Removal | None]:
    """The positions that would be chosen now, and whether that survives the removal of any 5 % of the voters.

    Those that were chosen `before` stay chosen while no other is ahead of one of them by more than the merchant's own
    indifference: within it the choice does not matter, and a flag that comes and goes says nothing.
    """
    keep, indifference = test.goal.keep, test.goal.indifference
    try:
        scores = bradley_terry.fit(comparisons)
    except RankingError:
        return (), None
    order = [int(item) for item in np.argsort(-scores.strength, kind="stable")]
    chosen = tuple(sorted(order[:keep]))
    rest = [item for item in order if item not in before]
    if len(before) == keep and scores.strength[rest].max() <= scores.strength[list(before)].min() + indifference:
        chosen = tuple(sorted(before))
    try:
        removal = survives_removal(comparisons, keep=keep, share=SHARE, indifference=indifference)
    except RankingError:
        return chosen, None
    return chosen, removal

"""Settle the review of a test: start it when all its content may be shown, send it back when some of it may not."""

from datetime import datetime
from uuid import UUID

from game.content import ContentState, pieces_of, refused, standing
from game.errors import GameRefusal
from game.style_test import StyleTest, TestState, after
from rewards.economy import Economy
from rewards.errors import RewardsRefusal
from server.edge.problems import problem_of
from server.flows.launch_test import launch_test
from server.stores import audit, contents, tests, webhooks
from server.stores.db import AsyncConnection


async def settle_review(
    conn: AsyncConnection, test_id: UUID, *, economy: Economy, who: str, now: datetime, request_id: str = ""
) -> StyleTest | None:
    """The test as it stands afterwards: running, a draft again, or still in review; None when it is not in review.

    A test that cannot start any more (its deadline has passed meanwhile, or the money is gone) goes back to its merchant
    with the reason, as if review had sent it.
    """
    test = await tests.find(conn, test_id, lock=True)
    if test is None or test.state is not TestState.REVIEW:
        return None
    pieces = pieces_of(test)
    known = await contents.known_of_test(conn, test)
    found = standing(pieces, known)
    if found is ContentState.PASS:
        try:
            async with conn.begin_nested():
                return await launch_test(
                    conn,
                    test_id,
                    merchant_id=test.merchant_id,
                    economy=economy,
                    who=who,
                    now=now,
                    request_id=request_id,
                )
        except (GameRefusal, RewardsRefusal) as stopped:
            return await _send_back(conn, test, _words(stopped), who=who, now=now, request_id=request_id)
    if found is ContentState.RISKY:
        why = "; ".join(f"{piece.title}: {note}" for piece, note in refused(pieces, known))
        return await _send_back(conn, test, why, who=who, now=now, request_id=request_id)
    return test


def _words(stopped: GameRefusal | RewardsRefusal) -> str:
    """A refusal in the merchant's language."""
    problem = problem_of(stopped)
    assert problem is not None, "every refusal has its words"
    return problem.detail(english=False)


async def _send_back(
    conn: AsyncConnection, test: StyleTest, why: str, *, who: str, now: datetime, request_id: str
) -> StyleTest:
    draft = after(test, "reject", now=now)
    assert await tests.move(conn, test, draft), "the row is locked"
    await webhooks.announce(
        conn, test.merchant_id, "test.sent_back",
        {"test_id": str(test.test_id), "title": test.title, "state": draft.state.value, "why": why}, now,
    )  # fmt: skip
    await audit.write(
        conn, who=who, what="test.reject", object_id=test.test_id, before={"state": test.state.value},
        after={"state": draft.state.value}, why=why, now=now, request_id=request_id,
    )  # fmt: skip
    return draft

"""Launch a test: check that it is complete, buy its grams with the merchant's money, and open it to players."""

from datetime import datetime
from uuid import UUID

from game.content import pieces_of, refuse_risky
from game.errors import TransitionRefused
from game.style_test import StyleTest, after, check_goal, check_launch
from rewards.economy import Economy
from server.flows.buy_budget import buy_budget
from server.stores import audit, contents, tests, webhooks
from server.stores.db import AsyncConnection


def smallest_budget_fen(styles: int, economy: Economy) -> int:
    """What a test must at least be able to spend: nothing is ever said before 20 votes a style."""
    return 20 * styles * economy.vote_price_fen


async def launch_test(
    conn: AsyncConnection,
    test_id: UUID,
    *,
    merchant_id: UUID,
    economy: Economy,
    who: str,
    now: datetime,
    request_id: str = "",
) -> StyleTest | None:
    """Start a merchant's test; None when there is no such test of his.

    Content that review has refused is never started. Whether all of it was looked at is asked by `submit_test`.

    Raises TestIncomplete, TransitionRefused, GoalImpossible, ContentRefused; from the books BudgetTooSmall and
    BelowFloor (not enough money paid in). Nothing is changed then.
    """
    test = await tests.find(conn, test_id, merchant_id=merchant_id, lock=True)
    if test is None:
        return None
    check_launch(test, now=now, smallest_budget_fen=smallest_budget_fen(len(test.ranked), economy))
    check_goal(test.goal, len(test.ranked))
    pieces = pieces_of(test)
    known = await contents.known_of_test(conn, test)
    refuse_risky(pieces, known)
    running = after(test, "launch", now=now)
    await buy_budget(
        conn,
        test_id=test_id,
        merchant_id=merchant_id,
        budget_fen=test.budget_fen,
        economy=economy,
        now=now,
        plan_ends_at=test.ends_at,
    )
    if not await tests.move(conn, test, running):
        raise TransitionRefused(state=test.state.value, verb="launch", advice="somebody else moved it; load it again.")
    await webhooks.announce(
        conn,
        merchant_id,
        "test.running",
        {"test_id": str(test_id), "title": test.title, "state": running.state.value},
        now,
    )
    await audit.write(
        conn,
        who=who,
        what="test.launch",
        object_id=test_id,
        before={"state": test.state.value},
        after={"state": running.state.value, "budget_fen": test.budget_fen},
        now=now,
        request_id=request_id,
    )
    return running

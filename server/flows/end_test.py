"""End a test: move its state, and give its merchant back what was neither spent nor promised."""

from datetime import datetime

from game.style_test import StyleTest, after
from server.flows.return_budget import return_budget
from server.stores import audit, tests, webhooks
from server.stores.db import AsyncConnection


async def end_test(
    conn: AsyncConnection,
    test: StyleTest,
    verb: str,
    *,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> StyleTest | None:
    """Decide or stop a test; None when somebody else moved it first (nothing is changed then).

    Tickets that are out stay honoured: their grams lie in blocks, and only what no ticket can claim goes back now; the
    rest follows when the blocks lapse. Raises TransitionRefused.
    """
    ended = after(test, verb, now=now)
    if not await tests.move(conn, test, ended):
        return None
    await return_budget(conn, test.test_id, now=now)
    await webhooks.announce(
        conn,
        test.merchant_id,
        f"test.{ended.state.value}",
        {"test_id": str(test.test_id), "title": test.title, "state": ended.state.value, "why": why},
        now,
    )
    await audit.write(
        conn,
        who=who,
        what=f"test.{verb}",
        object_id=test.test_id,
        before={"state": test.state.value},
        after={"state": ended.state.value},
        why=why,
        now=now,
        request_id=request_id,
    )
    return ended

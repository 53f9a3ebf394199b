"""Pause or resume a test, or put it into the archive: verbs that move no money."""

from datetime import datetime
from uuid import UUID

from game.errors import TransitionRefused
from game.style_test import StyleTest, after
from server.stores import audit, tests
from server.stores.db import AsyncConnection


async def move_test(
    conn: AsyncConnection,
    test_id: UUID,
    verb: str,
    *,
    merchant_id: UUID | None,
    who: str,
    now: datetime,
    request_id: str = "",
) -> StyleTest | None:
    """Move a test; None when there is no such test (of this merchant). Raises TransitionRefused."""
    test = await tests.find(conn, test_id, merchant_id=merchant_id, lock=True)
    if test is None:
        return None
    moved = after(test, verb, now=now)
    if not await tests.move(conn, test, moved):
        raise TransitionRefused(state=test.state.value, verb=verb, advice="somebody else moved it; load it again.")
    await audit.write(
        conn,
        who=who,
        what=f"test.{verb}",
        object_id=test_id,
        before={"state": test.state.value},
        after={"state": moved.state.value},
        now=now,
        request_id=request_id,
    )
    return moved

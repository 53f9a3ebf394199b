"""Judge one piece of content: a person or a platform says whether players may see it, and its tests move on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from game.content import ContentState
from game.errors import ContentJudged
from rewards.economy import Economy
from server.flows.settle_review import settle_review
from server.stores import audit, contents
from server.stores.contents import Content
from server.stores.db import AsyncConnection


async def judge_content(
    conn: AsyncConnection,
    content_id: UUID,
    state: ContentState,
    *,
    who: str,
    note: str,
    economy: Economy,
    now: datetime,
    labels: Sequence[str] | None = None,
    request_id: str = "",
) -> Content | None:
    """The piece as it was judged; None where there is none. Raises ContentJudged.

    A verdict holds for the same picture and words in every later test of the merchant. What is running is not stopped by
    it: that is what the switches are for.
    """
    piece = await contents.find(conn, content_id)
    if piece is None:
        return None
    if piece.state not in (ContentState.PENDING, ContentState.REVIEW):
        raise ContentJudged(state=piece.state.value)
    if not await contents.judge(
        conn, content_id, before=piece.state, state=state, judged_by=who, note=note, labels=labels, now=now
    ):
        raise ContentJudged(state="by somebody else")
    await audit.write(
        conn, who=who, what="content.judged", object_id=content_id, before={"state": piece.state.value},
        after={"state": state.value, "title": piece.title}, why=note, now=now, request_id=request_id,
    )  # fmt: skip
    if state in (ContentState.PASS, ContentState.RISKY):
        for test_id in await contents.tests_in_review(conn, piece.merchant_id):
            await settle_review(conn, test_id, economy=economy, who=who, now=now, request_id=request_id)
    return await contents.find(conn, content_id)

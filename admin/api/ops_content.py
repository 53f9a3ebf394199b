"""Content review by people: what waits, and a person's word on it."""

from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.roles import May
from game.content import STATE_WORDS, ContentState
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.judge_content import judge_content
from server.stores import contents
from server.stores.contents import Content
from server.stores.db import reading, transaction

REVIEW = May.REVIEW_CONTENT.value


class ContentQuery(Wire):
    """Which page, and in which state: what waits for a person, unless named."""

    state: Literal["pending", "review", "pass", "risky"] | None = "review"
    cursor: UUID | None = None
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class ContentReply(Reply):
    """One piece that players would see: a style's picture and words, or the words of a test."""

    content_id: str
    merchant_id: str
    merchant: str
    test_id: str | None
    test_title: str | None
    style_id: str | None
    title: str
    words: str
    picture_url: str | None
    state: str
    state_words: dict[str, str]
    labels: list[str]
    note: str
    created_at: str
    judged_at: str | None
    judged_by: str | None


class ContentsReply(Reply):
    """A page of pieces, the longest waiting first; `next` is the cursor of the page after it."""

    contents: list[ContentReply]
    waiting: int
    next: str | None


class JudgeContentBody(Wire):
    """A person's word: it may be shown, or it may not, and why (the merchant reads the reason)."""

    verdict: Literal["pass", "risky"]
    note: str = pydantic.Field(default="", max_length=300)

    @pydantic.model_validator(mode="after")
    def _a_refusal_has_a_reason(self) -> "JudgeContentBody":
        if self.verdict == "risky" and len(self.note.strip()) < 2:
            raise ValueError("say in note what is wrong, so that the merchant can change it")
        return self


def content_reply(piece: Content) -> dict[str, Any]:
    """One piece as it stands."""
    zh, en = STATE_WORDS[piece.state]
    return {
        "content_id": str(piece.content_id),
        "merchant_id": str(piece.merchant_id),
        "merchant": piece.merchant,
        "test_id": str(piece.test_id) if piece.test_id else None,
        "test_title": piece.test_title,
        "style_id": str(piece.style_id) if piece.style_id else None,
        "title": piece.title,
        "words": piece.words,
        "picture_url": f"/media/{piece.picture}-large.webp" if piece.picture else None,
        "state": piece.state.value,
        "state_words": {"zh": zh, "en": en},
        "labels": list(piece.labels),
        "note": piece.note,
        "created_at": rfc3339(piece.created_at),
        "judged_at": rfc3339(piece.judged_at) if piece.judged_at else None,
        "judged_by": piece.judged_by,
    }


async def get_content(call: Call) -> dict[str, Any]:
    """What waits for a person, or was judged."""
    state = ContentState(call.query.state) if call.query.state else None
    async with reading(call.shell.engine) as conn:
        page = await contents.page(conn, state=state, after=call.query.cursor, limit=call.query.limit + 1)
        waiting = await contents.waiting(conn)
    shown, more = page[: call.query.limit], len(page) > call.query.limit
    return {
        "contents": [content_reply(piece) for piece in shown],
        "waiting": waiting,
        "next": str(shown[-1].content_id) if more else None,
    }


async def post_judgement(call: Call) -> dict[str, Any]:
    """Judge a piece; the tests that waited for it start, or go back to their merchant."""
    async with transaction(call.shell.engine) as conn:
        judged = await judge_content(
            conn,
            call.path_uuid("content_id"),
            ContentState(call.body.verdict),
            who=call.who.name,
            note=call.body.note.strip(),
            economy=call.shell.economy,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if judged is None:
        raise Problem("not_found")
    return content_reply(judged)


ROUTES = (
    Route(method="GET", path="/v1/ops/content", handler=get_content, summary="Content to review", auth=REVIEW,
          query=ContentQuery, reply=ContentsReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path="/v1/ops/content/{content_id}/judge", handler=post_judgement, summary="Judge content",
          auth=REVIEW, body=JudgeContentBody, reply=ContentReply,
          problems=(401, 403, 404, 409, 413, 415, 422, 503), idempotent=True),
)  # fmt: skip

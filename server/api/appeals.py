"""POST and GET /v1/appeals: contest what review concluded of oneself, and read the answers."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pydantic

from game.standing import MAX_APPEAL, MIN_APPEAL, words_for
from server.edge.limits import Limit, retry_after_s
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Reply, Route, Wire, rfc3339
from server.flows.file_appeal import file_appeal
from server.stores import cases
from server.stores.cases import Appeal
from server.stores.db import reading, transaction

APPEALS = Limit("appeals", rate_per_s=1 / 600, burst=6)


class AppealBody(Wire):
    """Why review is wrong, in the player's own words; about one case, or about the newest one."""

    text: str = pydantic.Field(min_length=MIN_APPEAL, max_length=MAX_APPEAL)
    case_id: UUID | None = None


class ReasonReply(Reply):
    """A reason code with its sentence in both languages."""

    code: str
    zh: str
    en: str


class AppealReply(Reply):
    """An appeal: `open` while a person reads it, then `lifted` or `upheld`, with the answer."""

    appeal_id: str
    case_id: str | None
    state: str
    text: str
    answer: str | None
    at: str
    answered_at: str | None


class AppealsReply(Reply):
    """One's appeals, the newest first."""

    appeals: list[AppealReply]


def appeal_reply(appeal: Appeal) -> dict[str, Any]:
    """An appeal as its player sees it: who answered stays inside."""
    return {
        "appeal_id": str(appeal.appeal_id),
        "case_id": str(appeal.case_id) if appeal.case_id else None,
        "state": appeal.state.value,
        "text": appeal.text,
        "answer": appeal.answer,
        "at": rfc3339(appeal.at),
        "answered_at": rfc3339(appeal.answered_at) if appeal.answered_at else None,
    }


def reason_words(codes: Iterable[str]) -> list[dict[str, str]]:
    """Reason codes with sentences that a player can read."""
    return [{"code": reason.code, "zh": reason.zh, "en": reason.en} for reason in words_for(codes)]


async def post_appeals(call: Any) -> dict[str, Any]:
    """Appeal. The same words sent twice are one appeal."""
    text = call.body.text.strip()
    if len(text) < MIN_APPEAL:
        raise Problem(
            "field_invalid",
            field="text",
            params={"field_name": "text", "problem": f"at least {MIN_APPEAL} characters that say something"},
        )
    wait_s = await call.shell.limiter.wait_s(APPEALS, call.who.player_id.hex, call.now.timestamp())
    if wait_s > 0:
        raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})
    async with transaction(call.shell.engine) as conn:
        appeal = await file_appeal(
            conn,
            call.who.player_id,
            text=text,
            case_id=call.body.case_id,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if appeal is None:
        raise Problem("not_found")
    return appeal_reply(appeal)


async def get_appeals(call: Any) -> dict[str, Any]:
    """One's own appeals."""
    async with reading(call.shell.engine) as conn:
        return {"appeals": [appeal_reply(each) for each in await cases.appeals_of(conn, call.who.player_id)]}


ROUTES = (
    Route(
        method="POST",
        path="/v1/appeals",
        handler=post_appeals,
        summary="Contest a sanction",
        body=AppealBody,
        reply=AppealReply,
        status=201,
        problems=(401, 404, 409, 413, 415, 422, 429, 503),
        idempotent=True,
    ),
    Route(
        method="GET",
        path="/v1/appeals",
        handler=get_appeals,
        summary="Own appeals",
        reply=AppealsReply,
        problems=(401, 503),
    ),
)

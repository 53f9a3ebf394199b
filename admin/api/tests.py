"""A merchant's tests over HTTP: drafts and their styles, life, live ranking, decision, raw votes."""

import asyncio
import base64
import csv
import io
import json
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import pydantic
from aiohttp import BodyPartReader, web

from admin.roles import May
from game.conclusions import STATUS_WORDS, DecisionStatus
from game.matchup import Choice
from game.style_test import Style, StyleTest, missing_for_launch
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, parsed, rfc3339, wants_english
from server.flows.draft_test import add_style, create_draft, edit_draft, remove_style
from server.flows.end_test import end_test
from server.flows.launch_test import launch_test, smallest_budget_fen
from server.flows.move_test import move_test
from server.ids import uuid7
from server.media import keep_picture
from server.pictures import MAX_BYTES, check_picture
from server.stores import budgets, snapshots, tests, votes
from server.stores.db import reading, transaction

OWN = May.OWN_TESTS.value


class SegmentBody(Wire):
    """A segment of the audience and its part of the votes."""

    name: str = pydantic.Field(min_length=1, max_length=40)
    gender: Literal["female", "male", "other"] | None = None
    age_min: int | None = pydantic.Field(default=None, ge=0, le=120)
    age_max: int | None = pydantic.Field(default=None, ge=0, le=120)
    interests: list[str] = pydantic.Field(default=[], max_length=12)
    region: str | None = pydantic.Field(default=None, max_length=40)
    share_permille: int = pydantic.Field(default=0, ge=0, le=1000)


class GoalBody(Wire):
    """Where to drive: keep the best `keep`, to this certainty; smaller differences than `indifference` do not matter."""

    keep: int = pydantic.Field(default=1, ge=1, le=119)
    certainty: Literal["likely", "proven"] = "likely"
    confidence: float = pydantic.Field(default=0.95, gt=0.5, le=0.9999)
    indifference: float = pydantic.Field(default=0.1, ge=0, le=2)


class TestBody(Wire):
    """A draft as its merchant writes it."""

    title: str = pydantic.Field(min_length=1, max_length=120)
    question: str | None = pydantic.Field(default=None, max_length=120)
    goal: GoalBody = GoalBody()
    audience: list[SegmentBody] = pydantic.Field(default=[], max_length=12)
    budget_fen: int = pydantic.Field(default=0, ge=0, le=1_000_000_000)
    ends_at: pydantic.AwareDatetime | None = None
    min_days: int = pydantic.Field(default=0, ge=0, le=60)


class TestPatch(Wire):
    """Fields of a draft to change."""

    title: str | None = pydantic.Field(default=None, min_length=1, max_length=120)
    question: str | None = pydantic.Field(default=None, max_length=120)
    goal: GoalBody | None = None
    audience: list[SegmentBody] | None = pydantic.Field(default=None, max_length=12)
    budget_fen: int | None = pydantic.Field(default=None, ge=0, le=1_000_000_000)
    ends_at: pydantic.AwareDatetime | None = None
    min_days: int | None = pydantic.Field(default=None, ge=0, le=60)


class StyleBody(Wire):
    """What is told of a style beside its picture."""

    title: str = pydantic.Field(min_length=1, max_length=60)
    title_en: str | None = pydantic.Field(default=None, max_length=60)
    attributes: dict[str, str | float] = pydantic.Field(default={}, max_length=12)
    decoy: bool = False
    reference_sales: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)
    cost_fen: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)
    price_fen: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)


class StyleUpload(Wire):
    """Multipart: the picture as a file, and the style as JSON."""

    picture: str = pydantic.Field(json_schema_extra={"contentMediaType": "image/*", "format": "binary"})
    style: str = pydantic.Field(json_schema_extra={"contentMediaType": "application/json"})


class StyleReply(Reply):
    """A style as it stands."""

    style_id: str
    position: int
    title: str
    title_en: str | None
    picture: str | None
    attributes: dict[str, str | float]
    decoy: bool
    reference_sales: int | None
    cost_fen: int | None
    price_fen: int | None
    warnings: list[str] = pydantic.Field(default=[])


class MoneyReply(Reply):
    """A test's money in fen: what was paid in, what was spent on votes, what went back, what is left or still promised."""

    budget_fen: int
    spent_fen: int
    returned_fen: int


class TestReply(Reply):
    """A test as it stands; `missing` is the check-list of a draft."""

    test_id: str
    title: str
    question: str
    state: str
    goal: dict[str, Any]
    audience: list[dict[str, Any]]
    budget_fen: int
    ends_at: str | None
    min_days: int
    created_at: str | None
    launched_at: str | None
    ended_at: str | None
    styles: list[StyleReply]
    missing: list[str]


class TestsReply(Reply):
    """A page of tests, newest first; `next` is the cursor of the page after it."""

    tests: list[TestReply]
    next: str | None


class PageQuery(Wire):
    """Which page of a list."""

    cursor: str | None = pydantic.Field(default=None, max_length=200)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class RankingQuery(Wire):
    """Which audience's ranking; left out, that of all together."""

    segment: str | None = pydantic.Field(default=None, max_length=40)


def merchant_of(call: Call) -> UUID:
    """The merchant whose tests the caller may see."""
    merchant_id: UUID | None = call.who.merchant_id
    if merchant_id is None:
        raise Problem("role_lacks_permission")
    return merchant_id


def style_reply(style: Style, warnings: list[str] | None = None) -> dict[str, Any]:
    """A style as it stands."""
    return {
        "style_id": str(style.style_id),
        "position": style.position,
        "title": style.title,
        "title_en": style.title_en,
        "picture": style.picture,
        "attributes": style.attribute_map,
        "decoy": style.decoy,
        "reference_sales": style.reference_sales,
        "cost_fen": style.cost_fen,
        "price_fen": style.price_fen,
        "warnings": warnings or [],
    }


def test_reply(call: Call, test: StyleTest) -> dict[str, Any]:
    """A test as it stands."""
    least_fen = smallest_budget_fen(len(test.ranked), call.shell.economy)
    missing = missing_for_launch(test, now=call.now, smallest_budget_fen=least_fen) if test.launched_at is None else ()
    return {
        "test_id": str(test.test_id),
        "title": test.title,
        "question": test.question,
        "state": test.state.value,
        "goal": tests.goal_data(test.goal),
        "audience": test.audience.as_data(),
        "budget_fen": test.budget_fen,
        "ends_at": rfc3339(test.ends_at) if test.ends_at else None,
        "min_days": test.min_days,
        "created_at": rfc3339(test.created_at) if test.created_at else None,
        "launched_at": rfc3339(test.launched_at) if test.launched_at else None,
        "ended_at": rfc3339(test.ended_at) if test.ended_at else None,
        "styles": [style_reply(style) for style in test.styles],
        "missing": list(missing),
    }


def _fields(body: pydantic.BaseModel) -> dict[str, Any]:
    """The fields that were given. A null clears a deadline; for anything else it says nothing."""
    given = body.model_dump(exclude_unset=isinstance(body, TestPatch))
    return {key: value for key, value in given.items() if value is not None or key == "ends_at"}


async def post_tests(call: Call) -> dict[str, Any]:
    """Write a new draft."""
    async with transaction(call.shell.engine) as conn:
        test = await create_draft(
            conn,
            merchant_id=merchant_of(call),
            fields=_fields(call.body),
            who=call.who.name,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    return test_reply(call, test)


async def get_tests(call: Call) -> dict[str, Any]:
    """The merchant's tests, newest first."""
    before = _cursor(call.query.cursor) if call.query.cursor else None
    async with reading(call.shell.engine) as conn:
        page = await tests.of_merchant(conn, merchant_of(call), before=before, limit=call.query.limit + 1)
    shown, more = page[: call.query.limit], len(page) > call.query.limit
    last = shown[-1] if more else None
    token = f"{last.created_at.isoformat()}|{last.test_id}" if last and last.created_at else None
    return {
        "tests": [test_reply(call, test) for test in shown],
        "next": base64.urlsafe_b64encode(token.encode()).decode() if token else None,
    }


def _cursor(text: str) -> tuple[datetime, UUID]:
    try:
        at, _, test_id = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(test_id)
    except (ValueError, UnicodeError):
        raise Problem(
            "field_invalid", field="cursor", params={"field_name": "cursor", "problem": "send `next` of the last page"}
        ) from None


async def found(call: Call) -> StyleTest:
    """The test of the path, if it is the caller's; anybody else's looks like not there."""
    async with reading(call.shell.engine) as conn:
        test = await tests.find(conn, call.path_uuid("test_id"), merchant_id=merchant_of(call))
    if test is None:
        raise Problem("not_found")
    return test


async def get_test(call: Call) -> dict[str, Any]:
    """One test."""
    return test_reply(call, await found(call))


async def patch_test(call: Call) -> dict[str, Any]:
    """Change fields of a draft."""
    async with transaction(call.shell.engine) as conn:
        test = await edit_draft(
            conn, call.path_uuid("test_id"), merchant_id=merchant_of(call), fields=_fields(call.body), now=call.now
        )
    if test is None:
        raise Problem("not_found")
    return test_reply(call, test)


async def delete_test(call: Call) -> None:
    """Delete a draft; a test that has ended goes to the archive instead, because its votes are facts."""
    test = await found(call)
    async with transaction(call.shell.engine) as conn:
        if not await tests.delete_draft(conn, test.test_id):
            await move_test(
                conn, test.test_id, "archive", merchant_id=test.merchant_id, who=call.who.name, now=call.now,
                request_id=call.request[REQUEST_ID],
            )  # fmt: skip


async def post_styles(call: Call) -> dict[str, Any]:
    """Add a style: its picture is checked, re-encoded in three sizes, and stripped of metadata."""
    test = await found(call)
    data, name, body = await _upload(call)
    picture = await asyncio.to_thread(check_picture, data, name=name)
    key = await asyncio.to_thread(keep_picture, call.shell.config.media_dir, picture)
    style = Style(
        style_id=uuid7(),
        position=0,
        title=body.title.strip(),
        title_en=body.title_en,
        picture=key,
        attributes=tuple(body.attributes.items()),
        decoy=body.decoy,
        reference_sales=body.reference_sales,
        cost_fen=body.cost_fen,
        price_fen=body.price_fen,
    )
    async with transaction(call.shell.engine) as conn:
        changed = await add_style(conn, test.test_id, merchant_id=test.merchant_id, style=style)
    if changed is None:
        raise Problem("not_found")
    placed = next(one for one in changed.styles if one.style_id == style.style_id)
    return style_reply(
        placed, [words.en if wants_english(call.request) else words.zh for words in picture.warning_words]
    )


async def _upload(call: Call) -> tuple[bytes, str, StyleBody]:
    """(picture, its name, style) of a multipart body; raises Problems that name the part which is wrong."""
    request = call.request
    if request.content_type != "multipart/form-data":
        raise Problem("not_multipart")
    picture: bytes | None = None
    name = "picture"
    body: StyleBody | None = None
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise Problem("not_multipart")
            limit = MAX_BYTES if part.name == "picture" else 64 * 1024
            data = await _read_part(part, limit)
            if part.name == "picture":
                picture, name = data, part.filename or "picture"
            elif part.name == "style":
                body = parsed(StyleBody, data)  # type: ignore[assignment]
    except (ValueError, AssertionError):
        raise Problem("not_multipart") from None
    if picture is None or body is None:
        raise Problem("upload_incomplete", params={"part": "picture" if picture is None else "style"})
    return picture, name, body


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(64 * 1024):
        data += chunk
        if len(data) > limit:
            raise Problem("body_too_large", params={"limit_kb": limit // 1024})
    return bytes(data)


async def delete_style(call: Call) -> dict[str, Any]:
    """Take a style out of a draft."""
    async with transaction(call.shell.engine) as conn:
        test = await remove_style(
            conn, call.path_uuid("test_id"), call.path_uuid("style_id"), merchant_id=merchant_of(call)
        )
    if test is None:
        raise Problem("not_found")
    return test_reply(call, test)


async def post_launch(call: Call) -> dict[str, Any]:
    """Start the test: its grams are bought with the merchant's money, and players are dealt it from now on."""
    async with transaction(call.shell.engine) as conn:
        test = await launch_test(
            conn,
            call.path_uuid("test_id"),
            merchant_id=merchant_of(call),
            economy=call.shell.economy,
            who=call.who.name,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if test is None:
        raise Problem("not_found")
    return test_reply(call, test)


def _move(verb: str, summary: str) -> Any:
    async def post_move(call: Call) -> dict[str, Any]:
        async with transaction(call.shell.engine) as conn:
            test = await move_test(
                conn, call.path_uuid("test_id"), verb, merchant_id=merchant_of(call), who=call.who.name, now=call.now,
                request_id=call.request[REQUEST_ID],
            )  # fmt: skip
        if test is None:
            raise Problem("not_found")
        return test_reply(call, test)

    post_move.__doc__ = summary
    return post_move


async def post_stop(call: Call) -> dict[str, Any]:
    """Stop the test: nothing more is dealt, what is out stays honoured, what is unspent returns."""
    async with transaction(call.shell.engine) as conn:
        test = await tests.find(conn, call.path_uuid("test_id"), merchant_id=merchant_of(call), lock=True)
        if test is None:
            raise Problem("not_found")
        ended = await end_test(
            conn,
            test,
            "stop",
            who=call.who.name,
            why="by the merchant",
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    return test_reply(call, ended or test)


async def ranking_document(call: Call, test: StyleTest) -> dict[str, Any]:
    """The newest snapshot of a test as a document; an empty one before the first votes."""
    async with reading(call.shell.engine) as conn:
        snapshot = await snapshots.latest(conn, test.test_id)
        budget = await budgets.find(conn, test.test_id)
        state = (await tests.states(conn, [test.test_id]))[test.test_id]
    document = (
        dict(snapshot.document)
        if snapshot
        else {
            "test_id": str(test.test_id),
            "version": 0,
            "status": DecisionStatus.NO_DATA.value,
            "votes": 0,
            "items": [],
        }
    )
    document["state"] = state.value
    document["money"] = {
        "budget_fen": test.budget_fen,
        "spent_fen": budget.cost_fen() if budget else 0,
    }
    return document


async def get_ranking(call: Call) -> dict[str, Any]:
    """The live ranking, with intervals, chances and verdicts: one snapshot, read as it was written."""
    test = await found(call)
    document = await ranking_document(call, test)
    segment = call.query.segment
    if segment is not None:
        part = (document.get("segments") or {}).get(segment)
        if part is None:
            raise Problem("not_found")
        return {**document, "items": part["items"], "segment": segment}
    return document


async def get_decision(call: Call) -> dict[str, Any]:
    """How far the decision is: the status word, how sure, which styles are in and out."""
    test = await found(call)
    document = await ranking_document(call, test)
    status = DecisionStatus(document["status"])
    zh, en = STATUS_WORDS[status]
    return {
        "test_id": document["test_id"],
        "state": document["state"],
        "status": status.value,
        "words": {"zh": zh, "en": en},
        "votes": document["votes"],
        "money": document["money"],
        "decision": document.get("decision"),
        "ailments": document.get("ailments", []),
        "verdicts": [
            {"style_id": item["style_id"], "name": item["name"], "verdict": item["verdict"], "reason": item["reason"]}
            for item in document["items"]
        ],
    }


async def get_events(call: Call) -> web.StreamResponse:
    """Server-sent events: the ranking document whenever there is a new snapshot, until the test has ended."""
    test = await found(call)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(call.request)
    sent = -1
    idle = 0
    try:
        while True:
            document = await ranking_document(call, test)
            if document["version"] != sent or idle >= 20:
                sent, idle = document["version"], 0
                data = json.dumps(document, ensure_ascii=False)
                await response.write(f"id: {sent}\nevent: ranking\ndata: {data}\n\n".encode())
            if document["state"] not in ("running", "paused"):
                await response.write(b"event: end\ndata: {}\n\n")
                break
            idle += 1
            await asyncio.sleep(0.75)
    except (ConnectionResetError, ConnectionError):
        pass
    return response


async def get_votes(call: Call) -> web.StreamResponse:
    """All votes as CSV in the format that `xuankuan rank` reads; voters are numbers that mean nothing elsewhere."""
    test = await found(call)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="votes-{test.test_id}.csv"',
        }
    )
    await response.prepare(call.request)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["left", "right", "choice", "voter", "segment", "took_ms", "at"])
    numbers: dict[UUID, int] = {}
    names = test.audience.names
    titles = [style.title for style in test.styles]
    n_ranked = len(test.ranked)
    async with reading(call.shell.engine) as conn:
        async for row in votes.stream_of_test(conn, test.test_id):
            if row.left_position >= n_ranked or row.right_position >= n_ranked:
                continue
            writer.writerow(
                [
                    titles[row.left_position],
                    titles[row.right_position],
                    Choice(row.choice).word,
                    numbers.setdefault(row.player_id, len(numbers) + 1),
                    names[row.segment],
                    row.took_ms,
                    rfc3339(row.answered_at),
                ]
            )
            if buffer.tell() > 64 * 1024:
                await response.write(buffer.getvalue().encode())
                buffer.seek(0)
                buffer.truncate()
    await response.write(buffer.getvalue().encode())
    await response.write_eof()
    return response


_TEST = "/v1/merchant/tests/{test_id}"
_READ = (401, 403, 404, 503)
_WRITE = (401, 403, 404, 409, 413, 415, 422, 503)

ROUTES = (
    Route(method="POST", path="/v1/merchant/tests", handler=post_tests, summary="New draft", auth=OWN, body=TestBody,
          reply=TestReply, status=201, problems=(401, 403, 413, 415, 422, 503), idempotent=True),
    Route(method="GET", path="/v1/merchant/tests", handler=get_tests, summary="Own tests", auth=OWN, query=PageQuery,
          reply=TestsReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path=_TEST, handler=get_test, summary="One test", auth=OWN, reply=TestReply, problems=_READ),
    Route(method="PATCH", path=_TEST, handler=patch_test, summary="Change a draft", auth=OWN, body=TestPatch,
          reply=TestReply, problems=_WRITE, idempotent=True),
    Route(method="DELETE", path=_TEST, handler=delete_test, summary="Delete a draft", auth=OWN, status=204,
          problems=(401, 403, 404, 409, 503)),
    Route(method="POST", path=f"{_TEST}/styles", handler=post_styles, summary="Add a style", auth=OWN, body=StyleUpload,
          multipart=True, reply=StyleReply, status=201, problems=_WRITE),
    Route(method="DELETE", path=_TEST + "/styles/{style_id}", handler=delete_style, summary="Remove a style", auth=OWN,
          reply=TestReply, problems=(401, 403, 404, 409, 503)),
    Route(method="POST", path=f"{_TEST}/launch", handler=post_launch, summary="Start", auth=OWN, reply=TestReply,
          problems=_WRITE, idempotent=True),
    Route(method="POST", path=f"{_TEST}/pause", handler=_move("pause", "Deal nothing for a while."), summary="Pause",
          auth=OWN, reply=TestReply, problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="POST", path=f"{_TEST}/resume", handler=_move("resume", "Deal again."), summary="Resume", auth=OWN,
          reply=TestReply, problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="POST", path=f"{_TEST}/stop", handler=post_stop, summary="Stop", auth=OWN, reply=TestReply,
          problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="GET", path=f"{_TEST}/ranking", handler=get_ranking, summary="Live ranking", auth=OWN,
          query=RankingQuery, reply=dict[str, Any], problems=(401, 403, 404, 422, 503)),
    Route(method="GET", path=f"{_TEST}/decision", handler=get_decision, summary="Decision", auth=OWN,
          reply=dict[str, Any], problems=_READ),
    Route(method="GET", path=f"{_TEST}/events", handler=get_events, summary="Live events", auth=OWN,
          media="text/event-stream", problems=_READ),
    Route(method="GET", path=f"{_TEST}/votes.csv", handler=get_votes, summary="Raw votes", auth=OWN, media="text/csv",
          problems=_READ),
)  # fmt: skip

"""A merchant's tests over HTTP: drafts and their styles, life, live ranking, decision, raw votes."""

import asyncio
import base64
import csv
import io
import tempfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import pydantic
from aiohttp import BodyPartReader, web

from admin.roles import May
from game.conclusions import STATUS_WORDS, DecisionStatus
from game.content import Piece, pieces_of, refused
from game.matchup import Choice
from game.progress import progress, votes_per_day
from game.style_test import Style, StyleTest, TestState
from server.edge.problems import Problem
from server.edge.serve import refuse_zero
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, parsed, parts_of, rfc3339, wants_english
from server.files.test_folder import read_test_zip
from server.flows.check_list import check_list
from server.flows.draft_test import add_style, create_draft, edit_draft, edit_style, own_attributes, remove_style
from server.flows.end_test import end_test
from server.flows.import_test import import_test
from server.flows.move_test import move_test
from server.flows.show_ranking import show_ranking
from server.flows.submit_test import submit_test
from server.ids import uuid7
from server.media import keep_picture
from server.pictures import MAX_BYTES, WARNINGS, are_near_duplicates, check_picture
from server.stores import budgets, contents, pictures, snapshots, tests, votes
from server.stores.db import AsyncConnection, DatabaseAway, reading, transaction

OWN = May.OWN_TESTS.value
TEST_PATH = "/v1/merchant/tests/{test_id}"
MAX_ZIP_BYTES = 60 * 1024 * 1024


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


class StylePatch(Wire):
    """What is told of a style, to change."""

    title: str | None = pydantic.Field(default=None, min_length=1, max_length=60)
    title_en: str | None = pydantic.Field(default=None, max_length=60)
    attributes: dict[str, str | float] | None = pydantic.Field(default=None, max_length=12)
    decoy: bool | None = None
    reference_sales: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)
    cost_fen: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)
    price_fen: int | None = pydantic.Field(default=None, ge=0, le=100_000_000)


class FolderUpload(Wire):
    """Multipart: a zip of pictures with a test.toml or a styles.csv."""

    folder: str = pydantic.Field(json_schema_extra={"contentMediaType": "application/zip", "format": "binary"})


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


def shown_test(
    call: Call,
    test: StyleTest,
    warnings: dict[UUID, list[str]] | None = None,
    refused: Sequence[tuple[Piece, str]] = (),
) -> dict[str, Any]:
    """A test as it stands; `warnings` by style and what review has `refused`, where somebody has looked for them."""
    drafted = test.state is TestState.DRAFT
    points = check_list(test, economy=call.shell.economy, now=call.now, refused=refused) if drafted else ()
    english = wants_english(call.request)
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
        "styles": [style_reply(style, (warnings or {}).get(style.style_id)) for style in test.styles],
        "missing": [point.en if english else point.zh for point in points],
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
    return shown_test(call, test)


async def get_tests(call: Call) -> dict[str, Any]:
    """The merchant's tests, newest first."""
    before = read_cursor(call.query.cursor) if call.query.cursor else None
    async with reading(call.shell.engine) as conn:
        page = await tests.of_merchant(conn, merchant_of(call), before=before, limit=call.query.limit + 1)
    shown, more = page[: call.query.limit], len(page) > call.query.limit
    last = shown[-1] if more else None
    token = cursor_of(last.created_at, last.test_id) if last and last.created_at else None
    return {
        "tests": [shown_test(call, test) for test in shown],
        "next": token,
    }


def cursor_of(at: datetime, test_id: UUID) -> str:
    """The cursor of the page after this test."""
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{test_id}".encode()).decode()


def read_cursor(text: str) -> tuple[datetime, UUID]:
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
    """One test; a draft with what is unwise about its pictures."""
    test = await found(call)
    async with reading(call.shell.engine) as conn:
        warnings = await picture_warnings(conn, test, english=wants_english(call.request))
        stopped = await content_refused(conn, test)
    return shown_test(call, test, warnings, stopped)


async def content_refused(conn: AsyncConnection, test: StyleTest) -> tuple[tuple[Piece, str], ...]:
    """What content review has refused of a draft, and why."""
    if test.state is not TestState.DRAFT:
        return ()
    pieces = pieces_of(test)
    known = await contents.known_of_test(conn, test)
    return refused(pieces, known)


async def picture_warnings(conn: AsyncConnection, test: StyleTest, *, english: bool) -> dict[UUID, list[str]]:
    """What is unwise about the pictures of a test, by style: dark, cropped, or nearly the same as another's."""
    known = await pictures.known(conn, [style.picture for style in test.styles if style.picture])
    found_: dict[UUID, list[str]] = {}
    shown = [(style, known[style.picture]) for style in test.styles if style.picture in known]
    for at, (style, picture) in enumerate(shown):
        said = [WARNINGS[code].en if english else WARNINGS[code].zh for code in picture.warnings if code in WARNINGS]
        for other, others in shown[:at]:
            if are_near_duplicates(picture.fingerprint, others.fingerprint):
                said.append(
                    f'Looks almost the same as "{other.title}"; the two would share their votes.'
                    if english
                    else f"和“{other.title}”几乎一样,两款会互相分票。"
                )
        if said:
            found_[style.style_id] = said
    return found_


async def patch_test(call: Call) -> dict[str, Any]:
    """Change fields of a draft."""
    async with transaction(call.shell.engine) as conn:
        test = await edit_draft(
            conn, call.path_uuid("test_id"), merchant_id=merchant_of(call), fields=_fields(call.body), now=call.now
        )
    if test is None:
        raise Problem("not_found")
    return shown_test(call, test)


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
        attributes=own_attributes(body.attributes),
        decoy=body.decoy,
        reference_sales=body.reference_sales,
        cost_fen=body.cost_fen,
        price_fen=body.price_fen,
    )
    async with transaction(call.shell.engine) as conn:
        changed = await add_style(conn, test.test_id, merchant_id=test.merchant_id, style=style)
        if changed is None:
            raise Problem("not_found")
        await pictures.remember(conn, [picture], call.now)
        warnings = await picture_warnings(conn, changed, english=wants_english(call.request))
    placed = next(one for one in changed.styles if one.style_id == style.style_id)
    return style_reply(placed, warnings.get(style.style_id))


async def patch_style(call: Call) -> dict[str, Any]:
    """Change what is told of a style of a draft; its picture stays."""
    fields = call.body.model_dump(exclude_unset=True)
    if fields.get("title", "") is None or fields.get("decoy", False) is None:
        raise Problem("field_invalid", field="title", params={"field_name": "title", "problem": "not null, please"})
    if "attributes" in fields:
        fields["attributes"] = own_attributes(fields["attributes"] or {})
    async with transaction(call.shell.engine) as conn:
        test = await edit_style(
            conn, call.path_uuid("test_id"), call.path_uuid("style_id"), merchant_id=merchant_of(call), fields=fields
        )
    if test is None:
        raise Problem("not_found")
    return shown_test(call, test)


async def post_import(call: Call) -> dict[str, Any]:
    """A zip of pictures with a test.toml or a styles.csv becomes a draft, whole or not at all."""
    merchant_id = merchant_of(call)
    with tempfile.SpooledTemporaryFile(max_size=4 * 1024 * 1024) as file:
        name = await _zip_part(call, file)
        file.seek(0)
        draft = await asyncio.to_thread(read_test_zip, file, name=name, now=call.now)
    async with transaction(call.shell.engine) as conn:
        test = await import_test(
            conn, draft, merchant_id=merchant_id, media_dir=call.shell.config.media_dir, now=call.now
        )
        warnings = await picture_warnings(conn, test, english=wants_english(call.request))
    return shown_test(call, test, warnings)


async def _zip_part(call: Call, file: Any) -> str:
    """Write the part `folder` of a multipart body into `file`; returns its name."""
    if call.request.content_type != "multipart/form-data":
        raise Problem("not_multipart")
    name = None
    size = 0
    try:
        reader = await call.request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name != "folder":
                raise Problem("upload_incomplete", params={"part": "folder"})
            name = part.filename or "upload.zip"
            while chunk := await part.read_chunk(256 * 1024):
                size += len(chunk)
                if size > MAX_ZIP_BYTES:
                    raise Problem("body_too_large", params={"limit_kb": MAX_ZIP_BYTES // 1024})
                file.write(chunk)
    except (ValueError, AssertionError):
        raise Problem("not_multipart") from None
    if name is None:
        raise Problem("upload_incomplete", params={"part": "folder"})
    return name


async def _upload(call: Call) -> tuple[bytes, str, StyleBody]:
    """(picture, its name, style) of a multipart body; raises Problems that name the part which is wrong."""
    request = call.request
    if request.content_type != "multipart/form-data":
        raise Problem("not_multipart")
    picture: bytes | None = None
    name = "picture"
    body: StyleBody | None = None
    try:
        reader = await parts_of(request)
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise Problem("not_multipart")
            limit = MAX_BYTES if part.name == "picture" else 64 * 1024
            data = await _read_part(part, limit)
            if part.name == "picture":
                picture, name = data, part.filename or "picture"
            elif part.name == "style":
                refuse_zero(data)
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
    return shown_test(call, test)


async def post_launch(call: Call) -> dict[str, Any]:
    """Start the test: its grams are bought with the merchant's money, and players are dealt it from now on.

    Where what players would see was not looked at yet, the answer is a test in state `review`, which starts by itself.
    """
    draft = await found(call)
    points = check_list(draft, economy=call.shell.economy, now=call.now) if draft.state is TestState.DRAFT else ()
    if points:
        raise Problem(
            "test_incomplete",
            sentence="This test cannot start yet: " + " ".join(point.en for point in points),
            sentence_zh="测款任务还不能开始:" + "".join(point.zh for point in points),
            field=points[0].field,
        )
    async with transaction(call.shell.engine) as conn:
        test = await submit_test(
            conn,
            call.path_uuid("test_id"),
            merchant_id=merchant_of(call),
            review=call.shell.config.content_review,
            economy=call.shell.economy,
            who=call.who.name,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if test is None:
        raise Problem("not_found")
    return shown_test(call, test)


def _move(verb: str, summary: str) -> Any:
    async def post_move(call: Call) -> dict[str, Any]:
        async with transaction(call.shell.engine) as conn:
            test = await move_test(
                conn, call.path_uuid("test_id"), verb, merchant_id=merchant_of(call), who=call.who.name, now=call.now,
                request_id=call.request[REQUEST_ID],
            )  # fmt: skip
        if test is None:
            raise Problem("not_found")
        return shown_test(call, test)

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
    return shown_test(call, ended or test)


async def ranking_document(call: Call, test: StyleTest) -> dict[str, Any]:
    """What is shown of a test as a document; an empty one before the first votes."""
    async with reading(call.shell.engine) as conn:
        budget = await budgets.find(conn, test.test_id)
        state = (await tests.states(conn, [test.test_id]))[test.test_id]
        looks = await snapshots.looks(conn, test.test_id) if state is TestState.RUNNING else None
        document = await show_ranking(conn, test, state) or {
            "test_id": str(test.test_id),
            "version": 0,
            "status": DecisionStatus.NO_DATA.value,
            "votes": 0,
            "items": [],
        }
    document["state"] = state.value
    spent_fen = budget.cost_fen() if budget else 0
    promised_fen = budget.rate.charge_fen(int(document.get("promised_g", 0))) if budget else 0
    document["money"] = {
        "budget_fen": budget.paid_fen if budget else test.budget_fen,
        "spent_fen": spent_fen,
        "held_fen": max(0, promised_fen - spent_fen),
    }
    if looks and test.launched_at:
        ahead = document.get("forecast") or {}
        per_day = votes_per_day(launched_at=test.launched_at, first=looks[0], last=looks[1], now=call.now)
        told = progress(per_day, ahead.get("votes_low"), ahead.get("votes_high"), now=call.now)
        document["progress"] = {
            "votes_per_day": round(per_day, 1) if per_day else None,
            "done_low_at": rfc3339(told.done_low_at) if told.done_low_at else None,
            "done_high_at": rfc3339(told.done_high_at) if told.done_high_at else None,
            "ends_at": rfc3339(test.ends_at) if test.ends_at else None,
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
        "confirmation": document.get("confirmation"),
        "mix": document.get("mix"),
        "estimated_votes": document.get("estimated_votes", 0),
        "holding": document.get("holding"),
        "result_changed": document.get("result_changed"),
        "notes": document.get("notes", []),
        "ailments": document.get("ailments", []),
        "verdicts": [
            {"style_id": item["style_id"], "name": item["name"], "verdict": item["verdict"], "reason": item["reason"]}
            for item in document["items"]
        ],
    }


async def get_events(call: Call) -> web.StreamResponse:
    """Server-sent events: the ranking document whenever there is a new snapshot, until the test has ended."""
    test = await found(call)

    async def mark_of() -> Any:
        async with reading(call.shell.engine) as conn:
            return await snapshots.mark(conn, test.test_id)

    async def document_of() -> dict[str, Any]:
        return await ranking_document(call, test)

    first = await call.shell.watching.look(test.test_id, mark_of, document_of)
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(call.request)
    seen, sent, quiet = first, -1, 0
    try:
        while True:
            if seen.number != sent:
                sent, quiet = seen.number, 0
                await response.write(seen.event)
            elif quiet >= 20:
                quiet = 0
                await response.write(b": still here\n\n")
            if seen.state not in ("running", "paused"):
                await response.write(b"event: end\ndata: {}\n\n")
                break
            quiet += 1
            await asyncio.sleep(0.75)
            try:
                seen = await call.shell.watching.look(test.test_id, mark_of, document_of)
            except DatabaseAway:
                continue  # the page keeps what it shows; the next look may succeed
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


_READ = (401, 403, 404, 503)
_WRITE = (401, 403, 404, 409, 413, 415, 422, 503)

ROUTES = (
    # Before the address of one test: "import" is no test's id.
    Route(method="POST", path="/v1/merchant/tests/import", handler=post_import, summary="New draft from a zip",
          auth=OWN, body=FolderUpload, multipart=True, reply=TestReply, status=201,
          problems=(401, 403, 413, 415, 422, 503)),
    Route(method="POST", path="/v1/merchant/tests", handler=post_tests, summary="New draft", auth=OWN, body=TestBody,
          reply=TestReply, status=201, problems=(401, 403, 413, 415, 422, 503), idempotent=True),
    Route(method="GET", path="/v1/merchant/tests", handler=get_tests, summary="Own tests", auth=OWN, query=PageQuery,
          reply=TestsReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path=TEST_PATH, handler=get_test, summary="One test", auth=OWN, reply=TestReply, problems=_READ),
    Route(method="PATCH", path=TEST_PATH, handler=patch_test, summary="Change a draft", auth=OWN, body=TestPatch,
          reply=TestReply, problems=_WRITE, idempotent=True),
    Route(method="DELETE", path=TEST_PATH, handler=delete_test, summary="Delete a draft", auth=OWN, status=204,
          problems=(401, 403, 404, 409, 503)),
    Route(method="POST", path=f"{TEST_PATH}/styles", handler=post_styles, summary="Add a style", auth=OWN, body=StyleUpload,
          multipart=True, reply=StyleReply, status=201, problems=_WRITE, idempotent=True),
    Route(method="PATCH", path=TEST_PATH + "/styles/{style_id}", handler=patch_style, summary="Change a style",
          auth=OWN, body=StylePatch, reply=TestReply, problems=_WRITE, idempotent=True),
    Route(method="DELETE", path=TEST_PATH + "/styles/{style_id}", handler=delete_style, summary="Remove a style", auth=OWN,
          reply=TestReply, problems=(401, 403, 404, 409, 503)),
    Route(method="POST", path=f"{TEST_PATH}/launch", handler=post_launch, summary="Start", auth=OWN, reply=TestReply,
          problems=_WRITE, idempotent=True),
    Route(method="POST", path=f"{TEST_PATH}/withdraw", handler=_move("withdraw", "Take a test back from review."),
          summary="Take back from review", auth=OWN, reply=TestReply, problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="POST", path=f"{TEST_PATH}/pause", handler=_move("pause", "Deal nothing for a while."), summary="Pause",
          auth=OWN, reply=TestReply, problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="POST", path=f"{TEST_PATH}/resume", handler=_move("resume", "Deal again."), summary="Resume", auth=OWN,
          reply=TestReply, problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="POST", path=f"{TEST_PATH}/stop", handler=post_stop, summary="Stop", auth=OWN, reply=TestReply,
          problems=(401, 403, 404, 409, 503), idempotent=True),
    Route(method="GET", path=f"{TEST_PATH}/ranking", handler=get_ranking, summary="Live ranking", auth=OWN,
          query=RankingQuery, reply=dict[str, Any], problems=(401, 403, 404, 422, 503)),
    Route(method="GET", path=f"{TEST_PATH}/decision", handler=get_decision, summary="Decision", auth=OWN,
          reply=dict[str, Any], problems=_READ),
    Route(method="GET", path=f"{TEST_PATH}/events", handler=get_events, summary="Live events", auth=OWN,
          media="text/event-stream", problems=_READ),
    Route(method="GET", path=f"{TEST_PATH}/votes.csv", handler=get_votes, summary="Raw votes", auth=OWN, media="text/csv",
          problems=_READ),
)  # fmt: skip

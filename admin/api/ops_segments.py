"""Segments of players for merchants to pick from: named predicates with a live count, versions, and what uses them."""

from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.api.ops_pages import READS, WRITES, Cursor, Limit, Reason, pack, unpack
from admin.roles import May
from game.errors import SegmentInvalid
from game.segments import INTERESTS, Segment
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.change_segment import change_segment, make_segment
from server.stores import segments
from server.stores.db import reading, transaction
from server.stores.segments import NamedSegment

SEE, CHANGE, OWN = May.SEE_OPERATIONS.value, May.MANAGE_MERCHANTS.value, May.OWN_TESTS.value


class SegmentsQuery(Wire):
    """Which page of segments: those that are offered, or those that were retired."""

    state: Literal["offered", "retired"] = "offered"
    cursor: Cursor = None
    limit: Limit = 50


class PredicateBody(Wire):
    """Whom a segment holds: every fact that is named must be told by the player, with consent, and must fit."""

    gender: Literal["female", "male", "other"] | None = None
    age_min: int | None = pydantic.Field(default=None, ge=0, le=120)
    age_max: int | None = pydantic.Field(default=None, ge=0, le=120)
    interests: list[str] = pydantic.Field(default=[], max_length=12)
    region: str | None = pydantic.Field(default=None, min_length=1, max_length=40)


class NewSegmentBody(PredicateBody):
    """A segment with its name, and why it is made."""

    name: str = pydantic.Field(min_length=1, max_length=40)
    reason: Reason


class ChangedSegmentBody(NewSegmentBody):
    """A segment as it should be, and the version that its author saw."""

    seen: int = pydantic.Field(ge=1, le=1_000_000)


class RetireBody(Wire):
    """Why merchants are not offered this segment any more, and the version that was seen."""

    seen: int = pydantic.Field(ge=1, le=1_000_000)
    reason: Reason


class HeadcountReply(Reply):
    """How many players match; not `exact` where a sample was counted."""

    players: int
    exact: bool


class PredicateReply(Reply):
    """A named predicate; what is null or empty is not asked for."""

    name: str
    gender: str | None
    age_min: int | None
    age_max: int | None
    interests: list[str]
    region: str | None


class NamedSegmentReply(PredicateReply):
    """A segment as it stands."""

    segment_id: str
    version: int
    made_at: str
    retired_at: str | None


class SegmentListReply(Reply):
    """A page of segments, by name."""

    segments: list[NamedSegmentReply]
    next: str | None


class SegmentVersionReply(PredicateReply):
    """One version: what it said, who wrote it and why."""

    version: int
    retires: bool
    who: str
    reason: str
    at: str


class TestOfSegmentReply(Reply):
    """An open test whose audience holds this predicate."""

    test_id: str
    title: str


class SegmentFileReply(NamedSegmentReply):
    """A segment with its count, its versions, and the open tests that it is in."""

    headcount: HeadcountReply
    versions: list[SegmentVersionReply]
    in_use: list[TestOfSegmentReply]


class OfferedSegmentsReply(Reply):
    """The segments that a merchant may pick for an audience."""

    segments: list[PredicateReply]


def _predicate(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "gender": segment.gender,
        "age_min": segment.age_min,
        "age_max": segment.age_max,
        "interests": sorted(segment.interests),
        "region": segment.region,
    }


def _named(one: NamedSegment) -> dict[str, Any]:
    return {
        **_predicate(one.segment),
        "segment_id": str(one.segment_id),
        "version": one.version,
        "made_at": rfc3339(one.made_at),
        "retired_at": rfc3339(one.retired_at) if one.retired_at else None,
    }


def _segment(body: PredicateBody, name: str) -> Segment:
    """The segment of a body. Raises SegmentInvalid, for an interest that nobody can have, too."""
    unknown = sorted(set(body.interests) - set(INTERESTS))
    if unknown:
        raise SegmentInvalid(segment=name, problem=f'interest "{unknown[0][:40]}" is unknown.')
    return Segment(
        name=name, gender=body.gender, age_min=body.age_min, age_max=body.age_max, interests=frozenset(body.interests),
        region=body.region.strip() if body.region else None,
    )  # fmt: skip


async def get_segments(call: Call) -> dict[str, Any]:
    """Segments by name."""
    key = unpack(call.query.cursor, str, UUID)
    async with reading(call.shell.engine) as conn:
        found = await segments.page(
            conn, retired=call.query.state == "retired", after=(key[0], key[1]) if key else None,
            limit=call.query.limit + 1,
        )  # fmt: skip
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    last = shown[-1] if more else None
    return {
        "segments": [_named(one) for one in shown],
        "next": pack(last.segment.name, last.segment_id) if last else None,
    }


async def get_segment(call: Call) -> dict[str, Any]:
    """A segment with its count, its versions and the open tests that it is in."""
    segment_id = call.path_uuid("segment_id")
    async with reading(call.shell.engine) as conn:
        found = await segments.find(conn, segment_id)
        if found is None:
            raise Problem("not_found")
        versions = await segments.versions(conn, segment_id)
        in_use = await segments.open_with(conn, found.segment)
        counted = await segments.headcount(conn, found.segment, now=call.now)
    return {
        **_named(found),
        "headcount": {"players": counted.players, "exact": counted.exact},
        "versions": [
            {
                **_predicate(one.segment), "version": one.version, "retires": one.retires, "who": one.who,
                "reason": one.why, "at": rfc3339(one.at),
            }
            for one in versions
        ],
        "in_use": [{"test_id": str(test_id), "title": title} for test_id, title in in_use],
    }  # fmt: skip


async def post_headcount(call: Call) -> dict[str, Any]:
    """How many players a predicate holds at this moment; nothing is written."""
    segment = _segment(call.body, "—")
    async with reading(call.shell.engine) as conn:
        counted = await segments.headcount(conn, segment, now=call.now)
    return {"players": counted.players, "exact": counted.exact}


async def post_segments(call: Call) -> dict[str, Any]:
    """Make a segment for merchants to pick."""
    async with transaction(call.shell.engine) as conn:
        made = await make_segment(
            conn, _segment(call.body, call.body.name.strip()), who=call.who.name, why=call.body.reason.strip(),
            now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return _named(made)


async def put_segment(call: Call) -> dict[str, Any]:
    """Write the next version; tests that are written keep theirs."""
    return await _change(call, _segment(call.body, call.body.name.strip()))


async def post_retire(call: Call) -> dict[str, Any]:
    """Offer a segment no longer; tests that have it keep it."""
    return await _change(call, None)


async def _change(call: Call, wanted: Segment | None) -> dict[str, Any]:
    async with transaction(call.shell.engine) as conn:
        changed = await change_segment(
            conn, call.path_uuid("segment_id"), wanted, seen=call.body.seen, who=call.who.name,
            why=call.body.reason.strip(), now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    if changed is None:
        raise Problem("not_found")
    return _named(changed)


async def get_offered(call: Call) -> dict[str, Any]:
    """The segments that a merchant may pick; a test copies what it picks, and keeps it."""
    async with reading(call.shell.engine) as conn:
        found = await segments.page(conn, limit=200)
    return {"segments": [_predicate(one.segment) for one in found]}


_AT = "/v1/ops/segments"
ROUTES = (
    Route(method="GET", path=_AT, handler=get_segments, summary="Segments", auth=SEE, query=SegmentsQuery,
          reply=SegmentListReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path=_AT, handler=post_segments, summary="Make a segment", auth=CHANGE, body=NewSegmentBody,
          reply=NamedSegmentReply, status=201, problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_AT}/headcount", handler=post_headcount, summary="How many players match", auth=SEE,
          body=PredicateBody, reply=HeadcountReply, problems=(401, 403, 413, 415, 422, 503)),
    Route(method="GET", path=f"{_AT}/{{segment_id}}", handler=get_segment, summary="A segment", auth=SEE,
          reply=SegmentFileReply, problems=READS),
    Route(method="PUT", path=f"{_AT}/{{segment_id}}", handler=put_segment, summary="Change a segment", auth=CHANGE,
          body=ChangedSegmentBody, reply=NamedSegmentReply, problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_AT}/{{segment_id}}/retire", handler=post_retire, summary="Retire a segment",
          auth=CHANGE, body=RetireBody, reply=NamedSegmentReply, problems=WRITES, idempotent=True),
)  # fmt: skip

OFFERED = (
    Route(method="GET", path="/v1/merchant/segments", handler=get_offered, summary="Segments to pick from", auth=OWN,
          reply=OfferedSegmentsReply, problems=(401, 403, 503)),
)  # fmt: skip

"""Make, change or retire a named segment; running tests keep the version that they were written with."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from game.errors import SegmentNameTaken
from game.segments import EVERYONE, Segment
from rewards.errors import ChangedMeanwhile, NothingChanged
from server.ids import uuid7
from server.stores import audit, segments
from server.stores.db import AsyncConnection
from server.stores.segments import NamedSegment


async def make_segment(
    conn: AsyncConnection, segment: Segment, *, who: str, why: str, now: datetime, request_id: str = ""
) -> NamedSegment:
    """A new segment for merchants to pick. Raises SegmentNameTaken."""
    if segment.name == EVERYONE:
        raise SegmentNameTaken(segment=EVERYONE)
    made = NamedSegment(uuid7(), 1, segment, now, None)
    await segments.add(conn, made, who=who, why=why)
    await audit.write(
        conn, who=who, what="segment.make", object_id=made.segment_id, after=segment.as_data(), why=why, now=now,
        request_id=request_id,
    )  # fmt: skip
    return made


async def change_segment(
    conn: AsyncConnection,
    segment_id: UUID,
    wanted: Segment | None,
    *,
    seen: int,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> NamedSegment | None:
    """The next version of a segment, or (`wanted` None) its end; None when there is no such segment.

    `seen` is the version that the author saw. Raises `ChangedMeanwhile`, `NothingChanged`, SegmentNameTaken.
    """
    before = await segments.find(conn, segment_id)
    if before is None:
        return None
    if wanted == before.segment and before.version == seen and before.retired_at is None:
        raise NothingChanged()
    if wanted is not None and wanted.name == EVERYONE:
        raise SegmentNameTaken(segment=EVERYONE)
    after = replace(
        before,
        version=seen + 1,
        segment=wanted if wanted is not None else before.segment,
        retired_at=now if wanted is None else None,
    )
    if not await segments.write_version(conn, after, seen=seen, who=who, why=why, now=now):
        last = (await segments.versions(conn, segment_id, limit=1))[0]
        raise ChangedMeanwhile(who=last.who, at=f"{last.at:%Y-%m-%d %H:%M} UTC")
    await audit.write(
        conn, who=who, what="segment.retire" if wanted is None else "segment.change", object_id=segment_id,
        before={**before.segment.as_data(), "version": before.version},
        after={**after.segment.as_data(), "version": after.version, "retired": wanted is None}, why=why, now=now,
        request_id=request_id,
    )  # fmt: skip
    return after

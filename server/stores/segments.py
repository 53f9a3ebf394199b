"""Named segments of players for merchants to pick from, each with all its versions, and how many players one has.

A test copies the predicate of a segment when it is written, so that no later version changes a running test. Race settled
here: two people who edit one segment. A new version is written only over the version that its author saw.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from game.errors import SegmentNameTaken
from game.segments import Segment, segment_from
from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("segment_id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("predicate", JSONB, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("retired_at", sa.DateTime(timezone=True)),
)
sa.Index("uq_segments_name", segments.c.name, unique=True, postgresql_where=segments.c.retired_at.is_(None))

segment_versions = sa.Table(
    "segment_versions",
    metadata,
    sa.Column("segment_id", sa.Uuid, sa.ForeignKey("segments.segment_id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("predicate", JSONB, nullable=False),
    sa.Column("retires", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger segment_versions_append_only before update or delete or truncate on segment_versions
    for each statement execute function refuse_change()
""",
    """
create or replace trigger segments_stay before delete or truncate on segments
    for each statement execute function refuse_change()
""",
)


@dataclass(frozen=True, slots=True)
class NamedSegment:
    """A segment of the library as it stands."""

    segment_id: UUID
    version: int
    segment: Segment
    made_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class SegmentVersion:
    """One version: what it said, or that it retired the segment; by whom, why and when."""

    version: int
    segment: Segment
    retires: bool
    who: str
    why: str
    at: datetime


def _named(row: Any) -> NamedSegment:
    return NamedSegment(row.segment_id, row.version, segment_from(row.predicate), row.made_at, row.retired_at)


async def add(conn: AsyncConnection, named: NamedSegment, *, who: str, why: str) -> None:
    """Put a segment on record with its first version. Raises SegmentNameTaken."""
    savepoint = await conn.begin_nested()
    try:
        await conn.execute(
            sa.insert(segments).values(
                segment_id=named.segment_id, name=named.segment.name, version=named.version,
                predicate=named.segment.as_data(), made_at=named.made_at,
            )
        )  # fmt: skip
    except IntegrityError as error:
        await savepoint.rollback()
        if "uq_segments_name" in str(error.orig):
            raise SegmentNameTaken(segment=named.segment.name) from error
        raise
    await savepoint.commit()
    await _add_version(conn, named, who=who, why=why, at=named.made_at)


async def _add_version(
    conn: AsyncConnection, named: NamedSegment, *, who: str, why: str, at: datetime, retires: bool = False
) -> None:
    await conn.execute(
        sa.insert(segment_versions).values(
            segment_id=named.segment_id, version=named.version, predicate=named.segment.as_data(), retires=retires,
            who=who, why=why, at=at,
        )
    )  # fmt: skip


async def write_version(
    conn: AsyncConnection, named: NamedSegment, *, seen: int, who: str, why: str, now: datetime
) -> bool:
    """Write a new version over the version `seen`; False when that is not the newest any more. Raises SegmentNameTaken."""
    savepoint = await conn.begin_nested()
    try:
        done = await conn.execute(
            sa.update(segments)
            .where(
                segments.c.segment_id == named.segment_id,
                segments.c.version == seen,
                segments.c.retired_at.is_(None),
            )
            .values(
                name=named.segment.name, version=named.version, predicate=named.segment.as_data(),
                retired_at=named.retired_at,
            )
        )  # fmt: skip
    except IntegrityError as error:
        await savepoint.rollback()
        if "uq_segments_name" in str(error.orig):
            raise SegmentNameTaken(segment=named.segment.name) from error
        raise
    await savepoint.commit()
    if done.rowcount != 1:
        return False
    await _add_version(conn, named, who=who, why=why, at=now, retires=named.retired_at is not None)
    return True


async def find(conn: AsyncConnection, segment_id: UUID) -> NamedSegment | None:
    """A segment, retired or not."""
    row = (await conn.execute(sa.select(segments).where(segments.c.segment_id == segment_id))).one_or_none()
    return _named(row) if row else None


async def page(
    conn: AsyncConnection, *, retired: bool = False, after: tuple[str, UUID] | None = None, limit: int = 50
) -> list[NamedSegment]:
    """Segments by name, from after the key `after` (name, id); those that are offered, or those that were retired."""
    key = (segments.c.name, segments.c.segment_id)
    query = sa.select(segments).order_by(*key).limit(limit)
    query = query.where(segments.c.retired_at.isnot(None) if retired else segments.c.retired_at.is_(None))
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
    return [_named(row) for row in await conn.execute(query)]


async def versions(conn: AsyncConnection, segment_id: UUID, *, limit: int = 50) -> list[SegmentVersion]:
    """A segment's versions, newest first."""
    rows = await conn.execute(
        sa.select(segment_versions)
        .where(segment_versions.c.segment_id == segment_id)
        .order_by(segment_versions.c.version.desc())
        .limit(limit)
    )
    return [
        SegmentVersion(row.version, segment_from(row.predicate), row.retires, row.who, row.why, row.at) for row in rows
    ]


async def open_with(conn: AsyncConnection, segment: Segment, *, limit: int = 20) -> list[tuple[UUID, str]]:
    """(id, title) of open tests whose audience holds just this predicate."""
    rows = await conn.execute(
        sa.text(
            "select test_id, title from style_tests where state in ('running', 'paused') and audience @> :wanted "
            "order by test_id desc limit :limit"
        ).bindparams(sa.bindparam("wanted", [segment.as_data()], type_=JSONB)),
        {"limit": limit},
    )
    return [(row.test_id, row.title) for row in rows]


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many players a segment has; `exact` unless it was told from a sample."""

    players: int
    exact: bool


SAMPLED_ABOVE = 100_000
_SAMPLE = 30_000


async def headcount(conn: AsyncConnection, segment: Segment, *, now: datetime) -> Headcount:
    """How many players match who agreed to each fact that it asks for.

    In a crowd of more than 100 000 a sample of pages with some 30 000 players says about how many.
    """
    where, values = _where(segment, now)
    crowd = int(
        await conn.scalar(sa.text("select reltuples::bigint from pg_class where oid = 'players'::regclass")) or 0
    )
    if crowd <= SAMPLED_ABOVE:
        found = await conn.scalar(sa.text(f"select count(*) from players where {where}"), values)  # noqa: S608 - constants
        return Headcount(int(found or 0), True)
    row = (
        await conn.execute(
            sa.text(
                f"select count(*) as seen, count(*) filter (where {where}) as found "  # noqa: S608 - constants
                f"from players tablesample system ({100 * _SAMPLE / crowd:.6f})"
            ),
            values,
        )
    ).one()
    return Headcount(round(crowd * row.found / row.seen) if row.seen else 0, False)


def _where(segment: Segment, now: datetime) -> tuple[str, dict[str, Any]]:
    """The predicate in SQL, the same that `Segment.holds` says of `Player.facts`."""
    parts, values = ["deleted_at is null"], dict[str, Any]()
    if segment.gender is not None:
        parts.append("consent @> '{\"gender\": true}' and gender = :gender")
        values["gender"] = segment.gender
    if segment.age_min is not None or segment.age_max is not None:
        parts.append("consent @> '{\"age\": true}' and birth_year between :born_from and :born_to")
        values["born_from"] = now.year - (segment.age_max if segment.age_max is not None else 1000)
        values["born_to"] = now.year - (segment.age_min or 0)
    if segment.interests:
        parts.append("consent @> '{\"interests\": true}' and interests && :interests")
        values["interests"] = sorted(segment.interests)
    if segment.region is not None:
        parts.append("consent @> '{\"region\": true}' and region = :region")
        values["region"] = segment.region
    return " and ".join(parts), values

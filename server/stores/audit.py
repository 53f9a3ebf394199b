"""The audit log: who changed what, from what to what, and why; one line an act, append-only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

audit_lines = sa.Table(
    "audit_lines",
    metadata,
    sa.Column("line_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    # The act and its object, like "test.stop 0190…": the object can be looked for by what it is and by its id.
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False, server_default=""),
    sa.Column("before", JSONB),
    sa.Column("after", JSONB),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("request_id", sa.Text, nullable=False, server_default=""),
)
# One for each way of looking, all in the order of the lines: a page costs the same at any depth.
sa.Index("ix_audit_lines_object_id", audit_lines.c.object_id, audit_lines.c.line_id)
sa.Index("ix_audit_lines_who", audit_lines.c.who, audit_lines.c.line_id)
sa.Index("ix_audit_lines_what", audit_lines.c.what, audit_lines.c.line_id)
sa.Index("ix_audit_lines_area", sa.text("split_part(what, '.', 1)"), audit_lines.c.line_id)
sa.Index("ix_audit_lines_at", audit_lines.c.at, audit_lines.c.line_id)
sa.Index("ix_audit_lines_request_id", audit_lines.c.request_id, postgresql_where=audit_lines.c.request_id != "")

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger audit_lines_append_only before update or delete or truncate on audit_lines
    for each statement execute function refuse_change()
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One line of the log. `before` and `after` hold what changed, as JSON."""

    line_id: int
    at: datetime
    who: str
    what: str
    object_id: str
    before: Any
    after: Any
    why: str
    request_id: str


async def write(
    conn: AsyncConnection,
    *,
    who: str,
    what: str,
    now: datetime,
    object_id: UUID | str = "",
    before: Any = None,
    after: Any = None,
    why: str = "",
    request_id: str = "",
) -> None:
    """Write one line, in the transaction of the act itself: neither is on record without the other."""
    await conn.execute(
        sa.insert(audit_lines).values(
            at=now,
            who=who,
            what=what,
            object_id=str(object_id),
            before=before,
            after=after,
            why=why,
            request_id=request_id,
        )
    )


async def lines(
    conn: AsyncConnection, *, object_id: UUID | str | None = None, before_line: int | None = None, limit: int = 100
) -> list[AuditLine]:
    """The newest lines first, of one object or of all, from before the line `before_line`."""
    query = sa.select(audit_lines).order_by(audit_lines.c.line_id.desc()).limit(limit)
    if object_id is not None:
        query = query.where(audit_lines.c.object_id == str(object_id))
    if before_line is not None:
        query = query.where(audit_lines.c.line_id < before_line)
    return [AuditLine(**row._asdict()) for row in await conn.execute(query)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; everything that is said must fit.

    `what` is an act ("switch.stop") or an area of acts ("switch"); `since` and `until` bound the moment.
    """

    who: str | None = None
    what: str | None = None
    object_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


# Lines are numbered when they are written and dated by the clock of their process: the two orders agree but for the
# length of a transaction and the difference of two clocks.
_SLACK = timedelta(minutes=10)


async def search(
    conn: AsyncConnection, wanted: Search, *, before_line: int | None = None, limit: int = 100
) -> list[AuditLine]:
    """The newest lines first that fit, from before the line `before_line`."""
    query = sa.select(audit_lines).order_by(audit_lines.c.line_id.desc()).limit(limit)
    if wanted.who is not None:
        query = query.where(audit_lines.c.who == wanted.who)
    if wanted.what is not None:
        area = sa.text("split_part(what, '.', 1) = :area").bindparams(area=wanted.what)
        query = query.where(audit_lines.c.what == wanted.what if "." in wanted.what else area)
    if wanted.object_id is not None:
        query = query.where(audit_lines.c.object_id == wanted.object_id)
    if wanted.request_id is not None:
        query = query.where(audit_lines.c.request_id == wanted.request_id, audit_lines.c.request_id != "")
    if wanted.since is not None:
        query = query.where(audit_lines.c.at >= wanted.since)
        if (first := await _line_at(conn, wanted.since - _SLACK)) is not None:
            query = query.where(audit_lines.c.line_id >= first)
    if wanted.until is not None:
        query = query.where(audit_lines.c.at < wanted.until)
        if (last := await _line_at(conn, wanted.until + _SLACK)) is not None:
            query = query.where(audit_lines.c.line_id <= last)
    if before_line is not None:
        query = query.where(audit_lines.c.line_id < before_line)
    return [AuditLine(**row._asdict()) for row in await conn.execute(query)]


async def _line_at(conn: AsyncConnection, moment: datetime) -> int | None:
    """The number of the last line that was dated before a moment."""
    found: int | None = await conn.scalar(
        sa.select(audit_lines.c.line_id)
        .where(audit_lines.c.at < moment)
        .order_by(audit_lines.c.at.desc(), audit_lines.c.line_id.desc())
        .limit(1)
    )
    return found


async def acts(conn: AsyncConnection) -> list[str]:
    """Every kind of act that is on record, found by skipping through the index rather than by reading the log."""
    rows = await conn.scalars(
        sa.text(
            """
with recursive kinds as (
    (select what from audit_lines order by what limit 1)
    union all
    select (select a.what from audit_lines a where a.what > k.what order by a.what limit 1) from kinds k
    where k.what is not null
)
select what from kinds where what is not null
"""
        )
    )
    return list(rows)


async def stream(conn: AsyncConnection) -> AsyncIterator[AuditLine]:
    """The whole log, oldest first, streamed."""
    async for row in await conn.stream(sa.select(audit_lines).order_by(audit_lines.c.line_id)):
        yield AuditLine(**row._asdict())

"""The audit log: who changed what, from what to what, and why; one line an act, append-only."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
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
sa.Index("ix_audit_lines_object_id", audit_lines.c.object_id)

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


async def stream(conn: AsyncConnection) -> AsyncIterator[AuditLine]:
    """The whole log, oldest first, streamed."""
    async for row in await conn.stream(sa.select(audit_lines).order_by(audit_lines.c.line_id)):
        yield AuditLine(**row._asdict())

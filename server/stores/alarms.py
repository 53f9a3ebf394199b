"""Alarms: which sound now, and the facts of each: raised, acknowledged, cleared; their thresholds as data.

The table of alarms is an opinion; what happened to each is a line that is never changed. Races settled here: two
workers that judge at once (a lock for the transaction makes it one after the other, and of one code and subject only
one alarm can be open: a unique index), and two operators who acknowledge at once (one conditional update; the second
is told who was first).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from server.alarms import OpenAlarm, Sounding
from server.ids import uuid7
from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("alarm_id", sa.Uuid, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    # What it is about: a test, a budget, a job, a law; empty where it is about everything.
    sa.Column("subject", sa.Text, nullable=False),
    # What its words are filled with, as last heard.
    sa.Column("figures", JSONB, nullable=False),
    sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("cleared_at", sa.DateTime(timezone=True)),
)
sa.Index("uq_alarms_open", alarms.c.code, alarms.c.subject, unique=True, postgresql_where=alarms.c.cleared_at.is_(None))

alarm_events = sa.Table(
    "alarm_events",
    metadata,
    sa.Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("alarm_id", sa.Uuid, sa.ForeignKey("alarms.alarm_id"), nullable=False, index=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("figures", JSONB, nullable=False),
    sa.CheckConstraint("event in ('raised', 'acknowledged', 'cleared')", name="event_known"),
)

alarm_thresholds = sa.Table(
    "alarm_thresholds",
    metadata,
    sa.Column("line_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    # Only what differs from the defaults.
    sa.Column("figures", JSONB, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger alarm_events_append_only before update or delete or truncate on alarm_events
    for each statement execute function refuse_change()
""",
    """
create or replace trigger alarm_thresholds_append_only before update or delete or truncate on alarm_thresholds
    for each statement execute function refuse_change()
""",
)

_LOCK = 0x616C61726D  # "alarm": a number that only this store locks


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm on record."""

    alarm_id: UUID
    code: str
    subject: str
    figures: dict[str, Any]
    raised_at: datetime
    heard_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One thing that happened to an alarm."""

    event: str
    at: datetime
    who: str
    note: str
    figures: dict[str, Any]


def _alarm(row: Any) -> Alarm:
    return Alarm(**row._asdict())


async def lock(conn: AsyncConnection) -> None:
    """One judge at a time, until the transaction ends."""
    await conn.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def open_alarms(conn: AsyncConnection) -> list[OpenAlarm]:
    """Every alarm that is not cleared, as the rules see one."""
    rows = await conn.execute(
        sa.select(alarms.c.alarm_id, alarms.c.code, alarms.c.subject, alarms.c.heard_at).where(
            alarms.c.cleared_at.is_(None)
        )
    )
    return [OpenAlarm(*row) for row in rows]


async def raise_(conn: AsyncConnection, heard: Sounding, now: datetime) -> Alarm:
    """Put a new alarm on record."""
    row = (
        await conn.execute(
            sa.insert(alarms)
            .values(
                alarm_id=uuid7(), code=heard.code, subject=heard.subject, figures=heard.figures, raised_at=now,
                heard_at=now,
            )
            .returning(alarms)
        )
    ).one()  # fmt: skip
    await _note(conn, row.alarm_id, "raised", who="watch", note="", figures=heard.figures, now=now)
    return _alarm(row)


async def hear(conn: AsyncConnection, alarm_id: UUID, heard: Sounding, now: datetime) -> None:
    """An open alarm still sounds, perhaps with other figures."""
    await conn.execute(
        sa.update(alarms).where(alarms.c.alarm_id == alarm_id).values(heard_at=now, figures=heard.figures)
    )


async def clear(conn: AsyncConnection, alarm_id: UUID, now: datetime) -> Alarm:
    """What sounded is quiet."""
    row = (
        await conn.execute(
            sa.update(alarms).where(alarms.c.alarm_id == alarm_id).values(cleared_at=now).returning(alarms)
        )
    ).one()
    await _note(conn, alarm_id, "cleared", who="watch", note="", figures=row.figures, now=now)
    return _alarm(row)


async def acknowledge(conn: AsyncConnection, alarm_id: UUID, *, who: str, note: str, now: datetime) -> Alarm | None:
    """Note that somebody looks after an alarm; None when somebody else already does, or it is cleared or unknown."""
    row = (
        await conn.execute(
            sa.update(alarms)
            .where(alarms.c.alarm_id == alarm_id, alarms.c.acknowledged_at.is_(None), alarms.c.cleared_at.is_(None))
            .values(acknowledged_at=now, acknowledged_by=who)
            .returning(alarms)
        )
    ).one_or_none()
    if row is None:
        return None
    await _note(conn, alarm_id, "acknowledged", who=who, note=note, figures=row.figures, now=now)
    return _alarm(row)


async def _note(
    conn: AsyncConnection, alarm_id: UUID, event: str, *, who: str, note: str, figures: dict[str, Any], now: datetime
) -> None:
    await conn.execute(
        sa.insert(alarm_events).values(alarm_id=alarm_id, event=event, at=now, who=who, note=note, figures=figures)
    )


async def find(conn: AsyncConnection, alarm_id: UUID) -> Alarm | None:
    """One alarm."""
    row = (await conn.execute(sa.select(alarms).where(alarms.c.alarm_id == alarm_id))).one_or_none()
    return _alarm(row) if row else None


async def still_open(conn: AsyncConnection) -> list[Alarm]:
    """Every alarm that is not cleared, newest first."""
    rows = await conn.execute(
        sa.select(alarms).where(alarms.c.cleared_at.is_(None)).order_by(alarms.c.alarm_id.desc()).limit(500)
    )
    return [_alarm(row) for row in rows]


async def page(conn: AsyncConnection, *, before: UUID | None, limit: int) -> list[Alarm]:
    """Alarms, cleared ones too, newest first, from before an alarm."""
    query = sa.select(alarms).order_by(alarms.c.alarm_id.desc()).limit(limit)
    if before is not None:
        query = query.where(alarms.c.alarm_id < before)
    return [_alarm(row) for row in await conn.execute(query)]


async def events_of(conn: AsyncConnection, alarm_id: UUID) -> list[AlarmEvent]:
    """What happened to an alarm, in order."""
    rows = await conn.execute(
        sa.select(
            alarm_events.c.event, alarm_events.c.at, alarm_events.c.who, alarm_events.c.note, alarm_events.c.figures
        )
        .where(alarm_events.c.alarm_id == alarm_id)
        .order_by(alarm_events.c.event_id)
    )
    return [AlarmEvent(*row) for row in rows]


async def thresholds(conn: AsyncConnection) -> dict[str, int]:
    """The thresholds that differ from the defaults, as last saved."""
    found = await conn.scalar(
        sa.select(alarm_thresholds.c.figures).order_by(alarm_thresholds.c.line_id.desc()).limit(1)
    )
    return dict(found or {})


async def save_thresholds(conn: AsyncConnection, figures: dict[str, int], *, who: str, why: str, now: datetime) -> None:
    """Save thresholds; what was saved before stays as the line before it."""
    await conn.execute(sa.insert(alarm_thresholds).values(figures=figures, at=now, who=who, why=why))


async def counts(conn: AsyncConnection) -> Sequence[tuple[str, bool, int]]:
    """(code, acknowledged, how many) of the alarms that sound."""
    rows = await conn.execute(
        sa.select(alarms.c.code, alarms.c.acknowledged_at.isnot(None), sa.func.count())
        .where(alarms.c.cleared_at.is_(None))
        .group_by(alarms.c.code, alarms.c.acknowledged_at.isnot(None))
    )
    return [(code, acknowledged, int(number)) for code, acknowledged, number in rows]

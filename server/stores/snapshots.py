"""Snapshots: what a refit concluded of a test, one row a version; the latest is what dealing and pages read.

Race settled here: two workers that refit one test at once. The key (test, version) lets one insert win; the other's
work is thrown away, which costs time and nothing else (a snapshot is an opinion and can always be made again).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("votes", sa.Integer, nullable=False),
    # What pages show: one document, ready to send.
    sa.Column("document", JSONB, nullable=False),
    # What dealing needs: strengths and covariances per segment.
    sa.Column("state", JSONB, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of what is known of a test."""

    test_id: UUID
    version: int
    at: datetime
    votes: int
    document: dict[str, Any]
    state: dict[str, Any]


async def write(conn: AsyncConnection, snapshot: Snapshot, *, keep: int = 50) -> bool:
    """Record a snapshot and forget all but the last `keep`; False when somebody else wrote this version."""
    written = await conn.execute(
        insert(snapshots)
        .values(
            test_id=snapshot.test_id,
            version=snapshot.version,
            at=snapshot.at,
            votes=snapshot.votes,
            document=snapshot.document,
            state=snapshot.state,
        )
        .on_conflict_do_nothing()
    )
    if written.rowcount == 1:
        await conn.execute(
            sa.delete(snapshots).where(
                snapshots.c.test_id == snapshot.test_id, snapshots.c.version <= snapshot.version - keep
            )
        )
    return written.rowcount == 1


async def latest(conn: AsyncConnection, test_id: UUID) -> Snapshot | None:
    """The newest snapshot of a test."""
    row = (
        await conn.execute(
            sa.select(snapshots).where(snapshots.c.test_id == test_id).order_by(snapshots.c.version.desc()).limit(1)
        )
    ).one_or_none()
    return Snapshot(**row._asdict()) if row else None


async def looks(conn: AsyncConnection, test_id: UUID) -> tuple[tuple[datetime, int], tuple[datetime, int]] | None:
    """(moment, votes) of the oldest snapshot that is kept and of the newest; None before the first."""
    of_test = sa.select(snapshots.c.at, snapshots.c.votes).where(snapshots.c.test_id == test_id).limit(1)
    first = (await conn.execute(of_test.order_by(snapshots.c.version))).one_or_none()
    last = (await conn.execute(of_test.order_by(snapshots.c.version.desc()))).one_or_none()
    return ((first.at, first.votes), (last.at, last.votes)) if first and last else None


async def first_from(conn: AsyncConnection, test_id: UUID, votes: int) -> Snapshot | None:
    """The oldest snapshot that is still kept of those with at least so many votes."""
    row = (
        await conn.execute(
            sa.select(snapshots)
            .where(snapshots.c.test_id == test_id, snapshots.c.votes >= votes)
            .order_by(snapshots.c.version)
            .limit(1)
        )
    ).one_or_none()
    return Snapshot(**row._asdict()) if row else None


async def mark(conn: AsyncConnection, test_id: UUID) -> tuple[int, str, int]:
    """(newest version, the test's state, grams charged): changes whenever what a page shows has changed."""
    row = (
        await conn.execute(
            sa.text(
                "select coalesce((select max(version) from snapshots s where s.test_id = t.test_id), 0), t.state,"
                " coalesce((select b.charged_g from budgets b where b.budget_id = t.test_id), 0)"
                " from style_tests t where t.test_id = :test_id"
            ),
            {"test_id": test_id},
        )
    ).one_or_none()
    return (row[0], row[1], row[2]) if row else (0, "archived", 0)


async def versions(conn: AsyncConnection) -> dict[UUID, int]:
    """The newest version of each test that is running or paused."""
    rows = await conn.execute(
        sa.text(
            "select t.test_id, coalesce((select max(version) from snapshots s where s.test_id = t.test_id), 0) as version"
            " from style_tests t where t.state in ('running', 'paused')"
        )
    )
    return {row.test_id: row.version for row in rows}

"""Content review: every piece that a merchant has handed in, once, with what was said of it.

Races settled here. Two launches hand in the same piece: the unique key of merchant and digest lets one insert win. Two
people judge one piece, or a person while the platform answers: `judge` writes only over a state that the caller names, and
the second is told that it came late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from game.content import ContentState, Piece, pieces_of
from game.style_test import StyleTest
from server.ids import uuid7
from server.stores.db import metadata
from server.stores.tests import merchants, tests

contents = sa.Table(
    "contents",
    metadata,
    sa.Column("content_id", sa.Uuid, primary_key=True),
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id"), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    # The test that handed it in first; what was said stays when its draft is deleted.
    sa.Column("test_id", sa.Uuid, sa.ForeignKey("style_tests.test_id", ondelete="SET NULL"), index=True),
    sa.Column("style_id", sa.Uuid),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("picture", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("labels", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("judged_at", sa.DateTime(timezone=True)),
    sa.Column("judged_by", sa.Text),
    sa.UniqueConstraint("merchant_id", "digest"),
    sa.CheckConstraint("state in ('pending', 'review', 'pass', 'risky')", name="state_known"),
)
sa.Index("ix_contents_open", contents.c.state, contents.c.content_id, postgresql_where=contents.c.state != "pass")


@dataclass(frozen=True, slots=True)
class Content:
    """One piece as it was handed in, and what was said of it: by whom, why, and the platform's own words."""

    content_id: UUID
    merchant_id: UUID
    merchant: str
    test_id: UUID | None
    test_title: str | None
    style_id: UUID | None
    title: str
    words: str
    picture: str | None
    state: ContentState
    labels: tuple[str, ...]
    note: str
    created_at: datetime
    judged_at: datetime | None
    judged_by: str | None


_SHOWN = (
    contents.c.content_id, contents.c.merchant_id, merchants.c.name.label("merchant"), contents.c.test_id,
    tests.c.title.label("test_title"), contents.c.style_id, contents.c.title, contents.c.words, contents.c.picture,
    contents.c.state, contents.c.labels, contents.c.note, contents.c.created_at, contents.c.judged_at,
    contents.c.judged_by,
)  # fmt: skip
_FROM = contents.join(merchants, merchants.c.merchant_id == contents.c.merchant_id).outerjoin(
    tests, tests.c.test_id == contents.c.test_id
)


def _content(row: Any) -> Content:
    values = row._asdict()
    values |= {"state": ContentState(values["state"]), "labels": tuple(values["labels"])}
    return Content(**values)


async def hand_in(
    conn: AsyncConnection,
    pieces: Sequence[Piece],
    *,
    merchant_id: UUID,
    test_id: UUID,
    state: ContentState,
    judged_by: str | None,
    now: datetime,
) -> None:
    """Record pieces in `state`; what this merchant has handed in before keeps what was said of it."""
    rows = [
        {
            "content_id": uuid7(),
            "merchant_id": merchant_id,
            "digest": piece.digest,
            "test_id": test_id,
            "style_id": piece.style_id,
            "title": piece.title,
            "words": piece.words,
            "picture": piece.picture,
            "state": state.value,
            "created_at": now,
            "next_at": now,
            "judged_at": now if judged_by else None,
            "judged_by": judged_by,
        }
        for piece in pieces
    ]
    if rows:
        await conn.execute(insert(contents).values(rows).on_conflict_do_nothing())


async def known(
    conn: AsyncConnection, merchant_id: UUID, digests: Sequence[bytes]
) -> dict[bytes, tuple[ContentState, str]]:
    """(state, note) of these pieces, where the merchant has handed them in."""
    rows = await conn.execute(
        sa.select(contents.c.digest, contents.c.state, contents.c.note).where(
            contents.c.merchant_id == merchant_id, contents.c.digest.in_(list(digests))
        )
    )
    return {bytes(row.digest): (ContentState(row.state), row.note) for row in rows}


async def known_of_test(conn: AsyncConnection, test: StyleTest) -> dict[bytes, tuple[ContentState, str]]:
    """(state, note) of the pieces of a test, where they were handed in."""
    return await known(conn, test.merchant_id, [piece.digest for piece in pieces_of(test)])


async def page(
    conn: AsyncConnection, *, state: ContentState | None = None, after: UUID | None = None, limit: int = 50
) -> list[Content]:
    """Pieces in this state (all, unless named), the longest waiting first, from after the id `after` on."""
    query = sa.select(*_SHOWN).select_from(_FROM).order_by(contents.c.content_id).limit(limit)
    if state is not None:
        query = query.where(contents.c.state == state.value)
    if after is not None:
        query = query.where(contents.c.content_id > after)
    return [_content(row) for row in await conn.execute(query)]


async def waiting(conn: AsyncConnection) -> int:
    """How many pieces wait for a person."""
    counted = await conn.scalar(
        sa.select(sa.func.count()).select_from(contents).where(contents.c.state == ContentState.REVIEW.value)
    )
    return int(counted or 0)


async def find(conn: AsyncConnection, content_id: UUID) -> Content | None:
    """One piece."""
    row = (await conn.execute(sa.select(*_SHOWN).select_from(_FROM).where(contents.c.content_id == content_id))).first()
    return _content(row) if row else None


async def judge(
    conn: AsyncConnection,
    content_id: UUID,
    *,
    before: ContentState,
    state: ContentState,
    judged_by: str,
    note: str,
    labels: Sequence[str] | None = None,
    now: datetime,
) -> bool:
    """Write what was said of a piece that still is in `before`; False when somebody else was first."""
    told: Mapping[str, object] = {} if labels is None else {"labels": list(labels)}
    written = await conn.execute(
        sa.update(contents)
        .where(contents.c.content_id == content_id, contents.c.state == before.value)
        .values(state=state.value, judged_at=now, judged_by=judged_by, note=note, **told)
    )
    return written.rowcount == 1


async def take_due(conn: AsyncConnection, now: datetime, *, lease: timedelta, limit: int = 20) -> list[Content]:
    """Pieces that wait for a platform; nobody else gets them before the lease is over."""
    due = (
        sa.select(contents.c.content_id)
        .where(contents.c.state == ContentState.PENDING.value, contents.c.next_at <= now)
        .order_by(contents.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = await conn.execute(
        sa.update(contents)
        .where(contents.c.content_id.in_(due))
        .values(next_at=now + lease)
        .returning(contents.c.content_id)
    )
    ids = [row.content_id for row in taken]
    if not ids:
        return []
    return [
        _content(row)
        for row in await conn.execute(sa.select(*_SHOWN).select_from(_FROM).where(contents.c.content_id.in_(ids)))
    ]


async def tests_in_review(conn: AsyncConnection, merchant_id: UUID) -> list[UUID]:
    """The merchant's tests that wait for review."""
    rows = await conn.execute(
        sa.select(tests.c.test_id).where(tests.c.merchant_id == merchant_id, tests.c.state == "review")
    )
    return [row.test_id for row in rows]

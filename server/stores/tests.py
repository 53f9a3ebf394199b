"""Style tests, their styles, and the merchants who own them.

Race settled here: two verbs on one test at once (stop while the autopilot decides). `move` changes the state only from
the state that the caller has read; the second caller is told that it came late.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from game.segments import audience_from
from game.style_test import Style, StyleTest, TestState
from ranking.pairing import Goal
from server.stores.db import metadata

merchants = sa.Table(
    "merchants",
    metadata,
    sa.Column("merchant_id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Uuid, primary_key=True),
    # SHA-256 of a 256-bit random key: nothing to guess, so nothing to slow down.
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id")),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", JSONB, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
)

tests = sa.Table(
    "style_tests",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id"), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_en", sa.Text),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("question_en", sa.Text),
    sa.Column("goal", JSONB, nullable=False),
    sa.Column("audience", JSONB, nullable=False),
    sa.Column("budget_fen", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("ends_at", sa.DateTime(timezone=True)),
    sa.Column("min_days", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("launched_at", sa.DateTime(timezone=True)),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint(
        "state in ('draft', 'review', 'running', 'paused', 'decided', 'stopped', 'archived')", name="state_known"
    ),
    sa.CheckConstraint("budget_fen >= 0", name="budget_not_negative"),
)
sa.Index("ix_style_tests_merchant_id_created_at", tests.c.merchant_id, tests.c.created_at, tests.c.test_id)
sa.Index("ix_style_tests_open", tests.c.state, postgresql_where=tests.c.state.in_(("running", "paused")))

styles = sa.Table(
    "styles",
    metadata,
    sa.Column("style_id", sa.Uuid, primary_key=True),
    sa.Column("test_id", sa.Uuid, sa.ForeignKey("style_tests.test_id", ondelete="CASCADE"), nullable=False),
    sa.Column("position", sa.SmallInteger, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_en", sa.Text),
    sa.Column("picture", sa.Text),
    sa.Column("attributes", JSONB, nullable=False, server_default="{}"),
    sa.Column("decoy", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reference_sales", sa.Integer),
    sa.Column("cost_fen", sa.Integer),
    sa.Column("price_fen", sa.Integer),
    sa.UniqueConstraint("test_id", "position", deferrable=True, initially="DEFERRED"),
)


def _style(row: Any) -> Style:
    return Style(
        style_id=row.style_id,
        position=row.position,
        title=row.title,
        title_en=row.title_en,
        picture=row.picture,
        attributes=tuple(row.attributes.items()),
        decoy=row.decoy,
        reference_sales=row.reference_sales,
        cost_fen=row.cost_fen,
        price_fen=row.price_fen,
    )


def _test(row: Any, test_styles: Sequence[Style]) -> StyleTest:
    return StyleTest(
        test_id=row.test_id,
        merchant_id=row.merchant_id,
        title=row.title,
        title_en=row.title_en,
        question=row.question,
        question_en=row.question_en,
        goal=Goal(**row.goal),
        audience=audience_from(row.audience),
        budget_fen=row.budget_fen,
        state=TestState(row.state),
        ends_at=row.ends_at,
        min_days=row.min_days,
        created_at=row.created_at,
        launched_at=row.launched_at,
        ended_at=row.ended_at,
        styles=tuple(test_styles),
    )


def goal_data(goal: Goal) -> dict[str, Any]:
    """A goal as it is stored."""
    return {
        "keep": goal.keep,
        "certainty": goal.certainty,
        "confidence": goal.confidence,
        "indifference": goal.indifference,
    }


async def _with_styles(conn: AsyncConnection, rows: Sequence[Any]) -> list[StyleTest]:
    by_test: dict[UUID, list[Style]] = {row.test_id: [] for row in rows}
    if by_test:
        found = await conn.execute(
            sa.select(styles).where(styles.c.test_id.in_(list(by_test))).order_by(styles.c.test_id, styles.c.position)
        )
        for row in found:
            by_test[row.test_id].append(_style(row))
    return [_test(row, by_test[row.test_id]) for row in rows]


async def add_merchant(conn: AsyncConnection, *, merchant_id: UUID, name: str, now: datetime) -> None:
    """Record a merchant."""
    await conn.execute(sa.insert(merchants).values(merchant_id=merchant_id, name=name, created_at=now))


async def merchant_name(conn: AsyncConnection, merchant_id: UUID) -> str | None:
    """The merchant's name, None where there is no such merchant."""
    return await conn.scalar(sa.select(merchants.c.name).where(merchants.c.merchant_id == merchant_id))


async def add_api_key(
    conn: AsyncConnection,
    *,
    key_id: UUID,
    digest: bytes,
    merchant_id: UUID | None,
    name: str,
    scopes: Sequence[str],
    now: datetime,
) -> None:
    """Record an API key by its digest; the key itself is shown once and kept nowhere."""
    await conn.execute(
        sa.insert(api_keys).values(
            key_id=key_id, digest=digest, merchant_id=merchant_id, name=name, scopes=list(scopes), created_at=now
        )
    )


async def key_holder(
    conn: AsyncConnection, digest: bytes, now: datetime
) -> tuple[UUID, UUID | None, tuple[str, ...]] | None:
    """(key, merchant, scopes) of a live API key."""
    row = (
        await conn.execute(
            sa.select(api_keys.c.key_id, api_keys.c.merchant_id, api_keys.c.scopes).where(
                api_keys.c.digest == digest,
                api_keys.c.revoked_at.is_(None),
                sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
            )
        )
    ).one_or_none()
    return (row.key_id, row.merchant_id, tuple(row.scopes)) if row else None


async def keys_of_merchant(conn: AsyncConnection, merchant_id: UUID) -> Sequence[Any]:
    """(key_id, name, scopes, created_at, expires_at, revoked_at) of a merchant's keys, newest first."""
    query = sa.select(
        api_keys.c.key_id,
        api_keys.c.name,
        api_keys.c.scopes,
        api_keys.c.created_at,
        api_keys.c.expires_at,
        api_keys.c.revoked_at,
    ).where(api_keys.c.merchant_id == merchant_id)
    return (await conn.execute(query.order_by(api_keys.c.key_id.desc()))).all()


async def revoke_key(conn: AsyncConnection, key_id: UUID, *, merchant_id: UUID, now: datetime) -> bool:
    """Make a merchant's key useless; False when there is no such live key."""
    revoked = await conn.execute(
        sa.update(api_keys)
        .where(api_keys.c.key_id == key_id, api_keys.c.merchant_id == merchant_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return revoked.rowcount == 1


async def add(conn: AsyncConnection, test: StyleTest) -> None:
    """Record a test with all its styles."""
    await conn.execute(
        sa.insert(tests).values(
            test_id=test.test_id,
            merchant_id=test.merchant_id,
            title=test.title,
            title_en=test.title_en,
            question=test.question,
            question_en=test.question_en,
            goal=goal_data(test.goal),
            audience=test.audience.as_data(),
            budget_fen=test.budget_fen,
            state=test.state.value,
            ends_at=test.ends_at,
            min_days=test.min_days,
            created_at=test.created_at,
        )
    )
    await _write_styles(conn, test)


async def _write_styles(conn: AsyncConnection, test: StyleTest) -> None:
    if test.styles:
        await conn.execute(
            sa.insert(styles),
            [
                {
                    "style_id": style.style_id,
                    "test_id": test.test_id,
                    "position": style.position,
                    "title": style.title,
                    "title_en": style.title_en,
                    "picture": style.picture,
                    "attributes": style.attribute_map,
                    "decoy": style.decoy,
                    "reference_sales": style.reference_sales,
                    "cost_fen": style.cost_fen,
                    "price_fen": style.price_fen,
                }
                for style in test.styles
            ],
        )


async def rewrite_draft(conn: AsyncConnection, test: StyleTest) -> bool:
    """Replace a draft's fields and styles; False when it is no draft any more."""
    changed = await conn.execute(
        sa.update(tests)
        .where(tests.c.test_id == test.test_id, tests.c.state == TestState.DRAFT.value)
        .values(
            title=test.title,
            title_en=test.title_en,
            question=test.question,
            question_en=test.question_en,
            goal=goal_data(test.goal),
            audience=test.audience.as_data(),
            budget_fen=test.budget_fen,
            ends_at=test.ends_at,
            min_days=test.min_days,
        )
    )
    if changed.rowcount != 1:
        return False
    await conn.execute(sa.delete(styles).where(styles.c.test_id == test.test_id))
    await _write_styles(conn, test)
    return True


async def delete_draft(conn: AsyncConnection, test_id: UUID) -> bool:
    """Delete a draft; False when it is no draft any more."""
    gone = await conn.execute(
        sa.delete(tests).where(tests.c.test_id == test_id, tests.c.state == TestState.DRAFT.value)
    )
    return gone.rowcount == 1


async def move(conn: AsyncConnection, before: StyleTest, after: StyleTest) -> bool:
    """Write the new state of a test if it still stands in the old one; False when somebody else moved it first."""
    changed = await conn.execute(
        sa.update(tests)
        .where(tests.c.test_id == before.test_id, tests.c.state == before.state.value)
        .values(state=after.state.value, launched_at=after.launched_at, ended_at=after.ended_at)
    )
    return changed.rowcount == 1


async def find(
    conn: AsyncConnection, test_id: UUID, *, merchant_id: UUID | None = None, lock: bool = False
) -> StyleTest | None:
    """The test of this id; with `merchant_id` only if it is that merchant's. `lock` keeps others from moving it."""
    query = sa.select(tests).where(tests.c.test_id == test_id)
    if merchant_id is not None:
        query = query.where(tests.c.merchant_id == merchant_id)
    if lock:
        query = query.with_for_update()
    found = await _with_styles(conn, (await conn.execute(query)).all())
    return found[0] if found else None


async def of_merchant(
    conn: AsyncConnection, merchant_id: UUID, *, before: tuple[datetime, UUID] | None = None, limit: int = 20
) -> list[StyleTest]:
    """A merchant's tests, newest first, a page from after the key `before` (created_at, test_id) on."""
    query = sa.select(tests).where(tests.c.merchant_id == merchant_id)
    if before is not None:
        query = query.where(sa.tuple_(tests.c.created_at, tests.c.test_id) < sa.tuple_(*map(sa.literal, before)))
    rows = (await conn.execute(query.order_by(tests.c.created_at.desc(), tests.c.test_id.desc()).limit(limit))).all()
    return await _with_styles(conn, rows)


async def in_states(conn: AsyncConnection, states: Sequence[TestState]) -> list[StyleTest]:
    """All tests in these states, with their styles."""
    rows = (await conn.execute(sa.select(tests).where(tests.c.state.in_([state.value for state in states])))).all()
    return await _with_styles(conn, rows)


async def states(conn: AsyncConnection, test_ids: Sequence[UUID]) -> dict[UUID, TestState]:
    """The present state of each of these tests."""
    rows = await conn.execute(sa.select(tests.c.test_id, tests.c.state).where(tests.c.test_id.in_(list(test_ids))))
    return {test_id: TestState(state) for test_id, state in rows}

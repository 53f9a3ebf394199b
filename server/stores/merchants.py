"""Merchants at an operator's desk, and their keys when one is changed for another (the tables stand in server.stores.tests).

Race settled here: one key rotated twice at once. Its end is set by a conditional update, so one rotation wins and the
other is told that there is no such live key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.standings import staff_links
from server.stores.tests import api_keys, merchants, tests


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant on record, with the number of tests that are open now."""

    merchant_id: UUID
    name: str
    created_at: datetime
    open_tests: int


_OPEN = (
    sa.select(sa.func.count())
    .select_from(tests)
    .where(tests.c.merchant_id == merchants.c.merchant_id, tests.c.state.in_(("running", "paused")))
    .scalar_subquery()
)
_MERCHANT = sa.select(merchants.c.merchant_id, merchants.c.name, merchants.c.created_at, _OPEN.label("open_tests"))


async def find(conn: AsyncConnection, merchant_id: UUID) -> Merchant | None:
    """The merchant of this id."""
    row = (await conn.execute(_MERCHANT.where(merchants.c.merchant_id == merchant_id))).one_or_none()
    return Merchant(*row) if row else None


async def page(conn: AsyncConnection, *, text: str = "", before: UUID | None = None, limit: int) -> list[Merchant]:
    """Merchants, newest first (their ids begin with the moment), from after `before`; with `text` in the name."""
    query = _MERCHANT.order_by(merchants.c.merchant_id.desc()).limit(limit)
    if text:
        query = query.where(merchants.c.name.icontains(text, autoescape=True))
    if before is not None:
        query = query.where(merchants.c.merchant_id < before)
    return [Merchant(*row) for row in await conn.execute(query)]


async def rename(conn: AsyncConnection, merchant_id: UUID, name: str) -> str | None:
    """Give a merchant another name; returns the former one, None where there is no such merchant."""
    before: str | None = await conn.scalar(
        sa.select(merchants.c.name).where(merchants.c.merchant_id == merchant_id).with_for_update()
    )
    if before is not None:
        await conn.execute(sa.update(merchants).where(merchants.c.merchant_id == merchant_id).values(name=name))
    return before


async def end_key(
    conn: AsyncConnection, key_id: UUID, *, merchant_id: UUID, at: datetime
) -> tuple[str, Sequence[str]] | None:
    """Let a key that has no end yet open things until `at` and no longer; (name, scopes), None for no such live key."""
    row = (
        await conn.execute(
            sa.update(api_keys)
            .where(
                api_keys.c.key_id == key_id,
                api_keys.c.merchant_id == merchant_id,
                api_keys.c.revoked_at.is_(None),
                api_keys.c.expires_at.is_(None),
            )
            .values(expires_at=at)
            .returning(api_keys.c.name, api_keys.c.scopes)
        )
    ).one_or_none()
    return (row.name, row.scopes) if row else None


async def office_keys(conn: AsyncConnection) -> Sequence[Any]:
    """(key_id, name, scopes, created_at, expires_at, revoked_at) of keys that belong to no merchant, newest first."""
    k = api_keys.c
    query = sa.select(k.key_id, k.name, k.scopes, k.created_at, k.expires_at, k.revoked_at)
    return (await conn.execute(query.where(k.merchant_id.is_(None)).order_by(k.key_id.desc()).limit(200))).all()


async def revoke_office_key(conn: AsyncConnection, key_id: UUID, now: datetime) -> bool:
    """Make a key that belongs to no merchant useless; False when there is no such live key."""
    k = api_keys.c
    revoked = await conn.execute(
        sa.update(api_keys)
        .where(k.key_id == key_id, k.merchant_id.is_(None), k.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return revoked.rowcount == 1


async def links_of(conn: AsyncConnection, merchant_id: UUID) -> list[Any]:
    """(kind, digest, added_by, at) of what keeps a merchant's own people from its tests, newest first."""
    s = staff_links.c
    query = sa.select(s.kind, s.digest, s.added_by, s.at).where(s.merchant_id == merchant_id)
    return list((await conn.execute(query.order_by(s.at.desc(), s.digest).limit(500))).all())


async def unlink(conn: AsyncConnection, merchant_id: UUID, *, kind: str, digest: bytes) -> bool:
    """Take a link away; False where there is none."""
    s = staff_links.c
    gone = await conn.execute(
        sa.delete(staff_links).where(s.merchant_id == merchant_id, s.kind == kind, s.digest == digest)
    )
    return gone.rowcount == 1

"""Idempotency keys: what a call with a key has answered, so that the same call again gets the same answer.

Race settled here: the same key on two connections at once. The primary key (owner, key) lets one insert win; the other
is told that the call is under way, or given its answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata

# A claim this old without an answer belongs to a process that died; somebody else may take it over.
ABANDONED_AFTER = timedelta(seconds=60)
KEPT_FOR = timedelta(hours=24)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("status", sa.SmallInteger),
    sa.Column("media", sa.Text),
    sa.Column("body", sa.LargeBinary),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on record for a key: of which call (digest), and its answer (status None: still under way)."""

    digest: bytes
    status: int | None
    media: str | None
    body: bytes | None


async def claim(conn: AsyncConnection, owner: str, key: str, digest: bytes, now: datetime) -> Kept | None:
    """Claim a key; None when it is now the caller's, else what is on record for it."""
    statement = insert(idempotency_keys).values(owner=owner, key=key, digest=digest, claimed_at=now)
    taken = await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["owner", "key"],
            set_={"digest": digest, "claimed_at": now, "status": None, "media": None, "body": None},
            where=sa.or_(
                idempotency_keys.c.claimed_at < now - KEPT_FOR,
                sa.and_(idempotency_keys.c.status.is_(None), idempotency_keys.c.claimed_at < now - ABANDONED_AFTER),
            ),
        )
    )
    if taken.rowcount == 1:
        return None
    row = (
        await conn.execute(
            sa.select(
                idempotency_keys.c.digest, idempotency_keys.c.status, idempotency_keys.c.media, idempotency_keys.c.body
            ).where(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)
        )
    ).one_or_none()
    # Given back between the two statements: the other call failed, and so the caller may try.
    return Kept(**row._asdict()) if row else Kept(digest, None, None, None)


async def keep(conn: AsyncConnection, owner: str, key: str, *, status: int, media: str, body: bytes) -> None:
    """Record the answer of a claimed key."""
    await conn.execute(
        sa.update(idempotency_keys)
        .where(idempotency_keys.c.owner == owner, idempotency_keys.c.key == key)
        .values(status=status, media=media, body=body)
    )


async def give_back(conn: AsyncConnection, owner: str, key: str) -> None:
    """Forget a claim whose call was refused: nothing happened, so the same key may be used again."""
    await conn.execute(
        sa.delete(idempotency_keys).where(
            idempotency_keys.c.owner == owner, idempotency_keys.c.key == key, idempotency_keys.c.status.is_(None)
        )
    )


async def forget_old(conn: AsyncConnection, now: datetime) -> int:
    """Forget keys that are older than they are kept for."""
    gone = await conn.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.claimed_at < now - KEPT_FOR))
    return gone.rowcount

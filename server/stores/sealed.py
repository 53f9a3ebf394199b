"""Every sealed value in the database, so that all of them can be sealed anew when the key was rotated.

Race settled here: a value that is changed while it is sealed anew. The new seal is written only over the old one that
was read; whoever wrote meanwhile wins, and used the newer key already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata
from server.stores.players import identities


@dataclass(frozen=True, slots=True)
class Sealed:
    """One column of sealed values: each is about the UUID in `key` (so it opens in no other row)."""

    table: str
    key: str
    column: str


COLUMNS = (
    Sealed("order_addresses", "order_id", "sealed"),
    Sealed("damage_pictures", "picture_id", "sealed"),
    Sealed("webhooks", "webhook_id", "sealed_secret"),
    Sealed("staff", "user_id", "sealed_totp"),
    Sealed("staff", "user_id", "sealed_totp_offered"),
)
"""All but platform identities, whose key is a hash that rotates with them."""


async def stale(conn: AsyncConnection, where: Sealed, *, newest: int, after: Any, limit: int) -> Sequence[Any]:
    """(key, sealed value) of values that another key sealed, in the order of their keys, from after a key."""
    table = metadata.tables[where.table]
    key, column = table.c[where.key], table.c[where.column]
    query = sa.select(key, column).where(column.isnot(None), sa.func.get_byte(column, 1) != newest).order_by(key)
    if after is not None:
        query = query.where(key > after)
    return (await conn.execute(query.limit(limit))).all()


async def replace(conn: AsyncConnection, where: Sealed, key: Any, *, old: bytes, new: bytes) -> bool:
    """Write the new seal over the old one; False when the value is not what it was."""
    table = metadata.tables[where.table]
    done = await conn.execute(
        sa.update(table).where(table.c[where.key] == key, table.c[where.column] == old).values({where.column: new})
    )
    return done.rowcount == 1


async def stale_identities(
    conn: AsyncConnection, *, newest: int, after: tuple[str, bytes] | None, limit: int
) -> Sequence[Any]:
    """(platform, subject, sealed subject) of identities that another key sealed, in their order."""
    sealed = identities.c.sealed_subject
    query = (
        sa.select(identities.c.platform, identities.c.subject, sealed)
        .where(sealed.isnot(None), sa.func.get_byte(sealed, 1) != newest)
        .order_by(identities.c.platform, identities.c.subject)
    )
    if after is not None:
        query = query.where(sa.tuple_(identities.c.platform, identities.c.subject) > sa.tuple_(*after))
    return (await conn.execute(query.limit(limit))).all()


async def rename_identity(
    conn: AsyncConnection, platform: str, *, old: bytes, new: bytes, old_sealed: bytes, new_sealed: bytes
) -> bool:
    """Give an identity its hash and its seal under the newer key; False when it is not what it was."""
    done = await conn.execute(
        sa.update(identities)
        .where(
            identities.c.platform == platform, identities.c.subject == old, identities.c.sealed_subject == old_sealed
        )
        .values(subject=new, sealed_subject=new_sealed)
    )
    return done.rowcount == 1


async def count_by_key(conn: AsyncConnection) -> dict[int, int]:
    """How many values each key has sealed: a key whose number is not here may be taken out of the configuration."""
    counts: dict[int, int] = {}
    for where in (*COLUMNS, Sealed("platform_identities", "", "sealed_subject")):
        column = metadata.tables[where.table].c[where.column]
        number = sa.func.get_byte(column, 1)
        for key, many in await conn.execute(
            sa.select(number, sa.func.count()).where(column.isnot(None)).group_by(number)
        ):
            counts[key] = counts.get(key, 0) + many
    return counts

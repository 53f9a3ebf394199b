"""The history of the programme's figures: every economy that was saved, by whom and why.

Race settled here: two treasurers who change figures at once. Saving is done one at a time, and each names the economy that
he changed; the second finds another one there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.economy import DEFAULT, Economy, changed
from server.stores.farm import economies


@dataclass(frozen=True, slots=True)
class SavedEconomy:
    """An economy with its number; number 0 is the default, which nobody saved."""

    economy_id: int
    economy: Economy
    saved_at: datetime | None
    who: str
    why: str


UNSAVED = SavedEconomy(0, DEFAULT, None, "", "")


def _saved(row: Any) -> SavedEconomy:
    return SavedEconomy(row.economy_id, changed(DEFAULT, row.figures), row.saved_at, row.who, row.why)


async def latest(conn: AsyncConnection) -> SavedEconomy:
    """The economy that was saved last, the default where none was."""
    row = (await conn.execute(sa.select(economies).order_by(economies.c.economy_id.desc()).limit(1))).one_or_none()
    return _saved(row) if row else UNSAVED


async def lock_latest(conn: AsyncConnection) -> SavedEconomy:
    """The same, and nobody else saves one until the transaction ends."""
    await conn.execute(sa.text("select pg_advisory_xact_lock(hashtextextended('economy', 0))"))
    return await latest(conn)


async def page(conn: AsyncConnection, *, before: int | None = None, limit: int = 20) -> list[SavedEconomy]:
    """Saved economies, newest first, from before the number `before`."""
    query = sa.select(economies).order_by(economies.c.economy_id.desc()).limit(limit)
    if before is not None:
        query = query.where(economies.c.economy_id < before)
    return [_saved(row) for row in await conn.execute(query)]

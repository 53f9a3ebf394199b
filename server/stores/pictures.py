"""What is remembered of a stored picture: its fingerprint, by which near twins are known, and what was warned of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.pictures import CheckedPicture
from server.stores.db import metadata

pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("warnings", ARRAY(sa.Text), nullable=False),
    sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a picture."""

    key: str
    fingerprint: str
    warnings: tuple[str, ...]


async def remember(conn: AsyncConnection, found: Sequence[CheckedPicture], now: datetime) -> None:
    """Note pictures that were checked; one that is known already stays as it is."""
    if found:
        rows = {
            each.key: {
                "key": each.key,
                "fingerprint": each.fingerprint,
                "warnings": list(each.warnings),
                "kept_at": now,
            }
            for each in found
        }
        await conn.execute(insert(pictures).values(list(rows.values())).on_conflict_do_nothing())


async def known(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, Remembered]:
    """What is known of these pictures."""
    rows = await conn.execute(
        sa.select(pictures.c.key, pictures.c.fingerprint, pictures.c.warnings).where(pictures.c.key.in_(list(keys)))
    )
    return {row.key: Remembered(row.key, row.fingerprint, tuple(row.warnings)) for row in rows}

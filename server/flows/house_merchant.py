"""The house's own merchant: who owns what is imported from the command line on one machine, and what the demo shows."""

from datetime import datetime
from uuid import UUID

from server.stores import tests
from server.stores.db import AsyncConnection

HOUSE = UUID("0190a000-0000-7000-8000-000000000001")


async def house_merchant(conn: AsyncConnection, *, now: datetime) -> UUID:
    """The house's merchant, made on first use."""
    if await tests.merchant_name(conn, HOUSE) is None:
        await tests.add_merchant(conn, merchant_id=HOUSE, name="春山女装", now=now)
    return HOUSE

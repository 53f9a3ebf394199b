"""What alembic runs around every migration: on the caller's connection, or on DATABASE_URL for its own command."""

import asyncio
import os

from alembic import context
from sqlalchemy.engine import Connection

from server.stores import every_table
from server.stores.db import engine_from, transaction


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=every_table(), compare_type=True, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_run() -> None:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("Set DATABASE_URL to the database to compare with (`xuankuan migrate` needs no alembic).")
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect_and_run())

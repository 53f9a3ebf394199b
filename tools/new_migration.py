"""Begins a migration from what the stores say beyond the last: `make migration name="orders have a carrier"`.

The result is a proposal of alembic's, to be read and completed: it sees tables, columns, constraints and indexes, but
neither functions and triggers nor what should become of the data.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command

from server.embedded import EmbeddedPostgres
from server.migrations import config, upgrade
from server.stores.db import engine_from


async def begin(url: str, message: str) -> None:
    await upgrade(url)
    engine = engine_from(url, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_write, message)
    finally:
        await engine.dispose()


def _write(connection: sa.Connection, message: str) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    settings.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    settings.set_main_option("truncate_slug_length", "60")
    command.revision(settings, message=message, autogenerate=True, rev_id="_".join(message.lower().split())[:60])


def main() -> int:
    message = " ".join(sys.argv[1:]).strip()
    if not message:
        print('Say what will be true afterwards: make migration name="orders have a carrier"', file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=False) as postgres:
        asyncio.run(begin(postgres.url, message))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Laws of the schema: what the migrations make is what the stores say, and the first migration is not out of date."""

import asyncio
import subprocess

import asyncpg
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from server.holder import postgres_binary
from server.migrations import state, upgrade
from server.stores import every_table
from server.stores.db import transaction
from tools.freeze_schema import FROZEN, frozen_schema


async def test_the_migrated_schema_is_what_the_stores_say(engine):
    def differences(connection: sa.Connection) -> list:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, every_table())

    async with transaction(engine) as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_make_the_same_functions_triggers_and_rights_as_the_stores(database, empty_database):
    """What alembic's comparison does not see. PostgreSQL's own dump judges; only the order of lines may differ."""
    connection = await asyncpg.connect(empty_database)
    try:
        async with connection.transaction():
            await connection.execute(frozen_schema())
    finally:
        await connection.close()
    migrated, said = dumped(database), dumped(empty_database)
    assert any(line.startswith("CREATE TRIGGER") for line in said)
    assert migrated == said


def dumped(url: str) -> list[str]:
    command = [postgres_binary("pg_dump"), "--schema-only", "--exclude-table=alembic_version", url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # \restrict and \unrestrict carry a word of chance.
    return sorted(line.rstrip(",") for line in dump.splitlines() if not line.startswith("\\"))


def test_the_first_migration_is_what_the_stores_say_today():
    assert FROZEN.read_text(encoding="utf-8") == frozen_schema(), "run `python -m tools.freeze_schema`"


async def test_a_migrated_database_is_at_head_and_migrating_again_changes_nothing(database):
    before = await state(database)
    assert before.is_at_head
    assert before.head is not None
    assert await upgrade(database) == before


async def test_processes_that_migrate_at_once_do_it_once(empty_database):
    states = await asyncio.gather(*(upgrade(empty_database) for _ in range(5)))
    assert all(one.is_at_head for one in states)


async def test_an_empty_database_has_no_state(empty_database):
    found = await state(empty_database)
    assert found.current is None
    assert not found.is_at_head

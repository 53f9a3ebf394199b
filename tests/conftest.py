"""What every test may ask for: a real PostgreSQL, a real Valkey, and a database of its own, already migrated.

One server of each kind serves the whole session (under pytest-xdist: all workers; the embedded servers are shared by
their data folder). A migrated template is made once, and a test's database is a copy of it, which takes some 30 ms.

Fixtures that start the service itself (an application, a client, logged-in players) stand in tests/server/conftest.py.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import redis
from sqlalchemy.ext.asyncio import AsyncEngine

from server.embedded import EmbeddedPostgres, EmbeddedValkey
from server.ids import uuid7
from server.migrations import upgrade
from server.stores.db import engine_from

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if own.name.startswith("popen-") else own


@pytest.fixture(scope="session")
def postgres(shared_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The session's PostgreSQL, with the migrated template in it. Not durable: the data die with the session."""
    with EmbeddedPostgres(shared_folder / "servers", durable=False) as server:
        with (shared_folder / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            asyncio.run(_make_template(server))
        yield server


@pytest.fixture(scope="session")
def valkey(shared_folder: Path, worker_id: str) -> Iterator[EmbeddedValkey]:
    """The session's Valkey: one for each worker, because a test that flushes must not flush another's."""
    with EmbeddedValkey(shared_folder / f"servers-{worker_id}") as server:
        yield server


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a fresh, migrated database for one test."""
    yield from _a_database(postgres)


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database with nothing in it."""
    yield from _a_database(postgres, template="template0")


@pytest.fixture(scope="module")
def module_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The same for all tests of a module, where they do not get into each other's way."""
    yield from _a_database(postgres)


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the test's own database."""
    engine = engine_from(database, pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def module_engine(module_database: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the module's database."""
    engine = engine_from(module_database, pool_size=5)
    yield engine
    await engine.dispose()


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """The address of an empty Valkey."""
    with redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


async def _make_template(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.url_of("postgres"))
    try:
        if await connection.fetchval("select 1 from pg_database where datname = $1 and datistemplate", TEMPLATE):
            return
        await connection.execute(f"drop database if exists {TEMPLATE}")
        await connection.execute(f"create database {TEMPLATE}")
        await upgrade(server.url_of(TEMPLATE))
        # Last: an interrupted start leaves a database that is no template, and the next one makes it anew.
        await connection.execute(f"alter database {TEMPLATE} is_template true allow_connections false")
    finally:
        await connection.close()


def _a_database(server: EmbeddedPostgres, *, template: str = TEMPLATE) -> Iterator[str]:
    name = f"test_{uuid7().hex}"
    asyncio.run(_execute(server, f"create database {name} template {template} strategy file_copy"))
    yield server.url_of(name)
    asyncio.run(_execute(server, f"drop database {name} with (force)"))


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url_of("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()

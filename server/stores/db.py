"""The way to the database: the set of tables, the engine, the transaction, and what happens when it is away."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import UserDefinedType

CONNECT_S = 10.0

# Those who pass a connection on without speaking SQL take the type's name from here, so that SQLAlchemy stays behind
# this door: `from server.stores.db import AsyncConnection, AsyncEngine`.
__all__ = [
    "AsyncConnection",
    "AsyncEngine",
    "DatabaseAway",
    "IntegrityError",
    "NotADatabase",
    "Xid8",
    "engine_from",
    "is_away",
    "metadata",
    "naming_loss",
    "plain",
    "pool_from",
    "reading",
    "server_version",
    "transaction",
]

# Every constraint has a name that can be told beforehand: stores recognise by it which law the database upheld.
metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


# So that a look into the database (alembic's comparison) recognises the type again.
ischema_names["xid8"] = Xid8


class DatabaseAway(Exception):
    """The database does not answer just now; what was asked may be sent again."""

    code = "database_away"

    def __str__(self) -> str:
        return " ".join(self.args) or (self.__doc__ or "")


class NotADatabase(ValueError):
    """What was given as the database's address cannot be one."""


_AWAY = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    # What asyncpg says of a connection whose server died in the middle of an answer. A connection that two would use at
    # once is an InterfaceError.
    asyncpg.InternalClientError,
)


def engine_from(url: str | URL, *, pool_size: int = 10) -> AsyncEngine:
    """An engine on asyncpg for `postgresql://…` (or `postgres://…`, `postgresql+asyncpg://…`).

    `?statement_cache_size=0` in the address is honoured: an old pgbouncer between here and the database needs it.
    A connection lost while it was idle is not found out beforehand (a round trip for every transaction): it surfaces as
    DatabaseAway once, and the whole pool is renewed.
    """
    address = _address(url).set(drivername="postgresql+asyncpg")
    arguments: dict[str, Any] = {"timeout": CONNECT_S}
    if (size := address.query.get("statement_cache_size")) is not None:
        address = address.difference_update_query(["statement_cache_size"])
        arguments["statement_cache_size"] = int(str(size))
        if arguments["statement_cache_size"] == 0:
            address = address.update_query_dict({"prepared_statement_cache_size": "0"})
    return create_async_engine(
        address,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_S,
        connect_args=arguments,
        json_serializer=_to_json,
        json_deserializer=msgspec.json.decode,
    )


async def pool_from(url: str | URL, *, size: int = 4) -> asyncpg.Pool:
    """A pool of bare asyncpg connections, for the few statements that cannot afford more. Raises DatabaseAway."""
    with naming_loss(connecting=True):
        return await asyncpg.create_pool(
            plain(url), min_size=1, max_size=size, timeout=CONNECT_S, init=_prepare, server_settings={"jit": "off"}
        )


async def server_version(url: str | URL) -> int:
    """The server's version as a number, 180004 for 18.4. Raises DatabaseAway."""
    with naming_loss(connecting=True):
        connection = await asyncpg.connect(plain(url), timeout=CONNECT_S)
        try:
            return int(await connection.fetchval("show server_version_num"))
        finally:
            await connection.close()


def plain(url: str | URL) -> str:
    """The address as asyncpg and libpq read it."""
    return _address(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextlib.asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read from; whatever was written on it is rolled back. Raises DatabaseAway when it is lost."""
    with naming_loss():
        async with contextlib.AsyncExitStack() as stack:
            with naming_loss(connecting=True):
                connection = await stack.enter_async_context(engine.connect())
            yield connection


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction: committed at the end, rolled back on any exception. A lost connection is DatabaseAway.

    Who opened it closes it: nothing that is handed this connection commits or rolls back.
    """
    with naming_loss():
        async with contextlib.AsyncExitStack() as stack:
            with naming_loss(connecting=True):
                connection = await stack.enter_async_context(engine.begin())
            yield connection


@contextlib.contextmanager
def naming_loss(*, connecting: bool = False) -> Iterator[None]:
    """Turns the many ways in which a connection is lost into DatabaseAway.

    OSError counts only while `connecting`: within a transaction it might as well be about a file of the caller's.
    """
    try:
        yield
    except (DBAPIError, NoFreeConnection, *_AWAY) as error:
        if is_away(error):
            raise DatabaseAway from error
        raise
    except OSError as error:
        # The builtin TimeoutError is one, too.
        if connecting:
            raise DatabaseAway from error
        raise


def is_away(error: BaseException) -> bool:
    """Whether an error of SQLAlchemy or asyncpg means that the database, rather than the statement, is at fault."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig.__cause__ if error.orig is not None else None
        return isinstance(cause, _AWAY)
    return isinstance(error, (NoFreeConnection, DatabaseAway, *_AWAY))


def _address(url: str | URL) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        raise NotADatabase("The database's address must look like postgresql://user@host/name.") from None
    if address.drivername not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise NotADatabase(f'The database must be PostgreSQL; the address says "{address.drivername}".')
    return address


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )

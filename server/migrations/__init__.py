"""The schema's way from nothing to today: `upgrade` brings a database there, `state` says how far it is."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.util import await_only

from server.stores.db import engine_from, naming_loss, transaction

HERE = Path(__file__).parent
# Any number; the same for all who migrate, so that two of them never do it at once.
MIGRATION_LOCK = 7_305_101


@dataclass(frozen=True, slots=True)
class State:
    """Where a database's schema is, and where it should be; None: no migration has run."""

    current: str | None
    head: str | None

    @property
    def is_at_head(self) -> bool:
        return self.current == self.head


async def upgrade(url: str) -> State:
    """Brings the database to the newest schema, in one transaction; any number of processes may try at once.

    Raises DatabaseAway when the database does not answer.
    """
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
            return await connection.run_sync(_state)
    finally:
        await engine.dispose()


async def state(url: str) -> State:
    """How far the database's schema is. Raises DatabaseAway when the database does not answer."""
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as connection:
            return await connection.run_sync(_state)
    finally:
        await engine.dispose()


def run_script(connection: Connection, script: str) -> None:
    """Runs a file of many statements within the connection's transaction.

    SQLAlchemy prepares what it runs, and a prepared statement is only one; the driver's own `execute` takes them all.
    """
    with naming_loss():
        connection.execute(text("select 1"))  # the transaction begins with SQLAlchemy's first statement
        driver = connection.connection.driver_connection
        assert driver is not None
        await_only(driver.execute(script))


def config() -> Config:
    """alembic's configuration, without a file."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return settings


def _upgrade(connection: Connection) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def _state(connection: Connection) -> State:
    return State(
        current=MigrationContext.configure(connection).get_current_revision(),
        head=ScriptDirectory.from_config(config()).get_current_head(),
    )

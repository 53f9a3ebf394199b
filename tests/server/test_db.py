"""Laws of the way to the database: a transaction is whole, values come back as they went, and "away" is said by name."""

from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from server.ids import uuid7
from server.stores.db import (
    DatabaseAway,
    NotADatabase,
    engine_from,
    is_away,
    plain,
    pool_from,
    server_version,
    transaction,
)

NOWHERE = "postgresql:///x?host=/nowhere"
VALUE = {"中文": ["款", 1, 2.5, None, True], "empty": {}}


async def test_a_transaction_is_kept_whole_or_not_at_all(engine):
    async with transaction(engine) as connection:
        await connection.execute(sa.text("create table kept (n int primary key)"))

    async def write_and_fail() -> None:
        async with transaction(engine) as connection:
            await connection.execute(sa.text("insert into kept values (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with transaction(engine) as connection:
        assert await connection.scalar(sa.text("select count(*) from kept")) == 0


async def test_a_broken_law_is_not_taken_for_a_lost_database(engine):
    with pytest.raises(IntegrityError):
        async with transaction(engine) as connection:
            await connection.execute(sa.text("insert into alembic_version select * from alembic_version"))


async def test_an_error_about_a_file_of_the_callers_is_not_taken_for_a_lost_database(engine):
    with pytest.raises(FileNotFoundError):
        async with transaction(engine):
            raise FileNotFoundError("a picture")


async def test_json_and_ids_come_back_as_they_went_by_the_engine_and_by_the_pool(engine, database):
    identifier = uuid7()
    statement = sa.select(sa.bindparam("value", VALUE, JSONB), sa.bindparam("id", identifier, sa.Uuid))
    async with transaction(engine) as connection:
        assert tuple((await connection.execute(statement)).one()) == (VALUE, identifier)
    pool = await pool_from(database)
    async with pool:
        row = await pool.fetchrow("select $1::jsonb as value, $2::uuid as id", VALUE, identifier)
    assert row["value"] == VALUE
    assert isinstance(row["id"], UUID)
    assert row["id"] == identifier


async def test_a_database_that_is_not_there_is_away():
    engine = engine_from(NOWHERE)
    with pytest.raises(DatabaseAway):
        async with transaction(engine):
            raise AssertionError("there is no connection to be had")
    with pytest.raises(DatabaseAway):
        await pool_from(NOWHERE)
    with pytest.raises(DatabaseAway):
        await server_version(NOWHERE)
    await engine.dispose()


async def test_a_connection_that_is_cut_in_the_middle_is_away_and_the_next_transaction_is_not(engine):
    with pytest.raises(DatabaseAway):
        async with transaction(engine) as connection:
            await connection.execute(sa.text("select pg_terminate_backend(pg_backend_pid())"))
    async with transaction(engine) as connection:
        assert await connection.scalar(sa.text("select 1")) == 1


def test_a_connection_whose_server_died_in_the_middle_of_an_answer_is_away():
    """asyncpg calls it an error of its own; whoever asks again on a new connection is served."""
    assert is_away(asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"))
    assert not is_away(asyncpg.UniqueViolationError("a law of the database"))


async def test_an_old_pgbouncer_can_be_told_of_in_the_address(database):
    engine = engine_from(f"{database}&statement_cache_size=0", pool_size=1)
    async with transaction(engine) as connection:
        assert await connection.scalar(sa.text("select 1")) == 1
        assert await connection.scalar(sa.text("select count(*) from pg_prepared_statements")) <= 1
    await engine.dispose()


@pytest.mark.parametrize("address", ["nonsense", "", "mysql://somewhere/x", "sqlite:///file"])
def test_what_is_no_postgresql_is_refused_by_name(address):
    with pytest.raises(NotADatabase, match=r"The database.*"):
        engine_from(address)


def test_all_ways_to_write_an_address_mean_the_same():
    addresses = ["postgres://u:p%40@h/x", "postgresql://u:p%40@h/x", "postgresql+asyncpg://u:p%40@h/x"]
    assert {plain(address) for address in addresses} == {"postgresql://u:p%40@h/x"}


async def test_the_version_is_a_number(database):
    assert await server_version(database) >= 150_000

"""Server time decides: a machine whose clock is an hour wrong pays, releases and expires when everybody else does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rewards import ledger as books
from server.app import shell_of
from server.budget_desk import BudgetDesk
from server.clock import DatabaseClock
from server.jobs.release_blocks import ReleaseBlocks
from server.stores import health
from tests.server.books import TICKET_LIFE, Bookkeeping
from tests.server.builders import a_config

HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=5)
"""Much less than an hour, and much more than a busy machine needs for two statements."""


def machine(off: timedelta):
    """The clock of a machine that is wrong by so much."""
    return lambda: datetime.now(UTC) + off


async def database_time(engine) -> datetime:
    async with engine.connect() as conn:
        return await health.time_now(conn)


@pytest.mark.parametrize("off", [-HOUR, HOUR], ids=["slow", "fast"])
async def test_the_databases_clock_counts_and_not_the_machines(engine, off) -> None:
    clock = DatabaseClock(engine, machine=machine(off))
    await clock.refresh()
    before, read, after = await database_time(engine), clock(), clock()
    assert abs(read - before) < NEAR
    assert read <= after
    assert read.tzinfo is not None


async def test_the_service_goes_by_the_databases_clock(database: str, tmp_path: Path) -> None:
    async with shell_of(a_config(database, tmp_path)) as shell:
        assert isinstance(shell.clock, DatabaseClock)
        assert abs(shell.clock() - await database_time(shell.engine)) < NEAR


@pytest.mark.parametrize("off", [-HOUR, HOUR], ids=["slow", "fast"])
async def test_a_machine_that_is_an_hour_wrong_neither_lets_go_early_nor_takes_others_blocks(engine, off) -> None:
    """Its blocks lapse when everybody's do, and those of others are left to them until their last ticket has ended."""
    keeping = Bookkeeping(engine)
    test_id = await keeping.a_test(votes=1_000)
    wrong = DatabaseClock(engine, machine=machine(off))
    await wrong.refresh()
    keeping.clock.now = await database_time(engine)
    others = await keeping.a_block(test_id, wanted_g=500)
    desk = BudgetDesk(engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=wrong)
    await desk.ready([test_id])
    assert desk.offer(test_id, 10) is not None
    assert await ReleaseBlocks(engine).run(wrong()) == 0
    assert await keeping.balance(books.reservation(others.id)) == 500
    # By the time of the right machines nothing of the wrong one's is released early, and all of it in time.
    assert await ReleaseBlocks(engine).run(await database_time(engine)) == 0
    await wrong.refresh()
    assert await ReleaseBlocks(engine).run(others.releasable_at + NEAR) == 2
    assert await keeping.broken_laws() == {}


async def test_between_two_looks_the_clock_goes_on_by_itself_and_never_needs_the_machines(engine) -> None:
    clock = DatabaseClock(engine, machine=machine(timedelta(days=-400)))
    await clock.refresh()
    seen = [clock() for _ in range(1_000)]
    assert seen == sorted(seen)
    await engine.dispose()
    assert clock() >= seen[-1]

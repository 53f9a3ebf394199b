"""The server's own time: the database's, so that all processes of a deployment have one, whatever their machines say."""

import time
from datetime import datetime, timedelta

import structlog

from server.again import again
from server.ports import Clock, system_clock
from server.stores import health
from server.stores.db import AsyncEngine

log = structlog.get_logger()

POLL_S = 5.0
WRONG = timedelta(seconds=30)
"""From this difference on the machine's own clock is spoken of in the log."""


class DatabaseClock:
    """A clock that goes by the database's, looked at every few seconds, and by the time that has passed in between.

    Tickets are signed, blocks released and fertilizer expired by it. Were it each machine's own clock, one that is an
    hour wrong would sign tickets that outlive the grams that pay for them, and would take other processes' blocks back
    while their tickets can still be answered.
    """

    def __init__(self, engine: AsyncEngine, *, machine: Clock = system_clock) -> None:
        self._engine = engine
        self._machine = machine
        self._read: datetime | None = None
        self._read_at = 0.0
        self._told = False

    def __call__(self) -> datetime:
        """This moment. The first look must have succeeded."""
        assert self._read is not None, "the database was not asked yet"
        return self._read + timedelta(seconds=time.monotonic() - self._read_at)

    async def refresh(self) -> None:
        """Look at the database's clock. The answer is of some moment between asking and hearing: of their middle."""
        async with self._engine.connect() as conn:
            await health.time_now(conn)  # the first statement of a connection may wait; the second is the measure
            asked = time.monotonic()
            self._read, self._read_at = await health.time_now(conn), (asked + time.monotonic()) / 2
        off = self._machine() - self()
        if abs(off) >= WRONG and not self._told:
            log.warning("machine_clock_wrong", seconds=round(off.total_seconds()), advice="the database's time is used")
        self._told = abs(off) >= WRONG

    async def keep_fresh(self, every_s: float = POLL_S) -> None:
        """Look for ever; while the database is away the clock goes on by itself."""
        await again(self.refresh, what="clock", every_s=every_s)

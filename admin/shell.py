"""What the door's application runs on: the database, the vault, the clock; it deals nothing and holds no budget."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from admin.watching import Watching
from rewards.economy import DEFAULT, Economy
from server.clock import DatabaseClock
from server.config import Config
from server.edge.limits import Limiter, MemoryLimiter
from server.figures import Figures
from server.flows.quote_test import FlowCache
from server.metrics import Metrics
from server.ports import Clock, system_clock
from server.secrets import Vault, vault_of
from server.stores.db import AsyncEngine, engine_from


@dataclass(frozen=True, slots=True)
class AdminShell:
    """What handlers behind the door may use."""

    config: Config
    engine: AsyncEngine
    vault: Vault
    limiter: Limiter
    metrics: Metrics
    figures: Figures
    clock: Clock = system_clock
    flows: FlowCache = field(default_factory=FlowCache)
    watching: Watching = field(default_factory=Watching)

    @property
    def economy(self) -> Economy:
        """The figures that hold at this moment; ask again next time."""
        return self.figures.economy


@contextlib.asynccontextmanager
async def admin_shell(
    config: Config, *, clock: Clock | None = None, economy: Economy | None = None
) -> AsyncIterator[AdminShell]:
    """A shell on the configured database. Without a `clock` the database's time decides."""
    assert config.database_url, "the caller starts or names a database first"
    engine = engine_from(config.database_url, pool_size=10)
    figures = Figures(engine, default=economy or DEFAULT)
    tasks: list[asyncio.Task[None]] = []
    try:
        if clock is None:
            clock = shared = DatabaseClock(engine)
            await shared.refresh()
            tasks.append(asyncio.create_task(shared.keep_fresh(), name="clock"))
        await figures.refresh()
        tasks.append(asyncio.create_task(figures.keep_fresh(), name="figures"))
        yield AdminShell(config, engine, vault_of(config), MemoryLimiter(), Metrics(), figures, clock)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await engine.dispose()

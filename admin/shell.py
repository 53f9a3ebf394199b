"""What the door's application runs on: the database, the vault, the clock; it deals nothing and holds no budget."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from admin.watching import Watching
from rewards.economy import Economy
from server.config import Config
from server.edge.limits import Limiter, MemoryLimiter
from server.flows.quote_test import FlowCache
from server.metrics import Metrics
from server.ports import Clock, system_clock
from server.secrets import Vault
from server.stores.db import AsyncEngine, engine_from


@dataclass(frozen=True, slots=True)
class AdminShell:
    """What handlers behind the door may use."""

    config: Config
    engine: AsyncEngine
    vault: Vault
    limiter: Limiter
    metrics: Metrics
    economy: Economy
    clock: Clock = system_clock
    flows: FlowCache = field(default_factory=FlowCache)
    watching: Watching = field(default_factory=Watching)


@contextlib.asynccontextmanager
async def admin_shell(
    config: Config, *, clock: Clock = system_clock, economy: Economy | None = None
) -> AsyncIterator[AdminShell]:
    """A shell on the configured database."""
    assert config.database_url, "the caller starts or names a database first"
    engine = engine_from(config.database_url, pool_size=10)
    try:
        yield AdminShell(
            config, engine, Vault(config.vault_keys), MemoryLimiter(), Metrics(), economy or Economy(), clock
        )
    finally:
        await engine.dispose()

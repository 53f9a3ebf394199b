"""What the shell is made of: one value that holds what handlers may use, and the clock."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from rewards.economy import Economy
from server.budget_desk import BudgetDesk
from server.config import Config
from server.dealer import Dealer
from server.desk import Desk
from server.edge.limits import Limiter
from server.figures import Figures
from server.metrics import Metrics
from server.platforms import Platforms
from server.revocations import Revocations
from server.risk_desk import RiskDesk
from server.stores.db import AsyncEngine

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """This machine's clock. The running service goes by the database's (`server.clock`), and never by a phone's."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Shell:
    """What the players' application runs on."""

    config: Config
    engine: AsyncEngine
    borrow: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
    desk: Desk
    dealer: Dealer
    budget_desk: BudgetDesk
    limiter: Limiter
    revocations: Revocations
    metrics: Metrics
    figures: Figures
    risk_desk: RiskDesk
    platforms: Platforms = field(default_factory=Platforms)
    clock: Clock = system_clock

    @property
    def economy(self) -> Economy:
        """The figures that hold at this moment; ask again next time."""
        return self.figures.economy

"""The figures of the programme as this process knows them: those that were saved last, taken up while it runs."""

from collections.abc import Callable

from rewards.economy import DEFAULT, Economy
from server.again import again
from server.stores import farm
from server.stores.db import AsyncEngine, reading

POLL_S = 1.0

EconomyNow = Callable[[], Economy]
"""Asked anew each time: what is saved while something runs holds from the next time on."""


class Figures:
    """The economy that holds now. What an operator saves is known here after at most one poll, in every process.

    Nothing that was promised follows it: a tree keeps its terms, a test its rate, a ticket its offer.
    """

    def __init__(self, engine: AsyncEngine, *, default: Economy = DEFAULT) -> None:
        self._engine = engine
        self._default = default
        self._economy = default
        self._number: int | None = None

    @property
    def economy(self) -> Economy:
        """The economy as it was saved last, or the default where none was."""
        return self._economy

    async def refresh(self) -> None:
        """Read the economy where another one was saved."""
        async with reading(self._engine) as conn:
            number = await farm.economy_number(conn)
            if number != self._number:
                self._economy = await farm.current_economy(conn, default=self._default)
                self._number = number

    async def keep_fresh(self, every_s: float = POLL_S) -> None:
        """Refresh for ever; while the database is away the figures stay as they are."""
        await again(self.refresh, what="figures", every_s=every_s)

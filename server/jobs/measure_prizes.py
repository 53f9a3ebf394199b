"""Measure prizes: what all growing trees are worth in boxes and in money, for the page that sets it against stock."""

from datetime import datetime

from server.stores import stock
from server.stores.db import AsyncEngine, transaction


class MeasurePrizes:
    """The job, to be run every few minutes: it goes over all trees."""

    name = "measure_prizes"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Measure; returns 0, since nothing is left to do until the next time."""
        async with transaction(self._engine) as conn:
            await stock.measure_growing(conn, now=now)
        return 0

"""Forget old data: what is past the time for which it was kept is deleted or emptied, as docs/privacy.md promises."""

from datetime import datetime

from server.stores import personal
from server.stores.db import AsyncEngine, transaction


class ForgetOldData:
    """The job. Deleted is deleted: nothing of it is kept anywhere else."""

    name = "forget_old_data"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, now: datetime) -> int:
        """Delete what is past its time; returns 0, since the next hour comes by itself."""
        async with transaction(self._engine) as conn:
            await personal.forget_old(conn, now)
        return 0

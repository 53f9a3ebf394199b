"""Sessions that must be refused although their tokens are still good: polled, because tokens ask no database."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from server.again import again
from server.stores import players
from server.stores.db import AsyncEngine, reading

# Sessions live at most so long, so older revocations have no token left to refuse.
SESSION_LIFE = timedelta(days=30)


class Revocations:
    """The sessions revoked lately. A revocation on another process is known here after at most one poll."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._revoked: set[UUID] = set()
        self._since: datetime | None = None

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._revoked

    async def refresh(self, now: datetime) -> None:
        """Read what was revoked since the last look (with an overlap: clocks of processes differ)."""
        since = self._since - timedelta(seconds=60) if self._since else now - SESSION_LIFE
        async with reading(self._engine) as conn:
            self._revoked.update(await players.revoked_since(conn, since))
        self._since = now

    async def keep_fresh(self, clock: Callable[[], datetime], every_s: float = 2.0) -> None:
        """Refresh for ever."""
        await again(lambda: self.refresh(clock()), what="revocations", every_s=every_s)

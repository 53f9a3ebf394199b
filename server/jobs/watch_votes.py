"""Watch the votes: count the last minutes by test and by address block, for the dashboard, the alarms and Prometheus."""

from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from server.stores import watch
from server.stores.db import AsyncEngine, reading, transaction

WINDOW = timedelta(minutes=5)
VOTES_KEPT = timedelta(days=2)
ADDRESSES_KEPT = timedelta(hours=3)


def minute_of(moment: datetime) -> datetime:
    """The start of a moment's minute."""
    return moment.replace(second=0, microsecond=0)


class WatchVotes:
    """The job. The last minutes are counted anew each time, so that what review thinks of a voter meanwhile counts."""

    name = "watch_votes"

    def __init__(self, engine: AsyncEngine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._rate = Gauge(
            "xuankuan_votes_per_second", "Votes a second over the last whole minutes.", registry=registry
        )
        self._share = Gauge(
            "xuankuan_valid_share", "Share of the last minutes' votes that weigh something.", registry=registry
        )

    async def run(self, now: datetime) -> int:
        """Count the window and set the gauges; returns 0: the next minute comes by itself."""
        until = minute_of(now)
        since = until - WINDOW
        async with transaction(self._engine) as conn:
            await watch.count_minutes(conn, since=since, until=now)
            await watch.forget_minutes(conn, votes_before=since - VOTES_KEPT, addresses_before=since - ADDRESSES_KEPT)
        async with reading(self._engine) as conn:
            counted = await watch.counted(conn, since=since, until=until)
        self._rate.set(counted.votes / WINDOW.total_seconds())
        share = counted.permille
        self._share.set(float("nan") if share is None else share / 1000)
        return 0

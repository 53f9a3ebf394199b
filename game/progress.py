"""When a test will be done: votes still needed, by how fast they have come in lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LEAST_WINDOW = timedelta(minutes=1)
FARTHEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Progress:
    """Votes a day of late, and between which moments the end is forecast; None where that cannot be said."""

    votes_per_day: float | None
    done_low_at: datetime | None
    done_high_at: datetime | None


def votes_per_day(
    *, launched_at: datetime, first: tuple[datetime, int], last: tuple[datetime, int], now: datetime
) -> float | None:
    """Votes a day between two looks (moment, votes so far), or since the launch where these lie closer than a minute.

    Time in which nothing came counts: the window ends now. None where nothing came at all.
    """
    (since, before), (_, votes) = first, last
    if now - since < LEAST_WINDOW or votes <= before:
        since, before = launched_at, 0
    came, window = votes - before, max(now - since, LEAST_WINDOW)
    return came / (window / timedelta(days=1)) if came > 0 else None


def progress(per_day: float | None, votes_low: float | None, votes_high: float | None, *, now: datetime) -> Progress:
    """When so many more votes will have come in, at this pace."""

    def at(votes: float | None) -> datetime | None:
        if votes is None or not per_day:
            return None
        wait = timedelta(days=min(votes / per_day, FARTHEST / timedelta(days=1)))
        return now + wait if wait < FARTHEST else None

    return Progress(per_day, at(votes_low), at(votes_high))

"""The programme's calendar day: midnight to midnight in Beijing, whatever clock or zone the player's phone has."""

from datetime import UTC, date, datetime, time, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "UTC+08:00")  # one zone, no summer time since 1991: a fixed offset is exact


def day_of(now: datetime) -> date:
    """The programme day that an aware moment falls into."""
    assert now.tzinfo is not None, "moments are aware"
    return now.astimezone(BEIJING).date()


def day_starts_at(day: date) -> datetime:
    """The UTC moment at which a programme day begins."""
    return datetime.combine(day, time(), tzinfo=BEIJING).astimezone(UTC)


def day_ends_at(day: date) -> datetime:
    """The UTC moment at which a programme day is over (the first moment of the next)."""
    return day_starts_at(day + timedelta(days=1))

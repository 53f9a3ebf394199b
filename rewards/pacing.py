"""Pacing: spreading a budget over its days by throttling what is dealt, never what was promised.

A plan says, by weights of the hours of a day, how much should be spent until any moment. At the start of each hour
what is left is planned anew over what remains, so an hour without players is made up for over the rest of the time
and not by a flood at its end. Within the hour the gate opens as fast as the plan runs: an offer is dealt while what
is promised (paid, held, or on a live ticket) lies below the plan. An offer that nobody took falls out of what is
promised, and its grams are dealt again. Everything is whole grams and whole microseconds, by integer division.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rewards.days import BEIJING

EVENING_PEAK = (6, 3, 2, 1, 1, 2, 8, 20, 35, 40, 42, 45, 60, 55, 42, 40, 42, 50, 65, 85, 100, 95, 60, 25)
"""Weights of the 24 Beijing hours: a daily curve with a noon rise and an evening peak. Operators set their own."""

FLAT = (1,) * 24

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many grams between two moments, spread by the weights of the Beijing hours (none of them zero)."""

    starts_at: datetime
    ends_at: datetime
    budget_g: int
    hour_weights: tuple[int, ...] = EVENING_PEAK

    def __post_init__(self) -> None:
        assert self.starts_at < self.ends_at, "a plan takes time"
        assert len(self.hour_weights) == 24, "a weight for each hour"
        assert min(self.hour_weights) > 0, "no hour is closed"
        assert self.budget_g >= 0


def hour_of(moment: datetime) -> datetime:
    """The start of the hour that a moment falls into (Beijing hours are UTC hours)."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _weight(plan: Plan, begins: datetime, ends: datetime) -> int:
    """The weight of a span of time: each hour's weight times the microseconds of it that lie in the span."""
    begins, ends = max(begins, plan.starts_at), min(ends, plan.ends_at)
    # Whole days first: whenever a day begins, it has each hour's weight once.
    days = max(0, (ends - begins) // _DAY)
    total, cursor = days * sum(plan.hour_weights) * (_HOUR // _MICROSECOND), begins + days * _DAY
    while cursor < ends:
        until = min(hour_of(cursor) + _HOUR, ends)
        total += plan.hour_weights[cursor.astimezone(BEIJING).hour] * ((until - cursor) // _MICROSECOND)
        cursor = until
    return total


def planned_g(plan: Plan, now: datetime) -> int:
    """What should be spent until now if every hour keeps to the plan; never more than the budget."""
    if now <= plan.starts_at:
        return 0
    if now >= plan.ends_at:
        return plan.budget_g
    done = _weight(plan, plan.starts_at, now)
    return plan.budget_g * done // _weight(plan, plan.starts_at, plan.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One hour of a plan as it was made at the hour's start: from what was promised then to what may be by its end."""

    begins_at: datetime
    ends_at: datetime
    promised_at_start_g: int
    target_g: int
    budget_g: int


def pace(plan: Plan, *, promised_g: int, now: datetime) -> Pace:
    """The pace of the hour that `now` lies in: its share of all that is not promised yet.

    Made once an hour by the pacing job, and once when a process starts; `promised_g` is what is paid, held or live.
    """
    begins_at = max(now, plan.starts_at)
    ends_at = min(hour_of(begins_at) + _HOUR, plan.ends_at)
    rest_g = max(0, plan.budget_g - promised_g)
    if begins_at >= plan.ends_at:
        # Past its end a plan holds nothing back: what is left was not wanted before, and the test is about to stop.
        return Pace(
            begins_at=begins_at,
            ends_at=begins_at,
            promised_at_start_g=promised_g,
            target_g=rest_g,
            budget_g=plan.budget_g,
        )
    whole = _weight(plan, begins_at, plan.ends_at)
    target_g = rest_g * _weight(plan, begins_at, ends_at) // whole
    return Pace(
        begins_at=begins_at, ends_at=ends_at, promised_at_start_g=promised_g, target_g=target_g, budget_g=plan.budget_g
    )


def allowance_g(current: Pace, *, promised_g: int, now: datetime, ahead: timedelta = timedelta(seconds=30)) -> int:
    """How many more grams may be offered at this moment. 0 closes the gate for a while; it takes back nothing.

    `ahead` lets the gate run a little before the plan, so that a round of five is not dealt in crumbs. A clock that
    was set back closes the gate until the hour begins; after the hour the whole target is open, and no more.
    """
    if now < current.begins_at:
        return 0
    span = (current.ends_at - current.begins_at) // _MICROSECOND
    passed = min(span, (now + ahead - current.begins_at) // _MICROSECOND)
    open_g = current.target_g * passed // span if span else current.target_g
    ceiling_g = min(current.promised_at_start_g + open_g, current.budget_g)
    return max(0, ceiling_g - promised_g)


def likely_g(live_g: int, *, taken_g: int, ran_out_g: int) -> int:
    """How many grams of live offers will be taken, at the share of earlier ones that were; all of them at the start.

    Did the gate count an offer in full until it has run out, each hour would fall short by the offers that nobody takes.
    """
    return live_g * taken_g // (taken_g + ran_out_g) if taken_g + ran_out_g else live_g


def deal_permille(current: Pace, *, promised_g: int, asked_g: int, interval: timedelta, now: datetime) -> int:
    """The share, in permille, of asked-for offers to make in the next interval: the gate for many processes at once.

    They cannot share one count of every offer without sharing a row, but they can share this number. `asked_g` is
    what players would have been offered in the last interval had the gate been open; with nothing asked it is open.
    """
    room_g = allowance_g(current, promised_g=promised_g, now=now, ahead=interval)
    return min(1000, room_g * 1000 // asked_g) if asked_g else 1000


@dataclass(slots=True)
class PromisedBook:
    """What one process knows to be promised: live offers that become votes, or fall out when their ticket expires.

    Its own count of offers, for the gate only: money never depends on it, since the block bounds all offers.
    """

    kept_g: int = 0
    live_g: int = 0
    _live: dict[object, tuple[datetime, int]] = field(default_factory=dict)

    def offered(self, key: object, amount_g: int, *, expires_at: datetime) -> None:
        self._live[key] = (expires_at, amount_g)
        self.live_g += amount_g

    def answered(self, key: object) -> None:
        """The offer became a grant. An answer to an offer of another process is none of this book's."""
        live = self._live.pop(key, None)
        if live is not None:
            self.kept_g += live[1]
            self.live_g -= live[1]

    def promised_g(self, now: datetime) -> int:
        """Kept and live grams. Offers are forgotten in the order in which they were made, which is that of expiry."""
        while self._live:
            key, (expires_at, amount_g) = next(iter(self._live.items()))
            if expires_at > now:
                break
            del self._live[key]
            self.live_g -= amount_g
        return self.kept_g + self.live_g


def planned_curve(plan: Plan, *, most: int = 200) -> list[tuple[datetime, int]]:
    """The plan as it is drawn: (moment, grams planned until then) from its start to its end, at most `most` + 2 points.

    The same numbers as `planned_g`, in one pass over the plan's hours.
    """
    hours = (plan.ends_at - plan.starts_at) // _HOUR + 1
    step = _HOUR * -(-hours // most)
    whole = _weight(plan, plan.starts_at, plan.ends_at)
    points, cursor, done = [(plan.starts_at, 0)], plan.starts_at, 0
    until = hour_of(plan.starts_at) + step
    while until < plan.ends_at:
        done += _weight(plan, cursor, until)
        points.append((until, plan.budget_g * done // whole))
        cursor, until = until, until + step
    return [*points, (plan.ends_at, plan.budget_g)]

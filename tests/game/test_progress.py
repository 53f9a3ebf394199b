"""Laws of the forecast in days: it follows what came of late, counts quiet time, and does not promise what it cannot."""

from datetime import UTC, datetime, timedelta

from game.progress import progress, votes_per_day

LAUNCH = datetime(2026, 5, 1, 8, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return LAUNCH + timedelta(minutes=minutes)


def test_what_came_of_late_counts_and_quiet_time_with_it():
    """60 votes in the last hour are 1 440 a day, whatever came before; an hour of silence after it halves that."""
    first, last = (at(600), 5000), (at(660), 5060)
    assert votes_per_day(launched_at=LAUNCH, first=first, last=last, now=at(660)) == 1440
    assert votes_per_day(launched_at=LAUNCH, first=first, last=last, now=at(720)) == 720


def test_looks_that_lie_too_close_leave_it_to_the_whole_test():
    """Ten seconds are no sample: then the launch is where counting begins; without votes there is no pace."""
    close = votes_per_day(launched_at=LAUNCH, first=(at(59.9), 90), last=(at(60), 100), now=at(60))
    assert close == 2400
    assert votes_per_day(launched_at=LAUNCH, first=(at(60), 0), last=(at(60), 0), now=at(60)) is None


def test_the_end_is_as_far_as_the_votes_at_that_pace():
    """1 000 to 3 000 votes at 1 000 a day are one to three days; unknown votes or no pace give no moment."""
    told = progress(1000.0, 1000, 3000, now=LAUNCH)
    assert (told.done_low_at, told.done_high_at) == (LAUNCH + timedelta(days=1), LAUNCH + timedelta(days=3))
    assert progress(1000.0, 1000, None, now=LAUNCH).done_high_at is None
    assert progress(None, 1000, 3000, now=LAUNCH).done_low_at is None
    assert progress(0.001, 1000, 10**9, now=LAUNCH).done_high_at is None, "farther than anybody plans"

"""When play looks wrong: fewer valid votes, a test or an address that votes far more than it used to, a late refit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayThresholds:
    """From where on somebody is told. Shares are permille, windows are seconds; operators change them as data."""

    valid_share_least_votes: int = 100
    valid_share_fall_permille: int = 100
    valid_share_floor_permille: int = 700
    test_rate_least_votes: int = 200
    test_rate_times: int = 5
    test_rate_after_launch_s: int = 1800
    address_rate_least_votes: int = 100
    address_rate_times: int = 5
    refit_late_s: int = 60


@dataclass(frozen=True, slots=True)
class Counted:
    """Votes of some stretch of time, and how many of them came from players whose votes weigh something."""

    votes: int
    valid: int

    @property
    def permille(self) -> int | None:
        """The valid share, None where nobody voted."""
        return self.valid * 1000 // self.votes if self.votes else None


def valid_share_falls(lately: Counted, usually: Counted, thresholds: PlayThresholds) -> bool:
    """Whether the valid share of `lately` is under the floor, or far under what it usually is.

    Few votes say nothing: under the least number of them nothing sounds, and what is usual needs as many.
    """
    if lately.votes < thresholds.valid_share_least_votes:
        return False
    share = lately.permille
    assert share is not None
    if share < thresholds.valid_share_floor_permille:
        return True
    usual = usually.permille
    return (
        usual is not None
        and usually.votes >= thresholds.valid_share_least_votes
        and share < usual - thresholds.valid_share_fall_permille
    )


def votes_of_test_jump(*, votes: int, usual_votes: float, launched_s_ago: float, thresholds: PlayThresholds) -> bool:
    """Whether a test gets several times the votes that it got in windows before; a new test has nothing to compare."""
    return (
        launched_s_ago >= thresholds.test_rate_after_launch_s
        and votes >= thresholds.test_rate_least_votes
        and votes >= thresholds.test_rate_times * usual_votes
    )


def votes_of_address_jump(*, votes: int, usual_votes: float, thresholds: PlayThresholds) -> bool:
    """Whether an address block sends several times the votes that it sent in windows before (none, if it is new)."""
    return votes >= thresholds.address_rate_least_votes and votes >= thresholds.address_rate_times * usual_votes


def refit_is_late(waiting_s: float, thresholds: PlayThresholds) -> bool:
    """Whether the oldest vote that no snapshot holds has waited for too long."""
    return waiting_s > thresholds.refit_late_s

"""Laws of the alarms of play: few votes say nothing, what is usual is what counts, and a new test is not a jump."""

from hypothesis import given
from hypothesis import strategies as st

from game.alarms import (
    Counted,
    PlayThresholds,
    refit_is_late,
    valid_share_falls,
    votes_of_address_jump,
    votes_of_test_jump,
)

T = PlayThresholds()
USUAL = Counted(10_000, 9_500)


def test_a_share_far_under_what_is_usual_sounds_and_one_a_little_under_does_not():
    assert valid_share_falls(Counted(1_000, 840), USUAL, T)
    assert not valid_share_falls(Counted(1_000, 860), USUAL, T)


def test_a_share_under_the_floor_sounds_with_nothing_to_compare():
    assert valid_share_falls(Counted(1_000, 690), Counted(0, 0), T)
    assert not valid_share_falls(Counted(1_000, 710), Counted(0, 0), T)


@given(st.integers(0, T.valid_share_least_votes - 1), st.data())
def test_few_votes_say_nothing_of_their_share(votes, data):
    valid = data.draw(st.integers(0, votes))
    assert not valid_share_falls(Counted(votes, valid), USUAL, T)


@given(st.integers(0, 10_000), st.floats(0, 10_000))
def test_more_votes_never_silence_a_jump(votes, usual):
    def jumps(many: int) -> bool:
        return votes_of_test_jump(votes=many, usual_votes=usual, launched_s_ago=86_400, thresholds=T)

    assert jumps(votes + 1) or not jumps(votes)


def test_a_test_that_was_just_launched_has_nothing_to_jump_from():
    assert not votes_of_test_jump(votes=9_000, usual_votes=0, launched_s_ago=600, thresholds=T)
    assert votes_of_test_jump(votes=9_000, usual_votes=0, launched_s_ago=3_600, thresholds=T)


def test_a_busy_office_that_is_always_busy_does_not_jump():
    assert not votes_of_address_jump(votes=400, usual_votes=390, thresholds=T)
    assert votes_of_address_jump(votes=400, usual_votes=20, thresholds=T)


def test_a_refit_is_late_after_a_minute():
    assert not refit_is_late(60.0, T)
    assert refit_is_late(60.1, T)

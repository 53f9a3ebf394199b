"""Laws of what is shown of a running test: in steps, rounded, and never less exact than it must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.holding import changed_note, holding_note
from game.showing import GROWS_AT, STEP_VOTES, rounded, shown_from


@given(st.integers(0, 10**7))
def test_estimates_lag_by_less_than_a_step_and_never_lead(votes: int) -> None:
    """At most a twentieth of the votes, or twenty of them; and who was shown more is never shown less again."""
    shown = shown_from(votes)
    assert 0 <= shown <= votes
    assert votes - shown < max(STEP_VOTES, votes / (GROWS_AT / 2))
    assert shown_from(votes + 1) >= shown


@given(st.integers(STEP_VOTES, 10**6))
def test_one_vote_hardly_ever_moves_what_is_shown(votes: int) -> None:
    """Of any twenty votes in a row at most one moves the estimates, and it moves them together with the others."""
    moves = sum(shown_from(each + 1) != shown_from(each) for each in range(votes, votes + STEP_VOTES - 1))
    assert moves <= 1


def test_a_running_test_shows_two_digits_and_keeps_its_words() -> None:
    item = {"name": "云", "strength": 0.123456, "standard_error": 0.3333, "low": -0.5051, "high": 0.75149, "rank": 1,
            "share": 0.123456, "share_low": 0.1, "share_high": 0.2, "p_best": 0.98765, "p_top": 0.99999}  # fmt: skip
    document = {
        "items": [item], "segments": {"青年": {"votes": 3, "items": [item]}}, "weightless_votes": 37,
        "decision": {"probability": 0.912345, "reason": "open"}, "status": "collecting",
    }  # fmt: skip
    shown = rounded(document)
    for one in (shown["items"][0], shown["segments"]["青年"]["items"][0]):
        assert (one["strength"], one["low"], one["high"], one["share"]) == (0.12, -0.51, 0.75, 0.123)
        assert one["name"] == "云"
    assert shown["decision"] == {"probability": 0.912, "reason": "open"}
    assert shown["weightless_votes"] == 30
    assert document["items"][0]["strength"] == pytest.approx(0.123456), "the snapshot itself is left as it is"
    assert rounded({"items": [], "status": "no_data"}) == {"items": [], "status": "no_data"}


def test_what_still_stands_is_said_in_both_languages() -> None:
    assert "5%" in holding_note(holds=True, share=0.05, share_to_flip=0.2).zh
    fragile = holding_note(holds=False, share=0.05, share_to_flip=0.031)
    assert "3.1%" in fragile.zh
    assert "3.1 %" in fragile.en
    changed = changed_note(["云朵裙"], ["星空裙"])
    for words in (changed.zh, changed.en):
        assert "云朵裙" in words
        assert "星空裙" in words

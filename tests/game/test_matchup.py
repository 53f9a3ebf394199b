"""Laws of tickets: what is signed reads back, what was touched is refused, and time and owner decide the rest."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from game.errors import (
    ChoiceUnknown,
    TicketExpired,
    TicketForeign,
    TicketForged,
    TicketMalformed,
    TicketOfAnotherSession,
)
from game.judging import MAX_TOOK_MS, Answer, vote_from
from game.matchup import Choice, Matchup, check, choice_from, device_tag, read, sign

KEYS = {1: b"a key that is long enough to sign", 2: b"the key that came after the first"}
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def a_matchup(**fields: object) -> Matchup:
    given = {
        "matchup_id": UUID(int=1),
        "player_id": UUID(int=2),
        "test_id": UUID(int=3),
        "block_id": UUID(int=4),
        "left": 0,
        "right": 1,
        "offer_g": 10,
        "dealt_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
        "device": device_tag("a phone"),
        **fields,
    }
    return Matchup(**given)  # type: ignore[arg-type]


matchups = st.builds(
    a_matchup,
    matchup_id=st.uuids(),
    player_id=st.uuids(),
    left=st.integers(0, 65535),
    right=st.integers(0, 65535),
    offer_g=st.integers(0, 65535),
    segment=st.integers(0, 255),
    explored=st.booleans(),
    probe=st.booleans(),
    snapshot=st.integers(0, 2**32 - 1),
)


@given(matchups)
def test_a_ticket_reads_back_to_its_matchup(matchup: Matchup) -> None:
    """Nothing that was signed is lost or changed."""
    assert read(sign(matchup, KEYS), KEYS) == matchup


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_ticket_can_be_changed(place: int, flip: int) -> None:
    """Whatever character is changed, the ticket is forged or unreadable, never another matchup."""
    ticket = sign(a_matchup(), KEYS)
    place %= len(ticket)
    changed = ticket[:place] + chr((ord(ticket[place]) ^ flip) & 0x7F) + ticket[place + 1 :]
    try:
        assert read(changed, KEYS) == a_matchup()
    except (TicketForged, TicketMalformed):
        return


@given(st.text())
def test_any_text_is_a_ticket_or_a_named_refusal(text: str) -> None:
    """No input makes a traceback."""
    with pytest.raises((TicketForged, TicketMalformed)):
        read(text, KEYS)


def test_an_old_key_still_reads_what_it_signed() -> None:
    """Keys rotate while tickets are out; a key that is gone reads nothing any more."""
    ticket = sign(a_matchup(), {1: KEYS[1]})
    assert read(ticket, KEYS) == a_matchup()
    with pytest.raises(TicketForged):
        read(ticket, {2: KEYS[2]})


def test_a_ticket_is_good_until_its_last_second() -> None:
    """One second later it is not."""
    last = a_matchup().expires_at
    check(a_matchup(), player_id=UUID(int=2), device=device_tag("a phone"), now=last)
    with pytest.raises(TicketExpired, match="ask for a new round"):
        check(a_matchup(), player_id=UUID(int=2), device=device_tag("a phone"), now=last + timedelta(seconds=1))


def test_a_ticket_belongs_to_one_player_and_one_device() -> None:
    """Whose it is comes first: a finder learns nothing else."""
    with pytest.raises(TicketForeign):
        check(a_matchup(), player_id=UUID(int=9), device=device_tag("a phone"), now=NOW)
    with pytest.raises(TicketOfAnotherSession):
        check(a_matchup(), player_id=UUID(int=2), device=device_tag("another"), now=NOW)


@given(st.integers(-(10**12), 10**12))
def test_a_strange_response_time_is_brought_into_range(took_ms: int) -> None:
    """A phone with a broken clock still belongs to an honest player."""
    vote = vote_from(
        Answer(sign(a_matchup(), KEYS), "left", took_ms),
        keys=KEYS,
        player_id=UUID(int=2),
        device=device_tag("a phone"),
        now=NOW,
    )
    assert 0 <= vote.took_ms <= MAX_TOOK_MS


def test_choices_have_words() -> None:
    """Each word is one choice; any other is refused by name."""
    assert [choice_from(choice.word) for choice in Choice] == list(Choice)
    with pytest.raises(ChoiceUnknown, match="both"):
        choice_from("both")

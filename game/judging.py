"""A choice becomes a vote: what is put on record, and whether it counts for the ranking."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from game.errors import PictureUnclear
from game.matchup import Choice, Matchup, check, choice_from, read

MAX_TOOK_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client sends for one ticket. `took_ms`: from both pictures visible to the tap, as the client measured."""

    ticket: str
    choice: str
    took_ms: int = 0
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """A choice on record. Appended once, never changed; its weight is an opinion that lives elsewhere."""

    matchup: Matchup
    choice: Choice
    took_ms: int
    answered_at: datetime
    why: tuple[str, ...] = ()


def vote_from(answer: Answer, *, keys: Mapping[int, bytes], player_id: UUID, device: bytes, now: datetime) -> Vote:
    """The vote that an answer makes.

    Raises TicketMalformed, TicketForged, TicketForeign, TicketOfAnotherSession, TicketExpired, ChoiceUnknown or
    PictureUnclear. A strange `took_ms` is brought into range rather than refused: a phone with a broken clock still
    belongs to an honest player, and speed is weighed by abuse review, not here.
    """
    choice = choice_from(answer.choice)
    matchup = read(answer.ticket, keys)
    check(matchup, player_id=player_id, device=device, now=now)
    if choice is Choice.UNCLEAR:
        raise PictureUnclear
    return Vote(matchup, choice, max(0, min(answer.took_ms, MAX_TOOK_MS)), now, answer.why)

"""Cast votes: check the tickets, put what is new on record with its grant, and give every answer its receipt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from game.errors import AnsweredDifferently, GameRefusal, PlayerGone, TicketExpired, TicketOfAnotherSession
from game.judging import Answer, Vote, vote_from
from game.matchup import Choice, Matchup, choice_from, read
from server.desk import Desk, Outcome
from server.stores.grants import Fertilizer


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an answer came to. `refusal` says why it was refused; `matchup` is None where the ticket is unreadable."""

    matchup: Matchup | None
    status: str
    grant_g: int = 0
    refusal: GameRefusal | None = None


async def cast_votes(
    desk: Desk,
    answers: Sequence[Answer],
    *,
    keys: Mapping[int, bytes],
    player_id: UUID,
    device: bytes,
    now: datetime,
) -> tuple[list[Receipt], Fertilizer]:
    """Record a player's answers; returns a receipt for each, in order, and the player's fertilizer.

    Answers may come in any order, late, and more than once: an answer that is on record already gets the receipt that
    it got before, also when its ticket has expired meanwhile (the phone may never have seen the first receipt).
    """
    judged = [_judge(answer, keys, player_id, device, now) for answer in answers]
    outcomes, purse = await desk.submit(player_id, [vote for vote in judged if isinstance(vote, Vote)])
    late = {
        receipt.matchup.matchup_id
        for receipt in judged
        if isinstance(receipt, Receipt) and receipt.matchup and isinstance(receipt.refusal, _MAY_BE_ON_RECORD)
    }
    recalled = await desk.recall(player_id, sorted(late)) if late else {}
    in_order = iter(outcomes)
    receipts = []
    for answer, entry in zip(answers, judged, strict=True):
        if isinstance(entry, Vote):
            receipts.append(_receipt(entry.matchup, entry.choice, next(in_order)))
        elif entry.matchup and entry.matchup.matchup_id in recalled:
            receipts.append(_receipt(entry.matchup, choice_from(answer.choice), recalled[entry.matchup.matchup_id]))
        else:
            receipts.append(entry)
    return receipts, purse


# Refusals of a ticket that was good once: what was recorded then must be acknowledged for ever.
_MAY_BE_ON_RECORD = (TicketExpired, TicketOfAnotherSession)


def _judge(answer: Answer, keys: Mapping[int, bytes], player_id: UUID, device: bytes, now: datetime) -> Vote | Receipt:
    """The vote of an answer, or the receipt of its refusal."""
    try:
        return vote_from(answer, keys=keys, player_id=player_id, device=device, now=now)
    except GameRefusal as error:
        try:
            matchup = read(answer.ticket, keys)
        except GameRefusal:
            matchup = None
        # A ticket of somebody else's tells its finder nothing, not even its number.
        owned = matchup if matchup and matchup.player_id == player_id else None
        return Receipt(owned, "refused", refusal=error)


def _receipt(matchup: Matchup, choice: Choice, outcome: Outcome) -> Receipt:
    """The receipt of a vote that is on record, or that could not be recorded because its player is gone."""
    if outcome.new:
        return Receipt(matchup, "counted", outcome.grant_g)
    if outcome.choice is None:
        return Receipt(matchup, "refused", refusal=PlayerGone())
    if outcome.choice == choice:
        return Receipt(matchup, "repeated", outcome.grant_g)
    return Receipt(matchup, "refused", refusal=AnsweredDifferently(recorded=Choice(outcome.choice).word))

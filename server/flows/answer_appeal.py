"""Answer an appeal: the player is restored, or told why not; both with words that he can read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from game import standing as rules
from game.errors import AppealAnswered
from game.standing import CaseState, Outcome
from rewards.economy import Economy
from server.flows.conclude_player import conclude_player
from server.flows.restore_player import restore_player
from server.stores import audit, cases, standings
from server.stores.cases import Appeal
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class AnsweredAppeal:
    """The appeal with its answer, and the grams that came back."""

    appeal: Appeal
    restored_g: int


async def answer_appeal(
    conn: AsyncConnection,
    appeal_id: UUID,
    outcome: Outcome,
    *,
    answer: str,
    who: str,
    economy: Economy,
    now: datetime,
    request_id: str = "",
) -> AnsweredAppeal | None:
    """Answer; None where there is no such appeal. Raises AppealAnswered.

    Lifting restores this player alone and closes the cases that are about nobody else. Upholding is a person's ruling,
    which binds review as well.
    """
    appeal = await cases.find_appeal(conn, appeal_id, lock=True)
    if appeal is None:
        return None
    if appeal.state is not CaseState.OPEN:
        raise AppealAnswered(state=appeal.state.value)
    restored_g = 0
    known = (await standings.known_of(conn, [appeal.player_id])).get(appeal.player_id)
    if outcome is Outcome.LIFTED:
        back = await restore_player(
            conn,
            appeal.player_id,
            who=who,
            why=answer,
            case_id=appeal.case_id,
            economy=economy,
            now=now,
            request_id=request_id,
        )
        restored_g = sum(award.amount_g for award in back)
    elif known is not None and known.opinion.standing == "muted":
        await conclude_player(
            conn,
            known,
            rules.ruled(outcome, known.opinion, known.opinion.reasons),
            who=who,
            case_id=appeal.case_id,
            why=answer,
            economy=economy,
            now=now,
            request_id=request_id,
        )
    for case in await cases.of_player(conn, appeal.player_id):
        alone = case.player_ids == (appeal.player_id,)
        if alone and (case.state is CaseState.OPEN or (case.state is CaseState.UPHELD and outcome is Outcome.LIFTED)):
            await cases.write_judgement(
                conn, case.case_id, rules.judged(case.state, outcome), who=who, note=answer, now=now
            )
    await cases.write_answer(conn, appeal_id, outcome, answer=answer, who=who, now=now)
    await audit.write(
        conn,
        who=who,
        what=f"appeal.{outcome.value}",
        object_id=appeal_id,
        before={"state": appeal.state.value},
        after={"state": outcome.value, "player_id": str(appeal.player_id), "restored_g": restored_g},
        why=answer,
        now=now,
        request_id=request_id,
    )
    answered = await cases.find_appeal(conn, appeal_id)
    assert answered is not None
    return AnsweredAppeal(answered, restored_g)

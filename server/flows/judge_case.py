"""Judge a case: a person lifts the sanction, or upholds it; either binds review from then on."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from game import standing as rules
from game.errors import CaseClosed
from game.standing import CaseState, Outcome
from rewards.economy import Economy
from server.flows.conclude_player import conclude_player
from server.flows.restore_player import restore_player
from server.stores import audit, cases, standings
from server.stores.cases import Case
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Judgement:
    """The case as it ended, and the grams that came back to its players."""

    case: Case
    restored_g: int


async def judge_case(
    conn: AsyncConnection,
    case_id: UUID,
    outcome: Outcome,
    *,
    who: str,
    note: str,
    economy: Economy,
    now: datetime,
    request_id: str = "",
    seen: CaseState | None = None,
) -> Judgement | None:
    """Judge all players of a case; None where there is no such case.

    Raises CaseClosed, also when the case is not in the state in which its judge has `seen` it: somebody was quicker.

    In a group only those whom review suspects are muted: a person who upholds the case of ten accounts has not said that
    the cousin among them cheats. Settled grams are not touched here; see `server.flows.reverse_payments`.
    """
    case = await cases.find(conn, case_id, lock=True)
    if case is None:
        return None
    if seen is not None and case.state is not seen:
        raise CaseClosed(state=case.state.value)
    state = rules.judged(case.state, outcome)
    restored_g = 0
    known = await standings.known_of(conn, case.player_ids)
    for player_id, one in sorted(known.items()):
        if outcome is Outcome.LIFTED:
            back = await restore_player(
                conn, player_id, who=who, why=note, case_id=case_id, economy=economy, now=now, request_id=request_id
            )
            restored_g += sum(award.amount_g for award in back)
        elif case.kind != "group" or one.opinion.standing != "trusted":
            await conclude_player(
                conn,
                one,
                rules.ruled(outcome, one.opinion, case.reasons),
                who=who,
                case_id=case_id,
                why=note,
                economy=economy,
                now=now,
                request_id=request_id,
            )
    await cases.write_judgement(conn, case_id, state, who=who, note=note, now=now)
    await audit.write(
        conn,
        who=who,
        what=f"case.{outcome.value}",
        object_id=case_id,
        before={"state": case.state.value},
        after={"state": state.value, "restored_g": restored_g},
        why=note,
        now=now,
        request_id=request_id,
    )
    judged = await cases.find(conn, case_id)
    assert judged is not None
    return Judgement(judged, restored_g)

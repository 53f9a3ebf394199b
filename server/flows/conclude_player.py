"""Conclude a player: put the new opinion on record with its reasons, and let it take effect on what is still held."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from game.standing import Opinion
from rewards import grants as rules
from rewards.economy import Economy
from rewards.grants import VoidReason
from server.flows.void_grants import void_grants
from server.stores import audit, grants, standings
from server.stores.db import AsyncConnection
from server.stores.standings import Known


@dataclass(frozen=True, slots=True)
class Concluded:
    """The verdict's number, and the grams of held grants that were voided with it."""

    verdict_no: int
    voided_g: int


def hold_s_of(standing: str, vetted_votes: int, economy: Economy) -> int:
    """How long grants of a player with this standing and so many vetted votes are held."""
    return int(rules.hold_duration(rules.hold_class(standing, vetted_votes, economy), economy).total_seconds())


async def conclude_player(
    conn: AsyncConnection,
    known: Known,
    opinion: Opinion,
    *,
    who: str,
    economy: Economy,
    now: datetime,
    votes: int = 0,
    evidence: Mapping[str, Any] | None = None,
    case_id: UUID | None = None,
    why: str = "",
    request_id: str = "",
) -> Concluded:
    """Write the verdict; held grants wait anew by it, and those of a muted player are voided with the reason.

    Votes stay as they are, and so does what was settled: rankings change at the next refit, which looks weights up.
    """
    hold_s = hold_s_of(opinion.standing, known.vetted_votes, economy)
    number = await standings.record(
        conn,
        known.player_id,
        opinion,
        who=who,
        hold_s=hold_s,
        votes=votes,
        evidence=evidence,
        case_id=case_id,
        now=now,
    )
    voided_g = 0
    if opinion.standing == "muted":
        voided_g = (await void_grants(conn, player_id=known.player_id, reason=VoidReason.ABUSE, now=now)).amount_g
    else:
        await grants.rehold(conn, known.player_id, hold_s=hold_s)
    if opinion.standing != known.opinion.standing or who != standings.REVIEW:
        await audit.write(
            conn,
            who=who,
            what=f"player.{opinion.standing}",
            object_id=known.player_id,
            before={"standing": known.opinion.standing, "weight": known.opinion.weight},
            after={
                "standing": opinion.standing,
                "weight": opinion.weight,
                "reasons": list(opinion.reasons),
                "verdict_no": number,
                "voided_g": voided_g,
            },
            why=why,
            now=now,
            request_id=request_id,
        )
    return Concluded(number, voided_g)

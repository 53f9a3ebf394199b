"""Restore a player: clear the standing, and give back what review took or kept, each grant once."""

from datetime import datetime
from uuid import UUID

from game.standing import CLEARED, Opinion
from rewards.economy import Economy
from rewards.kinds import Award
from rewards.kinds.restored import RESTORED
from server.flows.conclude_player import conclude_player
from server.flows.pay_awards import pay_awards
from server.stores import cases, standings
from server.stores.db import AsyncConnection


async def restore_player(
    conn: AsyncConnection,
    player_id: UUID,
    *,
    who: str,
    why: str,
    economy: Economy,
    now: datetime,
    opinion: Opinion = CLEARED,
    case_id: UUID | None = None,
    request_id: str = "",
) -> list[Award]:
    """Clear a player and re-issue his grams through the books; returns the awards that are new.

    Every voided or reversed grant comes back as an award named by the grant, so that however many appeals there are it
    comes back once. What the programme's budget does not have today is owed and paid later. Nothing happens to a player
    who is gone.
    """
    known = (await standings.known_of(conn, [player_id])).get(player_id)
    if known is None:
        return []
    await conclude_player(
        conn, known, opinion, who=who, economy=economy, case_id=case_id, why=why, request_id=request_id, now=now
    )
    taken = await cases.taken_from(conn, player_id)
    awards = [RESTORED.award(player_id=player_id, grant_id=each.grant_id, amount_g=each.amount_g) for each in taken]
    return await pay_awards(conn, awards, economy=economy, now=now)

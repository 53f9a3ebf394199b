"""File an appeal: a player contests what review concluded of him, and a person will read it."""

from datetime import datetime
from uuid import UUID

from game import standing as rules
from game.errors import AppealOpen, PlayerGone
from server.edge.wire import rfc3339
from server.ids import uuid7
from server.stores import audit, cases, players
from server.stores.cases import Appeal
from server.stores.db import AsyncConnection


async def file_appeal(
    conn: AsyncConnection,
    player_id: UUID,
    *,
    text: str,
    case_id: UUID | None,
    now: datetime,
    request_id: str = "",
) -> Appeal | None:
    """The appeal, about the named case or the player's newest one; None where that case is not the player's.

    The same words again are the same appeal, so a phone may send it twice. Raises PlayerGone, NothingToAppeal, AppealOpen.
    """
    player = await players.find(conn, player_id)
    if player is None:
        raise PlayerGone
    own = [case.case_id for case in await cases.of_player(conn, player_id)]
    if case_id is not None and case_id not in own:
        return None
    waiting = await cases.open_appeal_of(conn, player_id)
    if waiting is None:
        rules.may_appeal(player.standing)
        appeal_id = uuid7()
        about = case_id or (own[0] if own else None)
        if await cases.add_appeal(conn, appeal_id=appeal_id, player_id=player_id, case_id=about, text=text, now=now):
            await audit.write(
                conn,
                who=str(player_id),
                what="appeal.file",
                object_id=appeal_id,
                after={"case_id": str(about) if about else None},
                now=now,
                request_id=request_id,
            )
            return await cases.find_appeal(conn, appeal_id)
        waiting = await cases.open_appeal_of(conn, player_id)
    if waiting is not None and waiting.text == text:
        return waiting
    raise AppealOpen(at=rfc3339(waiting.at if waiting else now))

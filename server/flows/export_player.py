"""Export a player: everything that is held of one person, in one document."""

from datetime import datetime
from typing import Any
from uuid import UUID

from game.matchup import Choice
from server.edge.wire import rfc3339
from server.stores import ledger, players, votes
from server.stores.db import AsyncConnection


async def export_player(conn: AsyncConnection, player_id: UUID, *, now: datetime) -> dict[str, Any] | None:
    """The player's facts, votes and wallet; None when there is no such player."""
    player = await players.find(conn, player_id)
    if player is None:
        return None
    lines = await ledger.wallet(conn, player_id, before=None, limit=100_000)
    return {
        "exported_at": rfc3339(now),
        "player": {
            "player_id": str(player.player_id),
            "created_at": rfc3339(player.created_at),
            "nickname": player.nickname,
            "gender": player.gender,
            "birth_year": player.birth_year,
            "interests": list(player.interests),
            "region": player.region,
            "consent": player.consent,
            "standing": player.standing,
            "standing_reasons": list(player.standing_reasons),
        },
        "votes": [
            {
                "test_id": str(row.test_id),
                "left": row.left_title,
                "right": row.right_title,
                "choice": Choice(row.choice).word,
                "took_ms": row.took_ms,
                "answered_at": rfc3339(row.answered_at),
                "offer_g": row.offer_g,
            }
            for row in await votes.of_player(conn, player_id)
        ],
        "wallet": [
            {"at": rfc3339(line.transfer.at), "reason": line.transfer.reason.value, "amount_g": line.amount_g}
            for line in lines
        ],
    }

"""Forget a player: identity, facts, addresses, links and words go; votes and book entries stay, with nobody behind them."""

from datetime import datetime
from uuid import UUID

from server.stores import cases, players, prizes, standings
from server.stores.db import AsyncConnection


async def forget_player(conn: AsyncConnection, player_id: UUID, *, now: datetime) -> None:
    """In the app and at an operator's desk the same. Tokens of the player are refused as soon as processes look again."""
    await players.forget(conn, player_id, now)
    await prizes.forget_addresses_of(conn, player_id)
    await standings.forget_player(conn, player_id)
    await cases.forget_words_of(conn, player_id)

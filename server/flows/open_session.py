"""Open a session: find or make the player behind a platform identity, and record from where he came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rewards.economy import Economy
from server.ids import uuid7
from server.revocations import SESSION_LIFE
from server.stores import players
from server.stores.db import AsyncEngine, transaction
from server.stores.players import Player


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that was opened; `new` if its player was never seen before."""

    session_id: UUID
    player: Player
    expires_at: datetime
    new: bool


async def open_session(
    engine: AsyncEngine,
    *,
    platform: str,
    subject: bytes,
    sealed_subject: bytes | None,
    known_as: Sequence[bytes] = (),
    device: bytes,
    address_block: bytes,
    economy: Economy,
    now: datetime,
) -> OpenedSession:
    """Log a player in. `subject`, `device` and `address_block` are keyed hashes: nothing readable is ever stored.

    `sealed_subject` is the platform's id of the user under the vault's key, kept to ask the platform about him.
    """
    session_id, new_player_id = uuid7(), uuid7()
    async with transaction(engine) as conn:
        player_id = await players.identify(
            conn,
            platform=platform,
            subject=subject,
            sealed_subject=sealed_subject,
            known_as=known_as,
            new_player_id=new_player_id,
            hold_s=economy.hold_new_s,
            now=now,
        )
        player = await players.find(conn, player_id)
        assert player is not None, "an identity has a living player: both are forgotten in one transaction"
        await players.open_session(
            conn,
            session_id=session_id,
            player_id=player_id,
            device=device,
            address_block=address_block,
            now=now,
            expires_at=now + SESSION_LIFE,
        )
    return OpenedSession(session_id, player, now + SESSION_LIFE, player_id == new_player_id)

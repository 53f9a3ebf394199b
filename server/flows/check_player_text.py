"""Check a player's text: ask the platform that he comes from whether others may read what he wrote."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

from server.edge.problems import Problem
from server.gateways import ContentVerdict, GatewayError
from server.secrets import SealBroken, Vault
from server.stores import players
from server.stores.db import AsyncEngine, reading

log = structlog.get_logger()

WAIT_S = 3.0


async def check_player_text(
    engine: AsyncEngine,
    checks: Mapping[str, Callable[[str, str], Awaitable[ContentVerdict]]],
    vault: Vault,
    *,
    player_id: UUID,
    text: str,
    field: str,
) -> None:
    """Raise Problem `text_refused` where a platform of this player refuses the text.

    A platform that is away, or that would rather have a person look, stops nobody: what is short and on one's own page is
    not worth keeping a player out for.
    """
    if not text.strip() or not checks:
        return
    async with reading(engine) as conn:
        known = await players.identities_of(conn, player_id)
    for identity in known:
        check = checks.get(identity.platform)
        if check is None or identity.sealed_subject is None:
            continue
        try:
            open_id = vault.open(identity.sealed_subject, about=identity.subject).decode()
            async with asyncio.timeout(WAIT_S):
                verdict = await check(text, open_id)
        except (GatewayError, TimeoutError, SealBroken) as error:
            log.warning("text_not_checked", platform=identity.platform, error=type(error).__name__)
            continue
        if verdict.suggestion == "block":
            raise Problem("text_refused", field=field)

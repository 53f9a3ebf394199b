"""Ask the platform how likely it is that a player farms rewards, and keep the answer as evidence. Nobody waits for long."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from server.gateways import GatewayError, RiskVerdict
from server.stores import standings
from server.stores.db import AsyncEngine, reading, transaction
from server.stores.standings import PlatformRisk

log = structlog.get_logger()

RiskCheck = Callable[[str, str], Awaitable[RiskVerdict]]
"""(the platform's id of the user, the address from which he called) -> what the platform thinks of him."""

ASK_AGAIN_AFTER = timedelta(days=1)
WAIT_S = 1.5


async def check_platform_risk(
    engine: AsyncEngine, ask: RiskCheck, *, player_id: UUID, platform: str, open_id: str, client_ip: str, now: datetime
) -> PlatformRisk | None:
    """The platform's opinion, asked at most once a day; None where it did not answer.

    It judges nobody and refuses nobody: an operator sees it beside the evidence of a case. A platform that is away or slow
    costs the player a moment and nothing else.
    """
    async with reading(engine) as conn:
        known = (await standings.risks_of(conn, [player_id])).get(player_id, [])
    for risk in known:
        if risk.platform == platform and now < risk.at + ASK_AGAIN_AFTER:
            return risk
    try:
        async with asyncio.timeout(WAIT_S):
            said = await ask(open_id, client_ip)
    except (GatewayError, TimeoutError) as error:
        log.warning("platform_risk_unknown", platform=platform, error=type(error).__name__)
        return None
    risk = PlatformRisk(platform, now, said.level, said.rank, said.reason)
    async with transaction(engine) as conn:
        await standings.record_risk(conn, player_id, risk)
    return risk

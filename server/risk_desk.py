"""The risk desk: asks platforms about players who are here, beside the game, so that nobody waits for the answer.

Platforms answer only about users who opened the app lately, and want the address from which they called, so they are
asked while a player logs in or plays: before the grants that he earns now are settled. What they say is evidence.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import structlog

from server.flows.check_platform_risk import ASK_AGAIN_AFTER, RiskCheck, check_platform_risk
from server.secrets import SealBroken, Vault
from server.stores import players
from server.stores.db import AsyncEngine, reading

log = structlog.get_logger()

AT_ONCE = 8
MOST_WAITING = 500
"""More than this waits for nobody: a platform that answers slowly must not fill the memory."""
MOST_REMEMBERED = 200_000


class RiskDesk:
    """Asks about each player at most once a day. One instance belongs to one process."""

    def __init__(self, engine: AsyncEngine, checks: Mapping[str, RiskCheck], vault: Vault) -> None:
        self._engine = engine
        self._checks = checks
        self._vault = vault
        self._asked: dict[UUID, datetime] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_ONCE)

    def ask_soon(self, player_id: UUID, client_ip: str, now: datetime) -> None:
        """Ask what the player's platforms think of him, unless that was done today. Returns at once."""
        if not self._checks or len(self._tasks) >= MOST_WAITING:
            return
        asked = self._asked.get(player_id)
        if asked is not None and now < asked + ASK_AGAIN_AFTER:
            return
        if len(self._asked) >= MOST_REMEMBERED:
            # Forgetting costs one look into the database each: what was answered today stands there.
            self._asked.clear()
        self._asked[player_id] = now
        task = asyncio.create_task(self._ask(player_id, client_ip, now), name="platform_risk")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until everybody was asked whom somebody wanted to be asked about."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Ask nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, player_id: UUID, client_ip: str, now: datetime) -> None:
        try:
            async with self._turn:
                async with reading(self._engine) as conn:
                    known = await players.identities_of(conn, player_id)
                for identity in known:
                    check = self._checks.get(identity.platform)
                    if check is None or identity.sealed_subject is None:
                        continue
                    open_id = self._vault.open(identity.sealed_subject, about=identity.subject).decode()
                    await check_platform_risk(
                        self._engine,
                        check,
                        player_id=player_id,
                        platform=identity.platform,
                        open_id=open_id,
                        client_ip=client_ip,
                        now=now,
                    )
        except SealBroken:
            log.warning("platform_identity_sealed_with_a_lost_key")
        except Exception as error:
            # Evidence that is not there speaks for nobody and against nobody.
            log.warning("platform_risk_not_asked", error=type(error).__name__)

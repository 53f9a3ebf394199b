"""Rotate keys: seal anew, under the key in use, whatever another key has sealed; while the service works."""

from datetime import datetime

import structlog

from server.secrets import SealBroken, Vault
from server.stores import sealed
from server.stores.db import AsyncEngine, reading, transaction

log = structlog.get_logger()

BATCH = 200


class RotateKeys:
    """The job. It finds nothing to do unless the key was changed, and can be stopped and begun again at any moment."""

    name = "rotate_keys"

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self.broken = 0
        """How many values the last run could not open: their key is not configured any more."""

    async def run(self, now: datetime) -> int:
        """Seal everything anew that is due; returns how many values that were."""
        self.broken = 0
        done = sum([await self._column(where) for where in sealed.COLUMNS]) + await self._identities()
        if self.broken:
            log.error("seals_broken", values=self.broken)
        return done

    async def _column(self, where: sealed.Sealed) -> int:
        done, after = 0, None
        while True:
            async with reading(self._engine) as conn:
                rows = await sealed.stale(conn, where, newest=self._vault.newest, after=after, limit=BATCH)
            for key, old in rows:
                after = key
                try:
                    plain = self._vault.open(old, about=key.bytes)
                except SealBroken:
                    self.broken += 1
                    continue
                new = self._vault.seal(plain, about=key.bytes)
                async with transaction(self._engine) as conn:
                    done += await sealed.replace(conn, where, key, old=old, new=new)
            if len(rows) < BATCH:
                return done

    async def _identities(self) -> int:
        """An identity is found by the hash of what is sealed, so both change together."""
        done = 0
        after: tuple[str, bytes] | None = None
        while True:
            async with reading(self._engine) as conn:
                rows = await sealed.stale_identities(conn, newest=self._vault.newest, after=after, limit=BATCH)
            for platform, subject, old in rows:
                after = (platform, subject)
                try:
                    plain = self._vault.open(old, about=subject)
                except SealBroken:
                    self.broken += 1
                    continue
                name, *_ = self._vault.names_of(f"{platform}:{plain.decode()}")
                async with transaction(self._engine) as conn:
                    done += await sealed.rename_identity(
                        conn, platform, old=subject, new=name, old_sealed=old,
                        new_sealed=self._vault.seal(plain, about=name),
                    )  # fmt: skip
            if len(rows) < BATCH:
                return done

"""Delete addresses 90 days after delivery, and seal those that are kept anew when the key was rotated."""

from datetime import datetime, timedelta

from server.figures import EconomyNow
from server.secrets import SealBroken, Vault
from server.stores import prizes
from server.stores.db import AsyncEngine, transaction

BATCH = 500


class ExpireAddresses:
    """The job. Deleted is deleted: nothing of an address is kept anywhere else."""

    name = "expire_addresses"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow, vault: Vault) -> None:
        self._engine = engine
        self._economy = economy
        self._vault = vault

    async def run(self, now: datetime) -> int:
        """Delete what is past its time and seal the rest with the newest key; returns how many addresses changed."""
        async with transaction(self._engine) as conn:
            changed = await prizes.forget_addresses(
                conn, ended_before=now - timedelta(days=self._economy().address_kept_days)
            )
        after = None
        while True:
            async with transaction(self._engine) as conn:
                rows = await prizes.addresses_after(conn, after, limit=BATCH)
                for order_id, sealed in rows:
                    if self._vault.is_stale(sealed):
                        try:
                            plain = self._vault.open(sealed, about=order_id.bytes)
                        except SealBroken:
                            continue  # its key is gone; the player is asked again when the box is to be sent
                        await prizes.reseal_address(conn, order_id, self._vault.seal(plain, about=order_id.bytes))
                        changed += 1
            if len(rows) < BATCH:
                return changed
            after = rows[-1][0]

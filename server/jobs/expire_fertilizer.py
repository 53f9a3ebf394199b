"""Tell players of fertilizer that will expire, and expire what was unused for 180 days and was announced."""

from datetime import datetime, timedelta
from uuid import UUID

from rewards import farm as rules
from rewards import ledger as books
from rewards.days import day_of
from rewards.economy import Economy
from rewards.farm import DayCredit
from server.ids import uuid7
from server.stores import farm, ledger
from server.stores.db import AsyncConnection, AsyncEngine, transaction
from server.stores.farm import OldGrams

BATCH = 200
FIRST = UUID(int=0)
CLOCK_GRACE = timedelta(hours=2)
"""A day counts as over only so long after its end: a clock that is an hour wrong expires nothing early."""


class ExpireFertilizer:
    """The job. It may run at any time, anywhere, twice."""

    name = "expire_fertilizer"

    def __init__(self, engine: AsyncEngine, economy: Economy) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Send the notices that are due and expire what is past its day; returns how many wallets had either."""
        touched, after = 0, FIRST
        # A wallet that was first used later has nothing to be told of yet.
        notices_begin = timedelta(days=self._economy.expiry_days - max(self._economy.expiry_notice_days) - 1)
        while True:
            async with transaction(self._engine) as conn:
                wallets = await farm.wallets_by_day(conn, after=after, used_before=now - notices_begin, limit=BATCH)
                for wallet in wallets:
                    touched += await self._look_at(conn, wallet, now)
            if len(wallets) < BATCH:
                return touched
            after = wallets[-1].player_id

    async def _look_at(self, conn: AsyncConnection, wallet: OldGrams, now: datetime) -> bool:
        today, days = day_of(now - CLOCK_GRACE), self._economy.expiry_notice_days
        credits = tuple(DayCredit(day, amount_g) for day, amount_g in wallet.credits)
        unused = rules.lots(
            credits,
            debited_g=sum(credit.amount_g for credit in credits) - wallet.balance_g,
            expiry_days=self._economy.expiry_days,
        )
        if not unused or (unused[0].expires_on - today).days > max(days):
            return False
        sent = await farm.notices_of(conn, wallet.player_id, from_day=unused[0].expires_on)
        due = rules.notices_due(
            unused,
            sent=frozenset((notice.expires_on, notice.days_before) for notice, _ in sent),
            today=today,
            notice_days=days,
        )
        for notice in due:
            await farm.record_notice(conn, wallet.player_id, notice, sent_on=today)
        amount_g = rules.expired_g(
            unused,
            last_notice_on={notice.expires_on: sent_on for notice, sent_on in sent if notice.days_before == min(days)},
            today=today,
            notice_days=days,
        )
        if amount_g:
            # Should the player apply this very moment, the floor of the wallet lets one of the two through: look again.
            amount_g = min(amount_g, await ledger.balance(conn, books.player(wallet.player_id)))
        if amount_g:
            transfer = rules.expiry_transfer(
                player_id=wallet.player_id, amount_g=amount_g, today=today, transfer_id=uuid7(), now=now
            )
            if await ledger.find_fact(conn, transfer.reason, transfer.out_biz_no) is None:
                await ledger.post(conn, [transfer])
        return bool(due or amount_g)

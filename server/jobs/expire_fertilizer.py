"""Tell players of fertilizer that will expire, and expire what was unused for 180 days and was announced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from rewards import farm as rules
from rewards.days import day_of
from rewards.errors import BelowFloor
from rewards.farm import ExpiryNotice, Lot
from server.figures import EconomyNow
from server.flows.unused_fertilizer import Lives, lives_of, unused_fertilizer
from server.ids import uuid7
from server.stores import farm, ledger
from server.stores.db import AsyncConnection, AsyncEngine, reading, transaction
from server.stores.farm import OldGrams

BATCH = 200
FIRST = UUID(int=0)
CLOCK_GRACE = timedelta(hours=2)
"""A day counts as over only so long after its end: a clock that is an hour wrong expires nothing early."""


class _Used(Exception):
    """The wallet was used between the look at it and the expiry: whose grams are the oldest is another question now."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds in this run: the day that is surely here, when notices are sent, how long grams of which day live."""

    today: date
    notice_days: tuple[int, ...]
    lives: Lives

    def unused(self, wallet: OldGrams) -> tuple[Lot, ...]:
        return unused_fertilizer(wallet, self.lives)


class ExpireFertilizer:
    """The job. It may run at any time, anywhere, twice. Each wallet is a transaction of its own."""

    name = "expire_fertilizer"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Send the notices that are due and expire what is past its day; returns how many wallets had either."""
        economy = self._economy()
        async with reading(self._engine) as conn:
            lives = await lives_of(conn, economy)
        holds = _Rules(day_of(now - CLOCK_GRACE), economy.expiry_notice_days, lives)
        # A wallet that was first used later has nothing to be told of yet.
        youngest = min(days for _, days in holds.lives) - max(holds.notice_days) - 1
        touched, after = 0, FIRST
        while True:
            async with reading(self._engine) as conn:
                wallets = await farm.wallets_by_day(
                    conn, after=after, used_before=now - timedelta(days=youngest), limit=BATCH
                )
            for wallet in wallets:
                lots = holds.unused(wallet)
                if lots and (lots[0].expires_on - holds.today).days <= max(holds.notice_days):
                    touched += await self._look_at(wallet.player_id, holds, now)
            if len(wallets) < BATCH:
                return touched
            after = wallets[-1].player_id

    async def _look_at(self, player_id: UUID, holds: _Rules, now: datetime) -> bool:
        try:
            async with transaction(self._engine) as conn:
                wallet = await farm.wallet_by_day(conn, player_id)
                unused = holds.unused(wallet)
                if not unused:
                    return False
                sent = await farm.notices_of(conn, player_id, from_day=unused[0].expires_on)
                due = await self._announce(conn, player_id, unused, sent, holds)
                last = min(holds.notice_days)
                amount_g = rules.expired_g(
                    unused,
                    last_notice_on={one.expires_on: sent_on for one, sent_on in sent if one.days_before == last},
                    today=holds.today,
                    notice_days=holds.notice_days,
                )
                if amount_g:
                    await self._expire(conn, wallet, amount_g, holds, now)
                return bool(due or amount_g)
        except (_Used, BelowFloor):
            return False  # nothing is changed; the next run looks again

    async def _announce(
        self,
        conn: AsyncConnection,
        player_id: UUID,
        unused: tuple[Lot, ...],
        sent: Sequence[tuple[ExpiryNotice, date]],
        holds: _Rules,
    ) -> tuple[ExpiryNotice, ...]:
        due = rules.notices_due(
            unused,
            sent=frozenset((notice.expires_on, notice.days_before) for notice, _ in sent),
            today=holds.today,
            notice_days=holds.notice_days,
        )
        for notice in due:
            await farm.record_notice(conn, player_id, notice, sent_on=holds.today)
        return due

    async def _expire(
        self, conn: AsyncConnection, wallet: OldGrams, amount_g: int, holds: _Rules, now: datetime
    ) -> None:
        transfer = rules.expiry_transfer(
            player_id=wallet.player_id, amount_g=amount_g, today=holds.today, transfer_id=uuid7(), now=now
        )
        if await ledger.find_fact(conn, transfer.reason, transfer.out_biz_no) is not None:
            return
        await ledger.post(conn, [transfer])
        # The posting holds the wallet still. Did the player use the old grams meanwhile, these would be newer ones.
        if (await farm.wallet_by_day(conn, wallet.player_id)).debited_g != wallet.debited_g + amount_g:
            raise _Used

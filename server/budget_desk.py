"""A process's purses: offers are made in memory, only out of blocks that were reserved for this process before.

Nothing here is the record of anything. If the process dies, its blocks stay in the books until their last ticket has
expired, and then any other process returns them (`server.jobs.release_blocks`).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from rewards.budgets import Purse, Switches
from rewards.errors import BudgetExhausted, RewardsSwitchedOff
from server.figures import EconomyNow
from server.flows.reserve_block import reserve_block
from server.flows.return_undealt import return_undealt
from server.ids import uuid7
from server.stores import budgets
from server.stores.db import AsyncEngine, DatabaseAway, reading, transaction

log = structlog.get_logger()

LOOK_EVERY_S = 0.5
COVER_S = 20.0
"""A block should last this long at the rate at which offers were asked for lately."""
DRY_S = 2.0
"""How long a budget that had nothing left is not asked again, unless told otherwise."""

RESERVED_AT_ONCE = 3
"""How many connections of the pool are used for reserving, at the most."""


@dataclass(slots=True)
class _Till:
    """The purses of one budget, oldest first, and what is known of the demand."""

    purses: list[Purse] = field(default_factory=list)
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)
    dry_until: float = 0.0
    asked_g: int = 0  # since the last look, whether there was an offer or not
    asked_g_per_s: float = 0.0
    credit_permille: int = 0
    offer_g: int | None = None  # as the last block said

    @property
    def unoffered_g(self) -> int:
        return sum(purse.unoffered_g for purse in self.purses)


class BudgetDesk:
    """Offers of one process.

    `offer` and `give_back` are plain calls of the event loop's own thread: they touch memory only. `keep_filled` is to
    run beside them as a task; `close` gives back what was never offered.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        economy: EconomyNow,
        ticket_life: timedelta,
        clock: Callable[[], datetime],
        process_id: UUID | None = None,
        kind: str = "per_vote",
        dry_s: float = DRY_S,
    ) -> None:
        self.process_id = process_id or uuid7()
        self._engine = engine
        self._economy = economy
        self._ticket_life = ticket_life
        self._clock = clock
        self._kind = kind
        self._dry_s = dry_s
        self._tills: dict[UUID, _Till] = {}
        self._lapsed: dict[UUID, Purse] = {}
        self._returning: set[UUID] = set()
        self._switches = Switches()
        self._paces: dict[UUID, int] = {}
        self._wanted = asyncio.Event()
        self._few_at_once = asyncio.Semaphore(RESERVED_AT_ONCE)
        self._closed = False

    # --- what dealing calls ---------------------------------------------------------------------

    def offer(self, budget_id: UUID, amount_g: int) -> UUID | None:
        """Promise grams out of a block of this process; returns the block's id, None when nothing is to be had now.

        None also when rewards are switched off or when pacing says not this time. What was offered is always paid.
        """
        till = self._tills.get(budget_id)
        if till is None:
            till = self._tills[budget_id] = _Till()
        till.asked_g += amount_g
        if self._closed or self._switched_off(budget_id) or not self._paced(budget_id, till):
            return None
        now = self._drop_lapsed(till)
        for place, purse in enumerate(till.purses):
            if amount_g <= purse.unoffered_g:
                till.purses[place] = purse.offer(amount_g, now)
                if till.unoffered_g < self._low_water_g(till):
                    self._wanted.set()
                return purse.block.id
        self._wanted.set()
        return None

    def offer_g(self, budget_id: UUID) -> int | None:
        """What an offer of this budget takes, as it was bought; None while no block of it was reserved here."""
        till = self._tills.get(budget_id)
        return till.offer_g if till is not None else None

    def why_not(self, budget_id: UUID) -> str:
        """Why nothing is offered of this budget now: `paused` by a switch or by pacing, else `budget_exhausted`."""
        if self._closed or self._switched_off(budget_id) or self._paces.get(budget_id, 1000) < 1000:
            return "paused"
        return "budget_exhausted"

    def give_back(self, block_id: UUID, amount_g: int) -> None:
        """Take back an offer that was never handed out. Not one whose ticket expired: its answer may be on its way."""
        for till in self._tills.values():
            for place, purse in enumerate(till.purses):
                if purse.block.id == block_id:
                    till.purses[place] = replace(purse, unoffered_g=purse.unoffered_g + amount_g)
                    return
        if block_id in self._lapsed and block_id not in self._returning:
            purse = self._lapsed[block_id]
            self._lapsed[block_id] = replace(purse, unoffered_g=purse.unoffered_g + amount_g)
        # Else the block is being returned already: these grams follow when its last ticket has expired.

    async def ready(self, budget_ids: Iterable[UUID], *, offers: int = 1) -> None:
        """Wait until so many offers can be made of these budgets, where this process has no such block of them yet.

        Without it the first player of a test would be told that its budget is exhausted.
        """
        short = {}
        for budget_id in dict.fromkeys(budget_ids):
            till = self._tills.setdefault(budget_id, _Till())
            self._drop_lapsed(till)
            wanted_g = offers * self._offer_g(till)
            if till.unoffered_g < wanted_g and not self._switched_off(budget_id):
                short[budget_id] = (till, wanted_g)
        if short:
            await asyncio.gather(
                *(self._fill(each, till, at_least_g=wanted_g) for each, (till, wanted_g) in short.items())
            )

    # --- what runs beside -------------------------------------------------------------------------

    async def keep_filled(self) -> None:
        """Refill blocks before they run dry, return what lapsed, learn of switches and paces; for ever."""
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY_S)
            self._wanted.clear()
            try:
                if loop.time() - looked_at >= LOOK_EVERY_S:
                    await self.look(passed_s=loop.time() - looked_at)
                    looked_at = loop.time()
                await self.keep_up()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("budget_desk_failed", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_S)

    async def keep_up(self) -> None:
        """Refill what runs low, and return what lapsed: once."""
        for budget_id, till in list(self._tills.items()):
            self._drop_lapsed(till)
            if self._in_demand(till) and till.unoffered_g < self._low_water_g(till):
                await self._fill(budget_id, till, at_least_g=self._low_water_g(till))
        await self._return_lapsed()

    async def close(self) -> None:
        """Offer no more, and give back what was never offered. Where that fails it goes back when the blocks lapse."""
        self._closed = True
        for till in self._tills.values():
            for purse in till.purses:
                self._lapsed[purse.block.id] = purse
            till.purses.clear()
        try:
            await self._return_lapsed()
        except DatabaseAway:
            log.warning("blocks_left_to_lapse", blocks=len(self._lapsed))

    async def look(self, *, passed_s: float = LOOK_EVERY_S) -> None:
        """Learn of switches and paces, and tell how much was asked for in the last `passed_s` seconds."""
        async with reading(self._engine) as conn:
            self._switches = await budgets.switches_now(conn)
            self._paces = await budgets.paces_now(conn)
        for till in self._tills.values():
            # A moving average over some ten seconds: quick enough for a burst, slow enough for a pause between rounds.
            share = min(1.0, passed_s / 10.0)
            till.asked_g_per_s += share * (till.asked_g / passed_s - till.asked_g_per_s)
            till.asked_g = 0
        self._forget_idle_tills()
        # Also of budgets that are not paced: what is not offered is what a kill switch would not have to honour.
        if tills := sorted(self._tills.items()):
            async with transaction(self._engine) as conn:
                await budgets.report_demand(
                    conn,
                    self.process_id,
                    [
                        budgets.Demand(budget_id, till.unoffered_g, int(till.asked_g_per_s * 60))
                        for budget_id, till in tills
                    ],
                    now=self._clock(),
                )

    async def _fill(self, budget_id: UUID, till: _Till, *, at_least_g: int) -> None:
        loop = asyncio.get_running_loop()
        async with till.filling, self._few_at_once:
            # Whoever waited here for the lock may find that the one before has filled it.
            if self._closed or till.unoffered_g >= at_least_g or loop.time() < till.dry_until:
                return
            try:
                async with transaction(self._engine) as conn:
                    block = await reserve_block(
                        conn,
                        budget_id=budget_id,
                        process_id=self.process_id,
                        wanted_g=max(self._block_g(till), at_least_g),
                        ticket_life=self._ticket_life,
                        kind=self._kind,
                        economy=self._economy(),
                        now=self._clock(),
                    )
            except (BudgetExhausted, RewardsSwitchedOff):
                till.dry_until = loop.time() + self._dry_s
                return
            # Only now, after the commit, is the block this process's own.
            till.purses.append(Purse(block=block, unoffered_g=block.reserved_g))
            till.offer_g = block.offer_g

    async def _return_lapsed(self) -> None:
        for block_id in list(self._lapsed):
            # From here on the amount is fixed: a second try after a lost connection must say the same as the first.
            self._returning.add(block_id)
            purse = self._lapsed[block_id]
            async with transaction(self._engine) as conn:
                await return_undealt(
                    conn,
                    block_id=block_id,
                    process_id=self.process_id,
                    undealt_g=purse.unoffered_g,
                    now=self._clock(),
                )
            del self._lapsed[block_id]
            self._returning.discard(block_id)

    # --- small questions ----------------------------------------------------------------------------

    def _drop_lapsed(self, till: _Till) -> datetime:
        """Offer no more from what has lapsed; returns the moment that it is."""
        now = self._clock()
        # Any of them, not only the oldest: the life of a block is a figure that may have been made shorter meanwhile.
        lapsed = [purse for purse in till.purses if now >= purse.block.lapses_at]
        for purse in lapsed:
            till.purses.remove(purse)
            self._lapsed[purse.block.id] = purse
            self._wanted.set()
        return now

    def _forget_idle_tills(self) -> None:
        for budget_id, till in list(self._tills.items()):
            if not till.purses and not till.filling.locked() and not self._in_demand(till):
                del self._tills[budget_id]

    def _switched_off(self, budget_id: UUID) -> bool:
        off = self._switches
        return off.everything or budget_id in off.tests or self._kind in off.kinds

    def _paced(self, budget_id: UUID, till: _Till) -> bool:
        """Let through so many of a thousand offers, evenly and without dice."""
        permille = self._paces.get(budget_id, 1000)
        till.credit_permille += permille
        if till.credit_permille < 1000:
            return False
        till.credit_permille -= 1000
        return True

    def _block_g(self, till: _Till) -> int:
        return max(self._economy().block_g, self._offer_g(till), int(till.asked_g_per_s * COVER_S))

    def _in_demand(self, till: _Till) -> bool:
        """Asked for lately: less than one offer in half a minute is not worth a block of its own."""
        return till.asked_g > 0 or till.asked_g_per_s * 30 >= self._offer_g(till)

    def _offer_g(self, till: _Till) -> int:
        return till.offer_g if till.offer_g is not None else self._economy().choice_g

    def _low_water_g(self, till: _Till) -> int:
        return self._block_g(till) // 4

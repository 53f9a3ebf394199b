"""Free boxes that wait for an address for too long: somebody else's tree is ripe, and its box may be back-ordered."""

from datetime import datetime, timedelta
from uuid import UUID

from rewards.prizes import Mover, OrderState, without_box
from server.figures import EconomyNow
from server.stores import prizes
from server.stores.db import AsyncEngine, reading, transaction

BATCH = 200


class FreeBoxes:
    """The job. The order stays as it is: whenever its address comes, it gets a box as any other, or is back-ordered."""

    name = "free_boxes"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Look at all orders without an address; returns how many boxes went back into stock."""
        before = now - timedelta(days=self._economy().address_wanted_days)
        freed, after = 0, None
        while True:
            async with reading(self._engine) as conn:
                waiting = await prizes.orders_in(conn, [OrderState.ADDRESS_NEEDED], after=after, limit=BATCH)
            for order in waiting:
                if order.moved_at < before and order.stock_week is not None:
                    freed += await self._free(order.id, before, now)
            if len(waiting) < BATCH:
                return freed
            after = waiting[-1].id

    async def _free(self, order_id: UUID, before: datetime, now: datetime) -> bool:
        async with transaction(self._engine) as conn:
            order = await prizes.find_order(conn, order_id, lock=True)
            if order is None or order.state is not OrderState.ADDRESS_NEEDED or order.moved_at >= before:
                return False
            box = await prizes.box_of(conn, order.tree_id, order.player_id)
            if box is None:
                return False
            await prizes.give_back(conn, box, now=now)
            await prizes.write_order(conn, order, without_box(order), mover=Mover.SYSTEM, who="stock", now=now)
            return True

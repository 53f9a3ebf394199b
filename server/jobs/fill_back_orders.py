"""Fill back orders: when stock comes, boxes go to those who wait, the longest first."""

from datetime import datetime
from uuid import UUID

from rewards.errors import OutOfStock
from rewards.prizes import Mover, OrderState
from server.figures import EconomyNow
from server.flows.move_order import move_order
from server.stores import prizes
from server.stores.db import AsyncEngine, reading, transaction

BATCH = 200


class FillBackOrders:
    """The job. Each order is a transaction of its own: one that still has no box keeps no other waiting."""

    name = "fill_back_orders"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Look at all back orders; returns how many got their box."""
        filled, after = 0, None
        while True:
            async with reading(self._engine) as conn:
                waiting = await prizes.orders_in(conn, [OrderState.BACK_ORDERED], after=after, limit=BATCH)
            for order in waiting:
                filled += await self._fill(order.id, now)
            if len(waiting) < BATCH:
                return filled
            after = waiting[-1].id

    async def _fill(self, order_id: UUID, now: datetime) -> bool:
        try:
            async with transaction(self._engine) as conn:
                order = await prizes.find_order(conn, order_id, lock=True)
                if order is None or order.state is not OrderState.BACK_ORDERED:
                    return False
                await move_order(
                    conn,
                    order,
                    target=OrderState.PENDING,
                    mover=Mover.SYSTEM,
                    who="stock",
                    economy=self._economy(),
                    now=now,
                )
        except OutOfStock:
            return False
        return True

"""End an order at its player's wish: give the box away, or take the grams back for one that cannot come."""

from datetime import datetime
from uuid import UUID

from rewards.economy import Economy
from rewards.prizes import FulfilmentOrder, Mover, OrderState
from server.flows.move_order import move_order
from server.stores import prizes
from server.stores.db import AsyncConnection


async def end_order(
    conn: AsyncConnection, *, player_id: UUID, order_id: UUID, give_away: bool, economy: Economy, now: datetime
) -> FulfilmentOrder | None:
    """The order, cancelled (`give_away`) or compensated; None when this player has no such order.

    Raises `NotThisMove` and `NotYourMove`: a player takes grams back only for a box that is back-ordered.
    """
    order = await prizes.find_order(conn, order_id, lock=True)
    if order is None or order.player_id != player_id:
        return None
    return await move_order(
        conn,
        order,
        target=OrderState.CANCELLED if give_away else OrderState.COMPENSATED,
        mover=Mover.PLAYER,
        who=str(player_id),
        economy=economy,
        now=now,
    )

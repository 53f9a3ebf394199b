"""Take a substitute: another fruit for a box that has run out, chosen by its player among those that are in stock."""

from datetime import datetime
from uuid import UUID

from rewards import prizes as rules
from rewards.days import day_of
from rewards.economy import Economy, Variety
from rewards.prizes import EVERYWHERE, FulfilmentOrder, Mover, OrderState
from server.flows.move_order import move_order
from server.stores import players, prizes
from server.stores.db import AsyncConnection


async def take_substitute(
    conn: AsyncConnection, *, player_id: UUID, order_id: UUID, variety: str, economy: Economy, now: datetime
) -> FulfilmentOrder | None:
    """The order, pending with its new fruit; None when this player has no such order.

    Raises `NotThisMove`, `NotASubstitute`, `OutOfStock`.
    """
    order = await prizes.find_order(conn, order_id, lock=True)
    if order is None or order.player_id != player_id:
        return None
    offered = await offered_instead(conn, order, economy=economy, now=now)
    other = rules.substitute(order, chosen=variety, offered=offered)
    await prizes.write_order(conn, order, other, mover=Mover.PLAYER, who=str(player_id), now=now)
    return await move_order(
        conn, other, target=OrderState.PENDING, mover=Mover.PLAYER, who=str(player_id), economy=economy, now=now
    )


async def offered_instead(
    conn: AsyncConnection, order: FulfilmentOrder, *, economy: Economy, now: datetime
) -> tuple[Variety, ...]:
    """The varieties that can be had instead of a back-ordered one."""
    if order.state is not OrderState.BACK_ORDERED:
        return ()
    player = await players.find(conn, order.player_id)
    week = rules.week_of(day_of(now))
    return rules.substitutes(
        await prizes.stock_from(conn, week),
        variety=order.variety,
        box_cost_fen=order.box_cost_fen,
        region=(player.region if player is not None else None) or EVERYWHERE,
        from_week=week,
        varieties=economy.varieties,
    )

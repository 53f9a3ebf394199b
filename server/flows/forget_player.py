"""Forget a player: identity, facts, addresses, links and words go; votes and book entries stay, with nobody behind them."""

from datetime import datetime
from uuid import UUID

from rewards.prizes import MOVES, Mover, OrderState
from server.flows.move_order import move_order
from server.stores import cases, farm, personal, players, prizes, standings
from server.stores.db import AsyncConnection


async def forget_player(conn: AsyncConnection, player_id: UUID, *, now: datetime) -> None:
    """In the app and at an operator's desk the same. Tokens of the player are refused as soon as processes look again.

    Boxes that were set aside go back to those who wait for one: a box that has not left is given away, since nobody
    could say any more where it is to go. One that is on its way arrives, and its address is deleted as any other.
    """
    economy = await farm.current_economy(conn)
    for order in await prizes.orders_of(conn, player_id):
        if Mover.PLAYER in MOVES.get((order.state, OrderState.CANCELLED), ()):
            locked = await prizes.find_order(conn, order.id, lock=True)
            assert locked is not None
            if Mover.PLAYER in MOVES.get((locked.state, OrderState.CANCELLED), ()):
                await move_order(
                    conn, locked, target=OrderState.CANCELLED, mover=Mover.PLAYER, who=str(player_id), economy=economy,
                    now=now,
                )  # fmt: skip
    tree = await farm.growing_tree(conn, player_id, lock=True)
    box = await prizes.box_of(conn, tree.id, player_id) if tree is not None else None
    if box is not None:
        await prizes.give_back(conn, box, now=now)
    await players.forget(conn, player_id, now)
    await prizes.forget_addresses_of(conn, player_id)
    await prizes.forget_words_of(conn, player_id)
    await cases.forget_words_of(conn, player_id)
    await standings.forget_player(conn, player_id)
    await personal.wipe_answers(conn, player_id)

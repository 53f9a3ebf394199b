"""Set boxes aside for a tree that is nearly ripe."""

from datetime import datetime
from uuid import UUID

from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import OutOfStock
from rewards.farm import Tree
from rewards.prizes import EVERYWHERE, choose_stock, week_of
from server.ids import uuid7
from server.stores import players, prizes
from server.stores.db import AsyncConnection
from server.stores.prizes import Box


async def reserve_prizes(conn: AsyncConnection, tree: Tree, *, economy: Economy, now: datetime) -> None:
    """From 80 % growth on, a box for each grower of the tree who has none yet.

    Where stock has run out nothing happens: it is tried again with the next application, and the harvest is not
    refused for it; the order is back-ordered then, and a substitute offered.
    """
    if not tree.reserves_prize:
        return
    for member in tree.members:
        if member.harvested_at is not None or await prizes.box_of(conn, tree.id, member.player_id) is not None:
            continue
        if await players.find(conn, member.player_id) is not None:  # nobody comes for the box of one who is gone
            await take_box(conn, variety=tree.terms.variety, player_id=member.player_id, tree_id=tree.id, now=now)


async def take_box(conn: AsyncConnection, *, variety: str, player_id: UUID, tree_id: UUID, now: datetime) -> Box | None:
    """A box for this player from the earliest stock of their region or everywhere; None when there is none."""
    player = await players.find(conn, player_id)
    region = (player.region if player is not None else None) or EVERYWHERE
    week = week_of(day_of(now))
    while True:
        try:
            stock = choose_stock(
                await prizes.stock_from(conn, week, variety=variety), variety=variety, region=region, from_week=week
            )
        except OutOfStock:
            return None
        box = await prizes.take_box(conn, stock, box_id=uuid7(), player_id=player_id, tree_id=tree_id, now=now)
        if box is not None:
            return box

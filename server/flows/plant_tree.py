"""Plant a tree: a seed under today's terms, for a player who has none growing."""

from datetime import datetime
from uuid import UUID

from rewards import farm as rules
from rewards.economy import Economy
from rewards.farm import Tree
from server.ids import uuid7
from server.stores import farm
from server.stores.db import AsyncConnection


async def plant_tree(conn: AsyncConnection, *, player_id: UUID, variety: str, economy: Economy, now: datetime) -> Tree:
    """The seed that was planted. Raises `UnknownVariety` and `SecondTree`."""
    growing = await farm.growing_tree(conn, player_id)
    tree = rules.plant(tree_id=uuid7(), player_id=player_id, variety=variety, growing=growing, now=now, economy=economy)
    await farm.plant(conn, tree)
    return tree

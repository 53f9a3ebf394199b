"""Join a family tree: one more who grows it, one more box in its requirement."""

from datetime import datetime
from uuid import UUID

from rewards import farm as rules
from rewards.errors import NoTree
from rewards.farm import Tree
from server.stores import farm
from server.stores.db import AsyncConnection


async def join_family(conn: AsyncConnection, *, player_id: UUID, tree_id: UUID, now: datetime) -> Tree:
    """The tree with its new member. The tree's id is the invitation: who shares it invites.

    Raises `NoTree`, `InFamilyAlready`, `SecondTree`, `FamilyIsFull`, `TooLateToJoin`.
    """
    tree = await farm.find_tree(conn, tree_id, lock=True)
    if tree is None:
        raise NoTree()
    joined = rules.join(tree, player_id=player_id, growing=await farm.growing_tree(conn, player_id), now=now)
    await farm.add_member(conn, joined, joined.members[-1])
    return joined

"""Harvest a ripe tree: one grower's box becomes an order for fruit at the door, or a donation."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rewards import farm as rules
from rewards.errors import HarvestedBefore, NoTree
from rewards.farm import Tree
from rewards.prizes import FulfilmentOrder, OrderState
from server.ids import uuid7
from server.stores import farm, ledger, prizes
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Harvested:
    """The harvested tree, and the order that it became; None for a donation."""

    tree: Tree
    order: FulfilmentOrder | None


async def harvest_tree(conn: AsyncConnection, *, player_id: UUID, donate: bool, now: datetime) -> Harvested:
    """Take this player's box of the tree. Raises `NoTree`, `NotRipe`, `HarvestedBefore`."""
    tree = await farm.growing_tree(conn, player_id, lock=True)
    if tree is None:
        raise NoTree()
    harvested, transfer = rules.harvest(tree, player_id=player_id, donate=donate, transfer_id=uuid7(), now=now)
    if not await farm.record_harvest(conn, harvested, player_id):
        raise HarvestedBefore()
    await ledger.post(conn, [transfer], player_id=player_id)
    box = await prizes.box_of(conn, tree.id, player_id)
    if donate:
        if box is not None:
            await prizes.give_back(conn, box, now=now)
        return Harvested(harvested, None)
    order = FulfilmentOrder(
        id=uuid7(),
        player_id=player_id,
        tree_id=tree.id,
        variety=tree.terms.variety,
        box_g=tree.terms.box_g,
        box_cost_fen=tree.terms.box_cost_fen,
        state=OrderState.ADDRESS_NEEDED,
        made_at=now,
        moved_at=now,
        stock_region=box.region if box else None,
        stock_week=box.week if box else None,
    )
    await prizes.add_order(conn, order)
    return Harvested(harvested, order)

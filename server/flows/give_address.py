"""Give an address: where the box of a harvest is to go, sealed before it is written."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from rewards import prizes as rules
from rewards.economy import Economy
from rewards.prizes import Address, FulfilmentOrder, Mover, OrderState
from server.flows.link_player import link_player
from server.flows.move_order import move_order
from server.flows.reserve_prizes import take_box
from server.secrets import Vault
from server.stores import prizes
from server.stores.db import AsyncConnection


async def give_address(
    conn: AsyncConnection,
    *,
    player_id: UUID,
    order_id: UUID,
    given: Mapping[str, str],
    vault: Vault,
    economy: Economy,
    now: datetime,
) -> FulfilmentOrder | None:
    """The order with its address; None when this player has no such order.

    Raises `AddressIncomplete`, `AddressTooLong`, `PhoneUnreadable`, `AddressIsFixed`.
    """
    order = await prizes.find_order(conn, order_id, lock=True)
    if order is None or order.player_id != player_id:
        return None
    address = rules.read_address(given)
    box = await prizes.box_of(conn, order.tree_id, player_id)
    if box is None and order.state is OrderState.ADDRESS_NEEDED:
        box = await take_box(conn, variety=order.variety, player_id=player_id, tree_id=order.tree_id, now=now)
    after = rules.give_address(order, in_stock=box is not None, now=now)
    if after.state is not order.state:
        after = await move_order(
            conn, order, target=after.state, mover=Mover.PLAYER, who=str(player_id), economy=economy, now=now
        )
    await link_player(conn, player_id, address, vault=vault, now=now)
    await prizes.write_address(conn, order_id, seal_address(address, order_id, vault), now=now)
    return after


def seal_address(address: Address, order_id: UUID, vault: Vault) -> bytes:
    """An address as it is written: only together with its order's id can it be opened again."""
    return vault.seal(json.dumps(asdict(address), ensure_ascii=False).encode(), about=order_id.bytes)


def open_address(sealed: bytes, order_id: UUID, vault: Vault) -> Address:
    """The address of an order, for its player and for those who send the box. Raises `SealBroken`."""
    return Address(**json.loads(vault.open(sealed, about=order_id.bytes)))

"""Return what a process reserved in one of its blocks and never offered to anybody."""

from datetime import datetime
from uuid import UUID

from rewards import ledger as books
from rewards.ledger import Reason, Transfer
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


async def return_undealt(
    conn: AsyncConnection, *, block_id: UUID, process_id: UUID, undealt_g: int, now: datetime
) -> int:
    """Give back `undealt_g` grams of one's own block; returns how much went back.

    Only the block's process may do this, and only after it has stopped offering from the block: nobody else can know
    what was never offered. It happens once: when the process cannot tell whether an earlier call came through, it calls
    again, and nothing goes back twice.
    """
    own = await budgets.lock_own_block(conn, block_id, process_id)
    if own is None:
        return 0
    assert 0 <= undealt_g <= own.balance_g - own.held_g, f"block {block_id} has promised what is called undealt"
    await budgets.record_undealt(conn, own, undealt_g=undealt_g)
    if undealt_g:
        await ledger.post(
            conn,
            [
                Transfer(
                    id=uuid7(),
                    reason=Reason.BLOCK_RELEASED,
                    out_biz_no=f"{block_id}:{own.releases}",
                    debit=books.reservation(block_id),
                    credit=own.block.budget,
                    amount=undealt_g,
                    at=now,
                )
            ],
        )
    return undealt_g

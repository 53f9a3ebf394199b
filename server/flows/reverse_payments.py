"""Take paid grams back: one person proposes which payments, another one approves, and the books get reversals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from game import standing as rules
from game.errors import FourEyesNeeded, ReversalDone
from rewards.errors import BelowFloor
from rewards.ledger import Reason
from server.flows.reverse_transfer import reverse_transfer
from server.stores import audit, cases, ledger
from server.stores.db import AsyncConnection


async def propose_reversals(
    conn: AsyncConnection,
    case_id: UUID,
    transfer_ids: Sequence[UUID],
    *,
    proposer: UUID | None,
    who: str,
    note: str,
    now: datetime,
    request_id: str = "",
) -> int | None:
    """Propose payments to this case's players for reversal; returns how many are new, None for an unknown case.

    Moves nothing. What is no payment to one of them, or was reversed before, is left out. Raises FourEyesNeeded for a key:
    it is no person.
    """
    if proposer is None:
        raise FourEyesNeeded
    case = await cases.find(conn, case_id, lock=True)
    if case is None:
        return None
    payments = await cases.payments_to(conn, case.player_ids, ids=transfer_ids, limit=len(transfer_ids))
    wanted = [payment for payment in payments if not payment.reversed]
    proposed = await cases.propose_reversals(conn, case_id, wanted, by=proposer, now=now)
    if proposed:
        await audit.write(
            conn,
            who=who,
            what="case.propose_reversals",
            object_id=case_id,
            after={"payments": proposed, "amount_g": sum(payment.amount_g for payment in wanted)},
            why=note,
            now=now,
            request_id=request_id,
        )
    return proposed


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was taken back; `short` are payments whose grams are not in the wallet any more: what fed a tree stays."""

    amount_g: int
    payments: int
    short: tuple[UUID, ...]


async def reverse_payments(
    conn: AsyncConnection,
    case_id: UUID,
    *,
    approver: UUID | None,
    who: str,
    note: str,
    now: datetime,
    request_id: str = "",
) -> TakenBack | None:
    """Approve what was proposed in a case, and post the reversals; None for an unknown case.

    Raises FourEyesNeeded when the approver proposed one of them himself, ReversalDone when nothing waits.
    """
    case = await cases.find(conn, case_id, lock=True)
    if case is None:
        return None
    waiting = [each for each in await cases.reversals_of(conn, case_id, lock=True) if each.reversal_id is None]
    if not waiting:
        raise ReversalDone
    for each in waiting:
        rules.second_pair_of_eyes(each.proposed_by, approver)
    assert approver is not None
    amount_g, short = 0, []
    for each in waiting:
        transfer = await ledger.find(conn, each.transfer_id)
        assert transfer is not None, "only payments on record are proposed"
        try:
            await reverse_transfer(conn, transfer=transfer, now=now)
        except BelowFloor:
            short.append(each.transfer_id)
            continue
        # Somebody may have reversed it by another way: then that reversal is the one.
        posted = await ledger.find_fact(conn, Reason.REVERSAL, str(transfer.id))
        assert posted is not None
        await cases.write_reversal(conn, each.transfer_id, approved_by=approver, reversal_id=posted.id, now=now)
        amount_g += each.amount_g
    await audit.write(
        conn,
        who=who,
        what="case.reverse_payments",
        object_id=case_id,
        after={"amount_g": amount_g, "payments": len(waiting) - len(short), "short": len(short)},
        why=note,
        now=now,
        request_id=request_id,
    )
    return TakenBack(amount_g, len(waiting) - len(short), tuple(short))

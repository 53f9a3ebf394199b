"""Undo a transfer by one that goes the other way; the first stays on record."""

from datetime import datetime

from rewards import ledger as rules
from rewards.ledger import AccountKind, Transfer
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


async def reverse_transfer(conn: AsyncConnection, *, transfer: Transfer, now: datetime) -> Transfer:
    """Post the reversal of a transfer and return it; reversed already, it is not reversed twice.

    A player's grams that were spent on a tree are not taken back: the wallet has a floor. Writes no audit line: who
    reverses says so in the same transaction.

    Raises `NotReversible` and `BelowFloor`.
    """
    reversal = rules.reversal_of(transfer, transfer_id=uuid7(), now=now)
    if transfer.debit.kind is AccountKind.RESERVATION:
        await budgets.reopen_block(conn, transfer.debit.owner, now)
    await ledger.post(conn, [reversal])
    return reversal

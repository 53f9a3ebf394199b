"""Put money that a merchant has paid into the merchant's account."""

from datetime import datetime
from uuid import UUID

from rewards import ledger as books
from rewards.ledger import Posting, Reason, Transfer
from server.ids import uuid7
from server.stores import ledger
from server.stores.db import AsyncConnection


async def fund_merchant(
    conn: AsyncConnection, *, merchant_id: UUID, amount_fen: int, payment_no: str, now: datetime
) -> Posting:
    """Book one payment; the same payment number again is "exists" and moves nothing.

    Raises `NotAnAmount`, `NotABusinessKey`, and `ConflictingTransfer` when the number was booked for something else.
    """
    deposit = Transfer(
        id=uuid7(),
        reason=Reason.MERCHANT_DEPOSIT,
        out_biz_no=payment_no,
        debit=books.BANK,
        credit=books.merchant(merchant_id),
        amount=amount_fen,
        at=now,
    )
    return (await ledger.post(conn, [deposit]))[0]

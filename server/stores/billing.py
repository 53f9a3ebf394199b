"""What a merchant has paid and for what, test by test; read from the budgets, which the books keep true."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Bill:
    """One test's money in fen: put in, charged for settled votes, given back; the rest is still at work."""

    test_id: UUID
    title: str
    state: str
    created_at: datetime
    launched_at: datetime | None
    paid_fen: int
    charged_fen: int
    at_work_fen: int

    @property
    def returned_fen(self) -> int:
        """What went back to the merchant's account."""
        return self.paid_fen - self.charged_fen - self.at_work_fen


_BILLS = sa.text("""
select t.test_id, t.title, t.state, t.created_at, t.launched_at, b.paid_fen,
       (b.charged_g * b.rate_fen + b.rate_g - 1) / b.rate_g as charged_fen,
       coalesce((select a.balance from accounts a where a.account_id = account_id('test_escrow', t.test_id)), 0)
           as at_work_fen
from style_tests t join budgets b on b.budget_id = t.test_id
where t.merchant_id = :merchant_id and (t.created_at, t.test_id) < (:created_at, :test_id)
order by t.created_at desc, t.test_id desc limit :limit
""")


async def bills(
    conn: AsyncConnection, merchant_id: UUID, *, before: tuple[datetime, UUID], limit: int = 50
) -> list[Bill]:
    """A merchant's launched tests with their money, newest first, from after the key `before`."""
    rows = await conn.execute(
        _BILLS, {"merchant_id": merchant_id, "created_at": before[0], "test_id": before[1], "limit": limit}
    )
    return [Bill(**row._asdict()) for row in rows]

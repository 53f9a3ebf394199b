"""Answer a report of damage: another box, the grams back, or no, in words."""

from datetime import datetime
from uuid import UUID

from rewards import prizes as rules
from rewards.economy import Economy
from rewards.prizes import DamageReport, DamageState, Mover
from server.flows.move_order import move_order
from server.stores import prizes
from server.stores.db import AsyncConnection


async def answer_damage(
    conn: AsyncConnection,
    *,
    report_id: UUID,
    conclusion: DamageState,
    answer: str,
    who: str,
    economy: Economy,
    now: datetime,
) -> DamageReport | None:
    """The answered report; None when there is no such report. Raises `NotThisMove` for one that is answered already."""
    report = await prizes.find_report(conn, report_id, lock=True)
    if report is None:
        return None
    order = await prizes.find_order(conn, report.order_id, lock=True)
    assert order is not None, "a report is about an order"
    answered, moved = rules.answer_damage(report, order, conclusion=conclusion, answer=answer, now=now)
    await prizes.write_answer(conn, answered)
    if moved.state is not order.state:
        await move_order(
            conn, order, target=moved.state, mover=Mover.FULFILMENT, who=who, note=answer, economy=economy, now=now
        )
    return answered

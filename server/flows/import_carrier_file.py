"""Import a carrier's file: each row moves its order or says why it does not; a bad row stops no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rewards.errors import NotThisMove, NotYourMove
from rewards.prizes import CarrierRow, FulfilmentOrder, RowProblem, RowResult, carried, read_carrier_file
from server.stores import prizes
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What came of one row: its line, the order as the file names it, the result, and why it was refused."""

    line: int
    order_id: str
    result: RowResult
    code: str | None = None
    detail: str | None = None


async def import_carrier_file(
    conn: AsyncConnection, content: bytes, *, who: str, now: datetime
) -> Sequence[ImportedRow]:
    """One result for each row, in the order of the file. Importing a file again changes nothing.

    Raises `CarrierFileUnreadable` when the file as a whole cannot be read; nothing is changed then.
    """
    rows = read_carrier_file(content)
    results = {
        row.line: ImportedRow(row.line, row.value, RowResult.REFUSED, row.code)
        for row in rows
        if isinstance(row, RowProblem)
    }
    readable = [row for row in rows if isinstance(row, CarrierRow)]
    # One statement reads and locks them all, in the order of their ids: two imports never wait for each other in a circle.
    orders = await prizes.lock_orders(conn, {row.order_id for row in readable})
    steps: list[tuple[FulfilmentOrder, FulfilmentOrder, str]] = []
    for row in readable:
        result, after = _carry(orders.get(row.order_id), row, now=now)
        results[row.line] = result
        if after is not None:
            steps.append((orders[row.order_id], after, f"line {row.line}"))
            orders[row.order_id] = after
    await prizes.write_carried(conn, steps, who=who, now=now)
    return [results[row.line] for row in rows]


def _carry(
    order: FulfilmentOrder | None, row: CarrierRow, *, now: datetime
) -> tuple[ImportedRow, FulfilmentOrder | None]:
    """What comes of one row, and its order as it is then, None where nothing moved."""
    if order is None:
        return ImportedRow(row.line, str(row.order_id), RowResult.REFUSED, "unknown_order"), None
    try:
        after, result = carried(order, row, now=now)
    except (NotThisMove, NotYourMove) as refusal:
        return ImportedRow(row.line, str(row.order_id), RowResult.REFUSED, refusal.code, str(refusal)), None
    return ImportedRow(row.line, str(row.order_id), result), after if result is RowResult.MOVED else None

"""Import a carrier's file: each row moves its order or says why it does not; a bad row stops no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rewards.errors import NotThisMove, NotYourMove
from rewards.prizes import CarrierRow, Mover, RowProblem, RowResult, carried, read_carrier_file
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
    # Orders are locked in the order of their ids, not of the file: two imports never wait for each other in a circle.
    readable = sorted((row for row in rows if isinstance(row, CarrierRow)), key=lambda row: (row.order_id, row.line))
    for row in readable:
        results[row.line] = await _import_row(conn, row, who=who, now=now)
    return [results[row.line] for row in rows]


async def _import_row(conn: AsyncConnection, row: CarrierRow, *, who: str, now: datetime) -> ImportedRow:
    order = await prizes.find_order(conn, row.order_id, lock=True)
    if order is None:
        return ImportedRow(row.line, str(row.order_id), RowResult.REFUSED, "unknown_order")
    try:
        after, result = carried(order, row, now=now)
    except (NotThisMove, NotYourMove) as refusal:
        return ImportedRow(row.line, str(row.order_id), RowResult.REFUSED, refusal.code, str(refusal))
    if result is RowResult.MOVED:
        await prizes.write_order(conn, order, after, mover=Mover.CARRIER, who=who, note=f"line {row.line}", now=now)
    return ImportedRow(row.line, str(row.order_id), result)

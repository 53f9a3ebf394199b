"""Set the caps of a test's budget, or of everything that is promised."""

from datetime import datetime
from uuid import UUID

from rewards.budgets import Caps
from rewards.errors import ChangedMeanwhile, NothingChanged
from server.stores import audit, budgets, money
from server.stores.db import AsyncConnection

ACT = "caps.set"


async def set_caps(
    conn: AsyncConnection,
    scope_id: UUID,
    wanted: Caps,
    *,
    seen: Caps,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> None:
    """Set caps for the next reservations; what is reserved stays reserved.

    `seen` is what stood on the page that the operator had before him. Raises `ChangedMeanwhile` when it is not what stands
    now, `NothingChanged` when it is what is wanted.
    """
    await money.lock_scope(conn, scope_id)
    current = await money.caps_of(conn, scope_id)
    if current != seen:
        last = next((line for line in await audit.lines(conn, object_id=scope_id) if line.what == ACT), None)
        raise ChangedMeanwhile(
            who=last.who if last else "system", at=f"{last.at:%Y-%m-%d %H:%M} UTC" if last else "an unknown moment"
        )
    if wanted == current:
        raise NothingChanged()
    await budgets.set_caps(conn, scope_id, wanted)
    await audit.write(
        conn,
        who=who,
        what=ACT,
        object_id=scope_id,
        before={"day_g": current.day_g, "total_g": current.total_g},
        after={"day_g": wanted.day_g, "total_g": wanted.total_g},
        why=why,
        now=now,
        request_id=request_id,
    )

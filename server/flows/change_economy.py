"""Change figures of the programme: for what is planted and dealt from now on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rewards.economy import as_figures, changed
from rewards.errors import ChangedMeanwhile, NothingChanged
from server.stores import audit, economies, farm
from server.stores.db import AsyncConnection
from server.stores.economies import SavedEconomy


async def change_economy(
    conn: AsyncConnection,
    changes: Mapping[str, object],
    *,
    based_on: int,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> SavedEconomy:
    """Save the latest economy with other figures; `based_on` is the number of the one that the operator saw.

    Raises `ChangedMeanwhile` when another one was saved since, `UnknownFigure`, `FigureOutOfRange`, and `NothingChanged`.
    """
    last = await economies.lock_latest(conn)
    if last.economy_id != based_on:
        at = f"{last.saved_at:%Y-%m-%d %H:%M} UTC" if last.saved_at else "the beginning"
        raise ChangedMeanwhile(who=last.who or "nobody", at=at)
    wanted = changed(last.economy, changes)
    if wanted == last.economy:
        raise NothingChanged()
    number = await farm.save_economy(conn, wanted, who=who, why=why, now=now)
    before, after = differences(as_figures(last.economy), as_figures(wanted))
    await audit.write(
        conn,
        who=who,
        what="economy.change",
        object_id="economy",
        before=before,
        after={**after, "economy_id": number},
        why=why,
        now=now,
        request_id=request_id,
    )
    return SavedEconomy(number, wanted, now, who, why)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures that differ, as they were and as they are."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}

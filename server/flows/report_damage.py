"""Report damage: what a player says of a box that arrived spoilt, with a photo of it."""

from datetime import datetime
from uuid import UUID

from rewards import prizes as rules
from rewards.economy import Economy
from rewards.prizes import DamageReport
from server.ids import uuid7
from server.secrets import Vault
from server.stores import prizes
from server.stores.db import AsyncConnection


async def report_damage(
    conn: AsyncConnection,
    *,
    player_id: UUID,
    order_id: UUID,
    text: str,
    picture: bytes,
    vault: Vault,
    economy: Economy,
    now: datetime,
) -> DamageReport | None:
    """The report on record, with its photo (already drawn anew and without metadata) sealed.

    None when this player has no such order. Raises `NothingToReport`, `ReportedBefore`, `DamageTextTooLong`.
    """
    order = await prizes.find_order(conn, order_id, lock=True)
    if order is None or order.player_id != player_id:
        return None
    earlier = [delivered_at for _, delivered_at in await prizes.reports_of(conn, order_id)]
    report = rules.report_damage(
        order,
        report_id=uuid7(),
        text=text,
        picture_id=uuid7(),
        reported_before=order.delivered_at in earlier,
        now=now,
        economy=economy,
    )
    assert order.delivered_at is not None, "the rule has seen to it"
    await prizes.add_report(
        conn,
        report,
        delivered_at=order.delivered_at,
        sealed_picture=vault.seal(picture, about=report.picture_id.bytes),
    )
    return report

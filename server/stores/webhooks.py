"""Webhooks and what is to be delivered to them: an outbox that is written with the fact it tells of, and emptied later.

Race settled here: two workers that deliver at once. A delivery is taken by moving its next attempt into the future in
one conditional update, so each attempt is made by one worker; a worker that dies only delays it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from server import tracing
from server.ids import uuid7
from server.stores.db import metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("webhook_id", sa.Uuid, primary_key=True),
    # Nobody's are the operators' own: they are told of alarms.
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id"), index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", ARRAY(sa.Text), nullable=False),
    # Sealed: it signs, so it must be read again, but not by who only has the table.
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)

deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("delivery_id", sa.Uuid, primary_key=True),
    sa.Column("webhook_id", sa.Uuid, sa.ForeignKey("webhooks.webhook_id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("body", JSONB, nullable=False),
    # Of the call that caused it, so that a line of the worker's log leads back to it.
    sa.Column("request_id", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_status", sa.SmallInteger),
    sa.Column("last_error", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("state in ('waiting', 'delivered', 'dead')", name="state_known"),
)
sa.Index("ix_webhook_deliveries_due", deliveries.c.next_at, postgresql_where=deliveries.c.state == "waiting")
sa.Index("ix_webhook_deliveries_dead", deliveries.c.ended_at, postgresql_where=deliveries.c.state == "dead")
sa.Index("ix_webhook_deliveries_webhook_id", deliveries.c.webhook_id, deliveries.c.delivery_id)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of events."""

    webhook_id: UUID
    merchant_id: UUID | None
    url: str
    events: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one address, as far as it has come."""

    delivery_id: UUID
    webhook_id: UUID
    event: str
    body: dict[str, Any]
    state: str
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    request_id: str = ""


_WEBHOOK = (
    webhooks.c.webhook_id, webhooks.c.merchant_id, webhooks.c.url, webhooks.c.events, webhooks.c.created_at,
)  # fmt: skip
_DELIVERY = (
    deliveries.c.delivery_id, deliveries.c.webhook_id, deliveries.c.event, deliveries.c.body, deliveries.c.state,
    deliveries.c.attempts, deliveries.c.next_at, deliveries.c.last_status, deliveries.c.last_error,
    deliveries.c.created_at, deliveries.c.request_id,
)  # fmt: skip


def _webhook(row: Any) -> Webhook:
    return Webhook(row.webhook_id, row.merchant_id, row.url, tuple(row.events), row.created_at)


async def add(conn: AsyncConnection, webhook: Webhook, sealed_secret: bytes) -> None:
    """Record an address."""
    await conn.execute(
        sa.insert(webhooks).values(
            webhook_id=webhook.webhook_id,
            merchant_id=webhook.merchant_id,
            url=webhook.url,
            events=list(webhook.events),
            sealed_secret=sealed_secret,
            created_at=webhook.created_at,
        )
    )


async def of_merchant(conn: AsyncConnection, merchant_id: UUID | None) -> list[Webhook]:
    """A merchant's addresses (the operators', where it is None), oldest first."""
    rows = await conn.execute(
        sa.select(*_WEBHOOK)
        .where(webhooks.c.merchant_id.is_not_distinct_from(merchant_id))
        .order_by(webhooks.c.webhook_id)
    )
    return [_webhook(row) for row in rows]


async def find(conn: AsyncConnection, webhook_id: UUID, *, merchant_id: UUID | None) -> Webhook | None:
    """One address, if it is that merchant's (the operators', where it is None)."""
    row = (
        await conn.execute(
            sa.select(*_WEBHOOK).where(
                webhooks.c.webhook_id == webhook_id, webhooks.c.merchant_id.is_not_distinct_from(merchant_id)
            )
        )
    ).one_or_none()
    return _webhook(row) if row else None


async def remove(conn: AsyncConnection, webhook_id: UUID) -> None:
    """Forget an address and whatever still waits for it."""
    await conn.execute(sa.delete(webhooks).where(webhooks.c.webhook_id == webhook_id))


async def announce(
    conn: AsyncConnection, merchant_id: UUID | None, event: str, data: Mapping[str, Any], now: datetime
) -> int:
    """Put an event into the outbox for each address of the merchant that asked for it; call it with the fact itself.

    The operators are told where `merchant_id` is None.
    """
    wanted = [each for each in await of_merchant(conn, merchant_id) if event in each.events]
    if wanted:
        rows = []
        for each in wanted:
            delivery_id = uuid7()
            body = {"id": str(delivery_id), "event": event, "at": now.isoformat(), "data": dict(data)}
            rows.append(
                {"delivery_id": delivery_id, "webhook_id": each.webhook_id, "event": event, "body": body,
                 "next_at": now, "created_at": now, "request_id": tracing.request_id()}
            )  # fmt: skip
        await conn.execute(sa.insert(deliveries), rows)
    return len(wanted)


async def take_due(
    conn: AsyncConnection, now: datetime, *, lease: timedelta, limit: int = 20
) -> list[tuple[Delivery, str, bytes]]:
    """(delivery, url, sealed secret) of those that are due; nobody else gets them before the lease is over."""
    due = (
        sa.select(deliveries.c.delivery_id)
        .where(deliveries.c.state == "waiting", deliveries.c.next_at <= now)
        .order_by(deliveries.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = await conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id.in_(due), webhooks.c.webhook_id == deliveries.c.webhook_id)
        .values(next_at=now + lease, attempts=deliveries.c.attempts + 1)
        .returning(*_DELIVERY, webhooks.c.url, webhooks.c.sealed_secret)
    )
    taken = []
    for row in rows:
        values = row._asdict()
        url, secret = values.pop("url"), values.pop("sealed_secret")
        taken.append((Delivery(**values), url, secret))
    return taken


async def settle(
    conn: AsyncConnection,
    delivery_id: UUID,
    *,
    state: str,
    next_at: datetime,
    status: int | None,
    error: str | None,
    now: datetime,
) -> None:
    """Record how an attempt ended."""
    await conn.execute(
        sa.update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.state == "waiting")
        .values(
            state=state, next_at=next_at, last_status=status, last_error=error,
            ended_at=None if state == "waiting" else now,
        )
    )  # fmt: skip


async def deliveries_of(
    conn: AsyncConnection, webhook_id: UUID, *, before: UUID | None = None, limit: int = 20
) -> Sequence[Delivery]:
    """What was or will be delivered to an address, newest first."""
    query = sa.select(*_DELIVERY).where(deliveries.c.webhook_id == webhook_id)
    if before is not None:
        query = query.where(deliveries.c.delivery_id < before)
    rows = await conn.execute(query.order_by(deliveries.c.delivery_id.desc()).limit(limit))
    return [Delivery(**row._asdict()) for row in rows]


async def revive(conn: AsyncConnection, webhook_id: UUID, delivery_id: UUID, now: datetime) -> bool:
    """Try a dead delivery again from the beginning; False when there is no such dead one."""
    revived = await conn.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.delivery_id == delivery_id,
            deliveries.c.webhook_id == webhook_id,
            deliveries.c.state == "dead",
        )
        .values(state="waiting", attempts=0, next_at=now, ended_at=None)
    )
    return revived.rowcount == 1

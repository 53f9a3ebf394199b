"""Webhooks: addresses that are told of a test's life, what was delivered to them, and what could not be."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import pydantic

from admin.api.tests import OWN, merchant_of
from server.edge.problems import Problem
from server.edge.wire import Call, Reply, Route, Wire, rfc3339
from server.ids import uuid7
from server.jobs.deliver_webhooks import is_public
from server.secrets import Vault
from server.stores import webhooks
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.webhooks import Delivery, Webhook

MOST = 10
Event = Literal[
    "test.review", "test.sent_back", "test.running", "test.decided", "test.stopped", "test.result_changed"
]  # fmt: skip
EVENTS: tuple[Event, ...] = (
    "test.review", "test.sent_back", "test.running", "test.decided", "test.stopped", "test.result_changed",
)  # fmt: skip


class WebhookBody(Wire):
    """An address and the events that it wants."""

    url: str = pydantic.Field(min_length=8, max_length=500)
    events: list[Event] = pydantic.Field(default=list(EVENTS), min_length=1, max_length=len(EVENTS))


class WebhookReply(Reply):
    """An address; its secret is shown once, when it is made."""

    webhook_id: str
    url: str
    events: list[str]
    created_at: str
    secret: str | None = None


class WebhooksReply(Reply):
    """All addresses."""

    webhooks: list[WebhookReply]


class DeliveryReply(Reply):
    """One event for one address: waiting, delivered, or dead (given up)."""

    delivery_id: str
    event: str
    state: str
    attempts: int
    next_at: str | None
    last_status: int | None
    last_error: str | None
    created_at: str
    body: dict[str, Any]


class DeliveriesReply(Reply):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryReply]
    next: str | None


class DeliveriesQuery(Wire):
    """Which page."""

    cursor: UUID | None = None
    limit: int = pydantic.Field(default=20, ge=1, le=100)


def webhook_reply(webhook: Webhook, secret: str | None = None) -> dict[str, Any]:
    """An address as it goes out; its secret only when it was just made."""
    return {
        "webhook_id": str(webhook.webhook_id),
        "url": webhook.url,
        "events": list(webhook.events),
        "created_at": rfc3339(webhook.created_at),
        "secret": secret,
    }


def check_url(url: str, *, private_too: bool) -> None:
    """An address that may be called. What a name resolves to is looked at again whenever it is called."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Problem("webhook_url_refused", field="url") from None
    good = parts.scheme == "https" or (private_too and parts.scheme == "http")
    if not good or not host or parts.username or not url.isprintable() or " " in url:
        raise Problem("webhook_url_refused", field="url")
    if not private_too:
        try:
            public = is_public(host)
        except ValueError:
            public = "." in host and not host.endswith((".local", ".internal", ".localhost"))
        if not public:
            raise Problem("webhook_url_refused", field="url")


async def new_webhook(
    conn: AsyncConnection, vault: Vault, *, merchant_id: UUID | None, url: str, events: Sequence[str], now: datetime
) -> tuple[Webhook, str]:
    """Put an address on record; returns it and the secret that signs its calls."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    webhook = Webhook(uuid7(), merchant_id, url, tuple(dict.fromkeys(events)), now)
    await webhooks.add(conn, webhook, vault.seal(secret.encode(), about=webhook.webhook_id.bytes))
    return webhook, secret


async def post_webhooks(call: Call) -> dict[str, Any]:
    """Add an address. The secret that signs its calls is in this answer and nowhere else."""
    merchant_id = merchant_of(call)
    check_url(call.body.url, private_too=call.shell.config.mode == "demo")
    async with transaction(call.shell.engine) as conn:
        if len(await webhooks.of_merchant(conn, merchant_id)) >= MOST:
            raise Problem("too_many_webhooks", params={"limit": MOST})
        webhook, secret = await new_webhook(
            conn, call.shell.vault, merchant_id=merchant_id, url=call.body.url, events=call.body.events, now=call.now
        )
    return webhook_reply(webhook, secret)


async def get_webhooks(call: Call) -> dict[str, Any]:
    """All addresses."""
    async with reading(call.shell.engine) as conn:
        return {"webhooks": [webhook_reply(each) for each in await webhooks.of_merchant(conn, merchant_of(call))]}


async def _found(call: Call, conn: Any) -> Webhook:
    webhook = await webhooks.find(conn, call.path_uuid("webhook_id"), merchant_id=merchant_of(call))
    if webhook is None:
        raise Problem("not_found")
    return webhook


async def delete_webhook(call: Call) -> None:
    """Forget an address."""
    async with transaction(call.shell.engine) as conn:
        await webhooks.remove(conn, (await _found(call, conn)).webhook_id)


async def get_deliveries(call: Call) -> dict[str, Any]:
    """What was or will be delivered to an address, newest first; the dead ones with their last error."""
    async with reading(call.shell.engine) as conn:
        webhook = await _found(call, conn)
        page = await webhooks.deliveries_of(
            conn, webhook.webhook_id, before=call.query.cursor, limit=call.query.limit + 1
        )
    shown, more = page[: call.query.limit], len(page) > call.query.limit
    return {
        "deliveries": [delivery_reply(each) for each in shown],
        "next": str(shown[-1].delivery_id) if more else None,
    }


def delivery_reply(each: Delivery) -> dict[str, Any]:
    """A delivery as it goes out."""
    return {
        "delivery_id": str(each.delivery_id),
        "event": each.event,
        "state": each.state,
        "attempts": each.attempts,
        "next_at": rfc3339(each.next_at) if each.state == "waiting" else None,
        "last_status": each.last_status,
        "last_error": each.last_error,
        "created_at": rfc3339(each.created_at),
        "body": each.body,
    }


async def post_redelivery(call: Call) -> None:
    """Try a dead delivery again."""
    async with transaction(call.shell.engine) as conn:
        webhook = await _found(call, conn)
        if not await webhooks.revive(conn, webhook.webhook_id, call.path_uuid("delivery_id"), call.now):
            raise Problem("not_found")


_ONE = "/v1/merchant/webhooks/{webhook_id}"

ROUTES = (
    Route(method="POST", path="/v1/merchant/webhooks", handler=post_webhooks, summary="Add a webhook", auth=OWN,
          body=WebhookBody, reply=WebhookReply, status=201, problems=(401, 403, 409, 413, 415, 422, 503)),
    Route(method="GET", path="/v1/merchant/webhooks", handler=get_webhooks, summary="Webhooks", auth=OWN,
          reply=WebhooksReply, problems=(401, 403, 503)),
    Route(method="DELETE", path=_ONE, handler=delete_webhook, summary="Remove a webhook", auth=OWN, status=204,
          problems=(401, 403, 404, 503)),
    Route(method="GET", path=f"{_ONE}/deliveries", handler=get_deliveries, summary="Deliveries", auth=OWN,
          query=DeliveriesQuery, reply=DeliveriesReply, problems=(401, 403, 404, 422, 503)),
    Route(method="POST", path=_ONE + "/deliveries/{delivery_id}/again", handler=post_redelivery,
          summary="Deliver a dead one again", auth=OWN, status=204, problems=(401, 403, 404, 503)),
)  # fmt: skip

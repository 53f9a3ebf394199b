"""Deliver webhooks: signed, with time limits, tried again later and later, and given up in the open.

The signature is HMAC-SHA256 over "<timestamp>.<body>" with the webhook's secret; a receiver that checks both it and the
age of the timestamp cannot be fooled by a repeated or a forged call.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from server.secrets import SealBroken, Vault
from server.stores import webhooks
from server.stores.db import AsyncEngine, transaction
from server.stores.webhooks import Delivery

log = structlog.get_logger()

SIGNATURE = "Xuankuan-Signature"
TIMEOUT_S = 10
LEASE = timedelta(seconds=60)
# Some three days in all; then it is dead, visible, and can be sent again by hand.
DELAYS_S = (10, 60, 300, 1800, 7200, 21_600, 86_400, 86_400)


def signature(secret: bytes, body: bytes, timestamp: int) -> str:
    """The header's value: "t=<timestamp>,v1=<hex>"."""
    mac = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={mac}"


def is_public(address: str) -> bool:
    """Whether an address lies outside of this and every other private network."""
    return ipaddress.ip_address(address.split("%")[0]).is_global


class PublicOnly(AbstractResolver):
    """Resolves names, and refuses those that lead into a private network: a merchant's address is not ours to visit."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise OSError(f"{host} is not a public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


class DeliverWebhooks:
    """The job. `private_too` lets a demo or a test deliver to this machine."""

    name = "deliver_webhooks"

    def __init__(self, engine: AsyncEngine, vault: Vault, *, private_too: bool) -> None:
        self._engine = engine
        self._vault = vault
        self._private_too = private_too

    async def run(self, now: datetime) -> int:
        """Attempt what is due; returns how many were attempted."""
        async with transaction(self._engine) as conn:
            due = await webhooks.take_due(conn, now, lease=LEASE)
        if not due:
            return 0
        resolver = ThreadedResolver()
        connector = aiohttp.TCPConnector(resolver=resolver if self._private_too else PublicOnly(resolver))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            await asyncio.gather(*(self._attempt(http, *each, now) for each in due))
        return len(due)

    async def _attempt(
        self, http: aiohttp.ClientSession, delivery: Delivery, url: str, sealed: bytes, now: datetime
    ) -> None:
        status, error = await self._send(http, delivery, url, sealed, now)
        good = status is not None and 200 <= status < 300
        dead = not good and delivery.attempts > len(DELAYS_S)
        state = "delivered" if good else "dead" if dead else "waiting"
        delay_s = DELAYS_S[min(delivery.attempts, len(DELAYS_S)) - 1]
        said = {"delivery": str(delivery.delivery_id), "webhook_event": delivery.event, "status": status}
        if delivery.request_id:
            said["request_id"] = delivery.request_id
        if dead:
            log.warning("webhook_dead", **said)
        else:
            log.info("webhook_delivered" if good else "webhook_waits", **said)
        async with transaction(self._engine) as conn:
            await webhooks.settle(
                conn,
                delivery.delivery_id,
                state=state,
                next_at=now + timedelta(seconds=delay_s),
                status=status,
                error=None if good else error,
                now=now,
            )

    async def _send(
        self, http: aiohttp.ClientSession, delivery: Delivery, url: str, sealed: bytes, now: datetime
    ) -> tuple[int | None, str | None]:
        """(HTTP status, what went wrong). A redirect is an answer like any other and is not followed."""
        try:
            secret = self._vault.open(sealed, about=delivery.webhook_id.bytes)
        except SealBroken:
            return None, "the secret cannot be opened; make the webhook anew"
        body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "xuankuan-webhook/1",
            "Xuankuan-Event": delivery.event,
            SIGNATURE: signature(secret, body, int(now.timestamp())),
        }
        try:
            if not self._private_too:
                _refuse_private_host(url)
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as reply:
                return reply.status, None if reply.status < 300 else f"answered {reply.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failed:
            return None, _short(failed)


def _refuse_private_host(url: str) -> None:
    """A literal address is never resolved, so it is looked at here. Raises OSError."""
    host = URL(url).host or ""
    try:
        public = is_public(host)
    except ValueError:
        return  # a name: the resolver looks at it
    if not public:
        raise OSError(f"{host} is not a public address")


def _short(error: Any) -> str:
    return (str(error) or type(error).__name__)[:200]

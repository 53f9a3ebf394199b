"""Issue an API key, and rotate one: the old key opens things for a while beside the new one, so that no call is dropped."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.edge.problems import Problem
from server.ids import uuid7
from server.stores import audit, merchants, tests
from server.stores.db import AsyncConnection

MOST_KEYS = 20
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key. `key` is told this once: only its digest is kept."""

    key_id: UUID
    key: str
    name: str
    scopes: tuple[str, ...]


async def issue_key(
    conn: AsyncConnection,
    merchant_id: UUID | None,
    *,
    name: str,
    scopes: Sequence[str],
    who: str,
    why: str = "",
    now: datetime,
    request_id: str = "",
) -> Issued:
    """A new key of a merchant, or of the office with roles among its scopes (None); whoever may write may read.

    Raises Problem `too_many_keys`.
    """
    # Keys that were rotated end by themselves.
    kept = await (tests.keys_of_merchant(conn, merchant_id) if merchant_id else merchants.office_keys(conn))
    live = [one for one in kept if one.revoked_at is None and one.expires_at is None]
    if len(live) >= MOST_KEYS:
        raise Problem("too_many_keys", params={"limit": MOST_KEYS})
    key = "xk_" + base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"=").decode()
    issued = Issued(uuid7(), key, name, tuple(sorted({*scopes, "read"})))
    await tests.add_api_key(
        conn, key_id=issued.key_id, digest=hashlib.sha256(key.encode()).digest(), merchant_id=merchant_id, name=name,
        scopes=issued.scopes, now=now,
    )  # fmt: skip
    await audit.write(
        conn, who=who, what="key.made", object_id=issued.key_id, why=why, now=now, request_id=request_id,
        after={"name": name, "scopes": list(issued.scopes), "merchant_id": str(merchant_id or "")},
    )  # fmt: skip
    return issued


async def rotate_key(
    conn: AsyncConnection,
    merchant_id: UUID,
    key_id: UUID,
    *,
    grace: timedelta,
    who: str,
    why: str = "",
    now: datetime,
    request_id: str = "",
) -> Issued:
    """A new key with the name and scopes of the old one, which ends after `grace`.

    Raises Problem `not_found` for a key that is not live, or that was rotated already.
    """
    ended = await merchants.end_key(conn, key_id, merchant_id=merchant_id, at=now + grace)
    if ended is None:
        raise Problem("not_found")
    await audit.write(
        conn, who=who, what="key.rotated", object_id=key_id, after={"ends_at": (now + grace).isoformat()}, why=why,
        now=now, request_id=request_id,
    )  # fmt: skip
    return await issue_key(
        conn, merchant_id, name=ended[0], scopes=ended[1], who=who, why=why, now=now, request_id=request_id
    )

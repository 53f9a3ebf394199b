"""Who is asking: bearer tokens for players, signed and self-contained, so that the hot path asks no database."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from server.edge.problems import Problem

_FIELDS = struct.Struct(">BB16s16s4sI")
_MAC_BYTES = 16
_VERSION = 1


@dataclass(frozen=True, slots=True)
class PlayerSession:
    """What a player's token says: who, from which device (four bytes stand for it), in which session, until when."""

    player_id: UUID
    session_id: UUID
    device: bytes
    expires_at: datetime


def issue_token(session: PlayerSession, keys: Mapping[int, bytes]) -> str:
    """The bearer token of a session: its fields under an HMAC-SHA256 cut to 128 bits."""
    key_id = max(keys)
    packed = _FIELDS.pack(
        _VERSION,
        key_id,
        session.player_id.bytes,
        session.session_id.bytes,
        session.device,
        int(session.expires_at.timestamp()),
    )
    mac = hmac.digest(keys[key_id], packed, "sha256")[:_MAC_BYTES]
    return base64.urlsafe_b64encode(packed + mac).rstrip(b"=").decode()


def read_token(token: str, keys: Mapping[int, bytes], *, now: datetime) -> PlayerSession:
    """The session of a token; raises Problem `unauthenticated` or `token_expired`."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Problem("unauthenticated") from None
    if len(raw) != _FIELDS.size + _MAC_BYTES or raw[0] != _VERSION:
        raise Problem("unauthenticated")
    packed, mac = raw[: _FIELDS.size], raw[_FIELDS.size :]
    key = keys.get(raw[1])
    if key is None or not hmac.compare_digest(hmac.digest(key, packed, "sha256")[:_MAC_BYTES], mac):
        raise Problem("unauthenticated")
    _, _, player, session, device, expires = _FIELDS.unpack(packed)
    if now.timestamp() >= expires:
        raise Problem("token_expired")
    return PlayerSession(UUID(bytes=player), UUID(bytes=session), device, datetime.fromtimestamp(expires, UTC))


def bearer(request: web.Request) -> str:
    """The token of the Authorization header; raises Problem `unauthenticated` where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("unauthenticated")
    return token.strip()

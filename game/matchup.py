"""A dealt pair, its offer and expiry; the signed ticket that carries it; why an answer to it is refused."""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

from game.errors import (
    ChoiceUnknown,
    TicketExpired,
    TicketForeign,
    TicketForged,
    TicketMalformed,
    TicketOfAnotherSession,
)

_VERSION: Final = 1
# version, key id | matchup, player, test, block | left, right, offer_g | dealt_at, expires_at (s)
# | device tag | segment | flags | snapshot version | selection probability (1/65535)
_FIELDS: Final = struct.Struct(">BB16s16s16s16sHHHII4sBBIH")
_MAC_BYTES: Final = 16
_CLEAR: Final = 2  # version and key number: what must be known before the rest can be read
_TICKET_BYTES: Final = _FIELDS.size + _MAC_BYTES
_EXPLORED: Final = 1
_PROBE: Final = 2
NO_DEVICE: Final = b"\0\0\0\0"


class Choice(IntEnum):
    """What a player answered. The values are those stored with a vote."""

    RIGHT = 0
    LEFT = 1
    NEITHER = 2
    UNCLEAR = 3

    @property
    def word(self) -> str:
        return self.name.lower()


_CHOICES: Final = {choice.word: choice for choice in Choice}


def choice_from(word: str) -> Choice:
    """Read "left", "right", "neither" or "unclear"; raises ChoiceUnknown."""
    try:
        return _CHOICES[word]
    except KeyError:
        raise ChoiceUnknown(choice=word) from None


@dataclass(frozen=True, slots=True)
class Matchup:
    """Two styles as shown (positions in the test) to one player, with an offer in grams and an expiry.

    `block_id` names the reservation that the offer is paid from, `explored` whether chance rather than need chose the
    pair, `probability` how likely that pair was to be dealt, `snapshot` the version of the ranking it was chosen by.
    """

    matchup_id: UUID
    player_id: UUID
    test_id: UUID
    block_id: UUID
    left: int
    right: int
    offer_g: int
    dealt_at: datetime
    expires_at: datetime
    device: bytes = NO_DEVICE
    segment: int = 0
    explored: bool = False
    probe: bool = False
    snapshot: int = 0
    probability: float = 0.0


def device_tag(device: str) -> bytes:
    """Four bytes that stand for a device in a ticket; not reversible, the same for the same device."""
    return hashlib.blake2s(device.encode(), digest_size=4).digest()


def sign(matchup: Matchup, keys: Mapping[int, bytes]) -> str:
    """The ticket of a matchup: its fields and a MAC (HMAC-SHA256 cut to 128 bits, RFC 2104) under the newest key.

    `keys` maps a key's number (0..255) to its bytes; the greatest number signs, all of them verify, so that a key can
    be rotated while tickets are out. Everything after these two bytes is masked with a stream that only the key and the MAC
    give (a synthetic IV, RFC 5297): positions and probabilities would tell check pairs from others to whoever can decode
    base64, and a check that is recognisable is no check.
    """
    key_id = max(keys)
    packed = _FIELDS.pack(
        _VERSION,
        key_id,
        matchup.matchup_id.bytes,
        matchup.player_id.bytes,
        matchup.test_id.bytes,
        matchup.block_id.bytes,
        matchup.left,
        matchup.right,
        matchup.offer_g,
        int(matchup.dealt_at.timestamp()),
        int(matchup.expires_at.timestamp()),
        matchup.device,
        matchup.segment,
        (_EXPLORED if matchup.explored else 0) | (_PROBE if matchup.probe else 0),
        matchup.snapshot,
        round(min(1.0, max(0.0, matchup.probability)) * 65535),
    )
    mac = hmac.digest(keys[key_id], packed, "sha256")[:_MAC_BYTES]
    return (
        base64.urlsafe_b64encode(packed[:_CLEAR] + _masked(packed[_CLEAR:], keys[key_id], mac) + mac)
        .rstrip(b"=")
        .decode()
    )


def _masked(body: bytes, key: bytes, mac: bytes) -> bytes:
    """The body under its mask, or out of it again; every ticket has another MAC, hence another mask."""
    stream = hashlib.shake_256(b"ticket" + key + mac).digest(len(body))
    return (int.from_bytes(body, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(body), "big")


def read(ticket: str, keys: Mapping[int, bytes]) -> Matchup:
    """The matchup that a ticket carries; raises TicketMalformed or TicketForged. Says nothing of expiry or owner."""
    try:
        raw = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TicketMalformed from None
    if len(raw) != _TICKET_BYTES or raw[0] != _VERSION:
        raise TicketMalformed
    mac = raw[_FIELDS.size :]
    key = keys.get(raw[1])
    if key is None:
        raise TicketForged
    packed = raw[:_CLEAR] + _masked(raw[_CLEAR : _FIELDS.size], key, mac)
    if not hmac.compare_digest(hmac.digest(key, packed, "sha256")[:_MAC_BYTES], mac):
        raise TicketForged
    (
        _,
        _,
        matchup,
        player,
        test,
        block,
        left,
        right,
        offer_g,
        dealt,
        expires,
        device,
        segment,
        flags,
        snapshot,
        prob,
    ) = _FIELDS.unpack(packed)
    return Matchup(
        matchup_id=UUID(bytes=matchup),
        player_id=UUID(bytes=player),
        test_id=UUID(bytes=test),
        block_id=UUID(bytes=block),
        left=left,
        right=right,
        offer_g=offer_g,
        dealt_at=datetime.fromtimestamp(dealt, UTC),
        expires_at=datetime.fromtimestamp(expires, UTC),
        device=device,
        segment=segment,
        explored=bool(flags & _EXPLORED),
        probe=bool(flags & _PROBE),
        snapshot=snapshot,
        probability=prob / 65535,
    )


def check(matchup: Matchup, *, player_id: UUID, device: bytes, now: datetime) -> None:
    """Raise unless this player on this device may answer now. A ticket is good up to and including its last second."""
    if matchup.player_id != player_id:
        raise TicketForeign
    if matchup.device not in (NO_DEVICE, device):
        raise TicketOfAnotherSession
    if now.timestamp() >= matchup.expires_at.timestamp() + 1:
        raise TicketExpired(expires_at=matchup.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"))

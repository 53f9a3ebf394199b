"""The vault: what must be read again but by nobody who only has the database (addresses) is sealed with a rotating key.

AES-256-GCM (NIST SP 800-38D) under a key derived with HKDF-SHA256 (RFC 5869) from the configured secret. A sealed value
says which key sealed it, so keys rotate: new values take the newest, old ones open while their key is configured.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.config import Config

_VERSION = 1
_NONCE_BYTES = 12
_HEAD_BYTES = 2 + _NONCE_BYTES


def keyed_hash(key: bytes, text: str) -> bytes:
    """HMAC-SHA256 of a text (RFC 2104), cut to sixteen bytes."""
    return hmac.digest(key, text.encode(), hashlib.sha256)[:16]


class SealBroken(Exception):
    """A sealed value cannot be opened: its key is not configured, it was changed, or it belongs to something else."""


def vault_of(config: Config) -> "Vault":
    """The vault of a configuration."""
    return Vault(config.vault_keys, in_use=config.vault_key_in_use or None)


class Vault:
    """Seals and opens small values. `keys` maps key numbers (1 to 255) to secrets; the greatest number seals.

    `in_use` is the number of another key that seals instead: so a new key can be known to every process before the
    first of them seals with it, and processes are restarted one by one without any that meets what it cannot open.
    """

    def __init__(self, keys: Mapping[int, bytes], *, in_use: int | None = None) -> None:
        assert keys, "a vault has a key"
        assert all(0 < number < 256 for number in keys), "a key's number is one byte"
        self.newest = in_use or max(keys)
        assert self.newest in keys, "the key in use is one of the keys"
        self._oldest = keys[min(keys)]
        self._keys = {self.newest: keys[self.newest], **keys}
        self._ciphers = {
            number: AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"xuankuan vault").derive(secret))
            for number, secret in keys.items()
        }

    def digest(self, text: str) -> bytes:
        """Sixteen bytes that stand for a text and cannot be turned back without the key.

        Under the oldest key, so that a text keeps its digest when keys rotate: links are found by equality.
        """
        return keyed_hash(self._oldest, text)

    def names_of(self, text: str) -> tuple[bytes, ...]:
        """The digest of a text under every key, the one in use first: what it is looked for by while keys rotate."""
        return tuple(keyed_hash(key, text) for key in self._keys.values())

    def seal(self, plain: bytes, *, about: bytes) -> bytes:
        """`plain` sealed with the newest key. `about` names its owner, and opening asks for the same name: a sealed
        value that is copied into another row stays shut."""
        head = bytes((_VERSION, self.newest)) + os.urandom(_NONCE_BYTES)
        return head + self._ciphers[self.newest].encrypt(head[2:], plain, head[:2] + about)

    def open(self, sealed: bytes, *, about: bytes) -> bytes:
        """What was sealed. Raises `SealBroken`."""
        if len(sealed) < _HEAD_BYTES or sealed[0] != _VERSION or sealed[1] not in self._ciphers:
            raise SealBroken
        try:
            return self._ciphers[sealed[1]].decrypt(sealed[2:_HEAD_BYTES], sealed[_HEAD_BYTES:], sealed[:2] + about)
        except InvalidTag:
            raise SealBroken from None

    def is_stale(self, sealed: bytes) -> bool:
        """Whether a newer key than the one that sealed this is configured: open it and seal it anew."""
        return len(sealed) >= 2 and sealed[1] != self.newest

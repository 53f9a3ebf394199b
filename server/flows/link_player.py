"""Link a player to where his boxes go: by keyed hashes of the place and of the phone, and never by their text."""

import unicodedata
from datetime import datetime
from uuid import UUID

from rewards.prizes import Address
from server.secrets import Vault
from server.stores import standings
from server.stores.db import AsyncConnection

CHINA = "86"
MOBILE_DIGITS = 11


async def link_player(conn: AsyncConnection, player_id: UUID, address: Address, *, vault: Vault, now: datetime) -> None:
    """Note that a player has this payee and this phone. Families share both: a link joins evidence and is no guilt."""
    place = "".join((address.province, address.city, address.district, address.street))
    for kind, text in (("payee", place), ("phone", address.phone)):
        await standings.link_player(conn, player_id, kind=kind, digest=vault.digest(link_text(kind, text)), now=now)


def link_text(kind: str, text: str) -> str:
    """What is hashed of a device, a payee or a phone: the same for all ways of writing the same."""
    if kind == "phone":
        digits = "".join(char for char in unicodedata.normalize("NFKC", text) if char.isdigit())
        text = digits.removeprefix(CHINA) if len(digits) == len(CHINA) + MOBILE_DIGITS else digits
    elif kind == "payee":
        # Whoever wants to look like several people writes his street in several ways.
        text = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    return f"{kind}:{text}"

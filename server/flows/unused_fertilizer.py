"""Unused fertilizer: the grams of a wallet by the day on which they can be used last, as they are at this moment."""

from collections.abc import Sequence
from datetime import date

from rewards import farm as rules
from rewards.economy import DEFAULT, Economy
from rewards.farm import DayCredit, Lot
from server.stores import farm
from server.stores.db import AsyncConnection
from server.stores.farm import OldGrams

Lives = Sequence[tuple[date, int]]
"""From which day on fertilizer could be used for how many days, the first entry from ever."""


async def lives_of(conn: AsyncConnection, economy: Economy) -> Lives:
    """How long grams of which day live; before the first change that was saved, as long as the default says."""
    saved = await farm.expiry_history(conn)
    return ((date.min, DEFAULT.expiry_days if saved else economy.expiry_days), *saved)


def unused_fertilizer(wallet: OldGrams, lives: Lives) -> tuple[Lot, ...]:
    """What of this wallet is unused, the next to expire first."""
    credits = tuple(DayCredit(day, amount_g, rules.expiry_days_of(day, lives)) for day, amount_g in wallet.credits)
    return rules.lots(credits, debited_g=wallet.debited_g)

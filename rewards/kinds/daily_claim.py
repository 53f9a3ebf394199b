"""The daily claim: once a programme day, by the server's clock, the amount that the player's tree was planted with."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from rewards.days import day_ends_at, day_of
from rewards.economy import Economy
from rewards.errors import AlreadyClaimed, WalletFull
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class DailyClaim:
    code: str = "daily_claim"
    name_zh: str = "每日领取"
    name_en: str = "Daily claim"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (Figure("daily_claim", economy.daily_claim_g, "g"),)

    def award(
        self,
        *,
        player_id: UUID,
        amount_g: int,
        claimed_on: date | None,
        wallet_g: int,
        wallet_cap_g: int,
        now: datetime,
    ) -> Award:
        """Today's claim. A day that lies before the last claim (a clock that was set back) is claimed already, too.

        Raises `AlreadyClaimed` and `WalletFull`.
        """
        today = day_of(now)
        if claimed_on is not None and today <= claimed_on:
            raise AlreadyClaimed(next_at=day_ends_at(claimed_on))
        if wallet_g + amount_g > wallet_cap_g:
            raise WalletFull(wallet_g=wallet_g, cap_g=wallet_cap_g)
        return Award(kind=self.code, player_id=player_id, amount_g=amount_g, fact=f"{player_id}:{today}")


DAILY_CLAIM = DailyClaim()

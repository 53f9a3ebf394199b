"""Restoration: grams that were voided or taken back wrongly come again after a successful appeal."""

from dataclasses import dataclass
from uuid import UUID

from rewards.economy import Economy
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class Restored:
    code: str = "restored"
    name_zh: str = "申诉成功补发"
    name_en: str = "Restored after appeal"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return ()

    def award(self, *, player_id: UUID, grant_id: UUID, amount_g: int) -> Award:
        """The amount of one voided (or reversed) grant; a grant is restored once, however many appeals there are."""
        return Award(kind=self.code, player_id=player_id, amount_g=amount_g, fact=str(grant_id))


RESTORED = Restored()

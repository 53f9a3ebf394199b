"""Compensation: when a box cannot come, its grams come back, so that the next tree starts with them."""

from dataclasses import dataclass
from uuid import UUID

from rewards.economy import Economy
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class Compensation:
    code: str = "compensation"
    name_zh: str = "补偿"
    name_en: str = "Compensation"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return tuple(Figure(f"compensation_{one.code}", one.requirement_g, "g") for one in economy.varieties)

    def award(self, *, player_id: UUID, order_id: UUID, box_g: int) -> Award:
        """All grams of the box, for an order that is compensated; an order is compensated once."""
        return Award(kind=self.code, player_id=player_id, amount_g=box_g, fact=str(order_id))


COMPENSATION = Compensation()

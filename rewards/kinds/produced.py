"""The style you chose was made (你选的款,真的做出来了): for those who preferred a style that the merchant produced."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from rewards.economy import Economy
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class Produced:
    code: str = "produced"
    name_zh: str = "你选的款,真的做出来了"
    name_en: str = "The style you chose was made"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (Figure("produced", economy.produced_g, "g"),)

    def awards(self, *, test_id: UUID, style_id: UUID, chose_it: Iterable[UUID], economy: Economy) -> tuple[Award, ...]:
        """One award for each player who chose the style at least once; how often does not matter, and no list twice."""
        return tuple(
            Award(
                kind=self.code,
                player_id=player_id,
                amount_g=economy.produced_g,
                fact=f"{test_id}:{style_id}:{player_id}",
            )
            for player_id in sorted(set(chose_it))
        )


PRODUCED = Produced()

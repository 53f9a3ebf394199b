"""The bonus for consistent answers: each full hundred of vetted votes of a player in good standing.

It goes by votes that passed review, never by single check questions: a bonus right after one would give it away.
"""

from dataclasses import dataclass
from uuid import UUID

from rewards.economy import Economy
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class Consistency:
    code: str = "consistency"
    name_zh: str = "认真作答"
    name_en: str = "Consistent answers"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (
            Figure("consistency", economy.consistency_g, "g"),
            Figure("consistency_votes", economy.consistency_votes, "votes"),
        )

    def awards(
        self, *, player_id: UUID, vetted_votes: int, trusted: bool, awarded_hundreds: int, economy: Economy
    ) -> tuple[Award, ...]:
        """One award for each full hundred that has none yet. Watched and muted players wait, and lose nothing by it."""
        if not trusted:
            return ()
        return tuple(
            Award(
                kind=self.code,
                player_id=player_id,
                amount_g=economy.consistency_g,
                fact=f"{player_id}:{hundred}",
            )
            for hundred in range(awarded_hundreds + 1, vetted_votes // economy.consistency_votes + 1)
        )


CONSISTENCY = Consistency()

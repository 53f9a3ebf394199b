"""A counted choice: the offer that was fixed when the pair was dealt, paid out of the test's own budget."""

from dataclasses import dataclass

from rewards.economy import Economy
from rewards.kinds.awards import Figure


@dataclass(frozen=True, slots=True)
class PerVote:
    code: str = "per_vote"
    name_zh: str = "选款"
    name_en: str = "Choosing"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (
            Figure("choice", economy.choice_g, "g"),
            Figure("paid_choices_per_day", economy.paid_choices_per_day, "times"),
        )

    def offer_g(self, economy: Economy) -> int:
        """What a matchup dealt now offers. Stays what it is on the ticket, whatever the economy says later."""
        return economy.choice_g


PER_VOTE = PerVote()

"""The streak: seven days of claims in a row bring a bonus; one make-up card a week bridges one missed day.

The card is used by itself, on the next claim: a reward that is lost because a button was overlooked would be a trick.
"""

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from rewards.economy import Economy
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """A player's run of days: `days` in the current week of the run (never a full one), and its cards left."""

    claimed_on: date | None = None
    days: int = 0
    cards: int = 0
    weeks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakClaim:
    """What a claim did to the streak: how it stands, whether a card bridged a day, and the bonus of a full week."""

    streak: Streak
    card_used: bool
    award: Award | None


@dataclass(frozen=True, slots=True)
class StreakKind:
    code: str = "streak"
    name_zh: str = "连续七天"
    name_en: str = "Seven days in a row"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return (
            Figure("streak", economy.streak_g, "g"),
            Figure("streak_days", economy.streak_days, "days"),
            Figure("makeup_cards_per_streak", economy.makeup_cards_per_streak, "times"),
        )

    def claim(
        self, streak: Streak, *, player_id: UUID, today: date, streak_days: int, streak_g: int, cards: int
    ) -> StreakClaim:
        """The streak after today's claim, which must be a new day (`daily_claim` has refused any other).

        A day bridged by a card counts as a day of the run. `streak_days`, `streak_g` and `cards` come from the terms
        of the player's tree.
        """
        assert streak.claimed_on is None or today > streak.claimed_on
        missed = (today - streak.claimed_on).days - 1 if streak.claimed_on is not None else None
        card_used = missed == 1 and streak.cards > 0
        if missed == 0:
            running = replace(streak, days=streak.days + 1)
        elif card_used:
            running = replace(streak, days=streak.days + 2, cards=streak.cards - 1)
        else:
            running = Streak(days=1, cards=cards, weeks=streak.weeks)
        running = replace(running, claimed_on=today)
        if running.days < streak_days:
            return StreakClaim(streak=running, card_used=card_used, award=None)
        full = replace(running, days=running.days - streak_days, cards=cards, weeks=running.weeks + 1)
        award = Award(kind=self.code, player_id=player_id, amount_g=streak_g, fact=f"{player_id}:{today}")
        return StreakClaim(streak=full, card_used=card_used, award=award)

    def still_running(self, streak: Streak, *, today: date) -> int:
        """The days of the run as they stand for someone who has not claimed yet: 0 when it is broken already."""
        if streak.claimed_on is None:
            return 0
        missed = (today - streak.claimed_on).days - 1
        return streak.days if missed <= 0 or (missed == 1 and streak.cards > 0) else 0


STREAK = StreakKind()

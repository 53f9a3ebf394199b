"""Which opinion of a player binds: what review concluded last, or what a person ruled; and how a case and an appeal end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from game.abuse.verdict import REASONS, STANDINGS, Reason, Standing, Verdicts
from game.errors import CaseClosed, FourEyesNeeded, NothingToAppeal

RULING_LIFE: Final = timedelta(days=90)
"""How long a person's ruling binds review. Whoever was cleared is not muted again by the same evidence a second later."""
NOTABLE: Final = 0.05
"""A weight that moves by less than this is the same opinion: rows are written for news, not for noise."""
MIN_APPEAL: Final = 5
MAX_APPEAL: Final = 500


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is thought of a player now. `weight` (0 to 1) is what each of the player's votes counts at the next refit."""

    standing: Standing
    reasons: tuple[str, ...] = ()
    weight: float = 1.0
    p_abusive: float = 0.0


CLEARED: Final = Opinion("trusted")


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's word on a player, and when it was spoken."""

    opinion: Opinion
    at: datetime

    def binds(self, now: datetime) -> bool:
        return now < self.at + RULING_LIFE


class Outcome(StrEnum):
    """How a case or an appeal ends: the sanction was wrong, or it was right."""

    LIFTED = "lifted"
    UPHELD = "upheld"


class CaseState(StrEnum):
    """A case waits for a person, or was judged one way."""

    OPEN = "open"
    LIFTED = "lifted"
    UPHELD = "upheld"


class Suggestion(StrEnum):
    """What review suggests that an operator do. It decides nothing."""

    UPHOLD = "uphold"  # content-free evidence leaves little doubt
    LOOK = "look"  # look at the figures before anything else
    LOOK_TOGETHER = "look_together"  # several accounts: judge them side by side


SUGGESTION_WORDS: Final = {
    Suggestion.UPHOLD: ("证据充分,建议维持。", "The evidence is strong: uphold."),
    Suggestion.LOOK: ("请先核对证据再决定。", "Check the figures before you decide."),
    Suggestion.LOOK_TOGETHER: (
        "多个账号相互关联,请一并核对。",
        "Several accounts belong together: judge them side by side.",
    ),
}


def opinion_of(verdicts: Verdicts, row: int) -> Opinion:
    """The opinion in one row of review's verdicts. A trusted player's votes count in full, and no reasons are given."""
    standing = STANDINGS[int(verdicts.standing[row])]
    p_abusive = float(verdicts.p_abusive[row])
    if standing == "trusted":
        return Opinion("trusted", p_abusive=p_abusive)
    weight = 0.0 if standing == "muted" else round(float(verdicts.reliability[row]), 2)
    return Opinion(standing, verdicts.reasons(row), weight, p_abusive)


def binding(concluded: Opinion, ruling: Ruling | None, *, now: datetime) -> Opinion:
    """The opinion that has effect: a person's word while it binds, otherwise what review concludes."""
    return ruling.opinion if ruling is not None and ruling.binds(now) else concluded


def steadied(before: Opinion, concluded: Opinion) -> Opinion:
    """What review's conclusion makes of the opinion before it: who is muted stays so until review would trust him again.

    Around one threshold an opinion would flicker with every vote, and each flicker moves grams.
    """
    return before if before.standing == "muted" and concluded.standing == "watched" else concluded


def is_news(before: Opinion, after: Opinion) -> bool:
    """Whether the new opinion is worth a row: another standing, or a weight that moved notably."""
    return before.standing != after.standing or abs(before.weight - after.weight) >= NOTABLE


def ruled(outcome: Outcome, present: Opinion, suspected: Iterable[str]) -> Opinion:
    """What a person's word makes of a player: cleared, or muted for the reasons that the case was opened for."""
    if outcome is Outcome.LIFTED:
        return CLEARED
    return Opinion("muted", tuple(suspected) or present.reasons, 0.0, max(present.p_abusive, 0.99))


def suggestion_for(p_free: float, n_players: int) -> Suggestion:
    """What to suggest, by P(abusive) of evidence that is free of content, and how many accounts the case is about."""
    if n_players > 1:
        return Suggestion.LOOK_TOGETHER
    return Suggestion.UPHOLD if p_free >= 0.995 else Suggestion.LOOK


def judged(state: CaseState, outcome: Outcome) -> CaseState:
    """The state of a case after a person's word. A case that was upheld may still be lifted, on appeal; no other way back.

    Raises CaseClosed.
    """
    if state is CaseState.OPEN or (state is CaseState.UPHELD and outcome is Outcome.LIFTED):
        return CaseState(outcome.value)
    raise CaseClosed(state=state.value)


def may_appeal(standing: str) -> None:
    """Raise NothingToAppeal unless there is something to contest."""
    if standing == "trusted":
        raise NothingToAppeal


def second_pair_of_eyes(proposed_by: UUID | None, approver: UUID | None) -> None:
    """Raise FourEyesNeeded unless two different persons act; the holder of a key is no person."""
    if proposed_by is None or approver is None or proposed_by == approver:
        raise FourEyesNeeded


def words_for(reasons: Iterable[str]) -> tuple[Reason, ...]:
    """The sentences of reason codes, in both languages; a code without one is said in general words."""
    return tuple(
        REASONS.get(code, Reason(code, "系统发现了异常的选择方式。", "An unusual way of choosing was found."))
        for code in reasons
    )

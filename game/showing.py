"""What a merchant is shown of a running test: in steps of votes and rounded, so that nobody learns what one vote did.

Whoever pushes a style would like to see whether his last vote counted. Estimates that move only every twentieth vote, by
the votes of twenty players together, and of which two digits are shown, tell him nothing that is worth his trouble. What
was counted (votes, money) is exact at any time, and a test that has ended is shown as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

STEP_VOTES: Final = 20
GROWS_AT: Final = 40
"""A step is at least so many votes, and doubles whenever there are so many steps: later estimates move more slowly."""

_LOGIT_DIGITS: Final = 2
_CHANCE_DIGITS: Final = 3
_LOGITS: Final = ("strength", "standard_error", "low", "high")
_CHANCES: Final = ("share", "share_low", "share_high", "p_best", "p_top")


def shown_from(votes: int) -> int:
    """The number of votes at which the estimates that are shown were made, when there are `votes` now.

    The first few are shown at once: they are called early estimates, and say so little that there is nothing to hide.
    """
    if votes < STEP_VOTES:
        return votes
    step = STEP_VOTES
    while votes >= GROWS_AT * step:
        step *= 2
    return votes // step * step


def rounded(document: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot's document with as many digits as a running test shows."""
    shown = {**document, "items": [_rounded(item) for item in document.get("items", [])]}
    if document.get("segments"):
        shown["segments"] = {
            name: {**part, "items": [_rounded(item) for item in part["items"]]}
            for name, part in document["segments"].items()
        }
    decision = document.get("decision")
    if decision:
        shown["decision"] = {**decision, "probability": round(decision["probability"], _CHANCE_DIGITS)}
    if "weightless_votes" in document:
        # To the full ten: one more would tell one voter what became of his vote.
        shown["weightless_votes"] = document["weightless_votes"] // 10 * 10
    return shown


def _rounded(item: Mapping[str, Any]) -> dict[str, Any]:
    digits = dict.fromkeys(_LOGITS, _LOGIT_DIGITS) | dict.fromkeys(_CHANCES, _CHANCE_DIGITS)
    return {name: round(value, digits[name]) if name in digits else value for name, value in item.items()}

"""A mirror of one's own taste: which levels of which attributes a player chose when there was a choice between them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

ENOUGH_CHOICES: Final = 20
"""Below this many choices a mirror shows chance, and none is held up."""
ENOUGH_MEETINGS: Final = 5
"""A level that was on offer fewer times than this is not spoken of."""
MOST_LEVELS: Final = 6
MOST_ATTRIBUTES: Final = 8


@dataclass(frozen=True, slots=True)
class Favourite:
    """Of `n` times that this level stood against another of its attribute, it was chosen `share_permille` in 1000."""

    attribute: str
    level: str
    share_permille: int
    n: int


def favourites(choices: Iterable[tuple[Mapping[str, object], Mapping[str, object]]]) -> tuple[Favourite, ...]:
    """What choices, each as (attributes of the chosen style, of the other one), say of a player's taste.

    Only pairs that differ in an attribute speak of it, and only levels in words do: numbers have no favourite. The
    attributes that were met most come first, and of each the levels chosen most. Nothing is said below ENOUGH_CHOICES.
    """
    met: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    n_choices = 0
    for chosen, other in choices:
        n_choices += 1
        for attribute in chosen.keys() & other.keys():
            level, against = chosen[attribute], other[attribute]
            if isinstance(level, str) and isinstance(against, str) and level != against:
                met[attribute, level][0] += 1
                met[attribute, level][1] += 1
                met[attribute, against][1] += 1
    if n_choices < ENOUGH_CHOICES:
        return ()
    by_attribute: dict[str, list[Favourite]] = defaultdict(list)
    for (attribute, level), (won, n) in met.items():
        if n >= ENOUGH_MEETINGS:
            # Rounded half up, in whole numbers: the same everywhere.
            by_attribute[attribute].append(Favourite(attribute, level, (2000 * won + n) // (2 * n), n))
    ranked = sorted(by_attribute.values(), key=lambda levels: (-sum(one.n for one in levels), levels[0].attribute))
    return tuple(
        one
        for levels in ranked[:MOST_ATTRIBUTES]
        for one in sorted(levels, key=lambda one: (-one.share_permille, -one.n, one.level))[:MOST_LEVELS]
    )

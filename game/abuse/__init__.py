"""Finding unfair votes without punishing taste: evidence, one signal per file, and the verdict.

A new signal is a new file, its test, and one line in SIGNALS.
"""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from game.abuse.agreement import Agreement
from game.abuse.evidence import Floats, Ints, PlayerTable, VoteTable
from game.abuse.gold import Gold
from game.abuse.links import Links
from game.abuse.obvious import Obvious
from game.abuse.patterns import Patterns
from game.abuse.push import Push
from game.abuse.response_time import ResponseTime
from game.abuse.same_sequence import SameSequence
from game.abuse.session_shape import SessionShape
from game.abuse.sides import Sides


class Signal(Protocol):
    """One kind of evidence about many players, as running sums: a batch of votes costs in proportion to the batch."""

    name: str
    content_free: bool
    """Whether the evidence says nothing of what a player likes; only then may it mute."""

    def add(self, votes: VoteTable) -> None:
        """Take in more votes. Those of one player must come in the order in which they were given."""

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        """(len(players), len(WAYS)) nats for each way of voting unfairly against voting honestly; 0 where there is no
        evidence.
        """

    def measures(self, player: int) -> dict[str, float]:
        """The figures behind it for one player, for an operator to check."""


@runtime_checkable
class Calibrated(Protocol):
    """A signal that compares a player with the crowd, and must look at the crowd now and then."""

    def calibrate(self, players: Ints, table: PlayerTable) -> None: ...


SIGNALS: Final[tuple[Callable[[], Signal], ...]] = (
    Sides,
    Patterns,
    Gold,
    ResponseTime,
    SessionShape,
    SameSequence,
    Push,
    Links,
    Obvious,
    Agreement,
)

"""Why evidence is refused: the table does not say what a table of votes must say."""

from typing import ClassVar

from game.errors import GameRefusal


class EvidenceInvalid(GameRefusal):
    """Row {row} of the evidence cannot be used: {problem}."""

    code: ClassVar[str] = "evidence_invalid"

"""Content review: what of a test players would see, piece by piece, and whether it may be shown to them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from game.attributes import VOCABULARY
from game.errors import ContentRefused
from game.style_test import Style, StyleTest


class ContentState(StrEnum):
    """What review says of one piece: it may be shown, nobody has looked yet, a person must look, it may not."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    PENDING = "pending"
    REVIEW = "review"
    RISKY = "risky"


STATE_WORDS: dict[ContentState, tuple[str, str]] = {
    ContentState.PASS: ("已通过", "Passed"),
    ContentState.PENDING: ("等待检查", "Waiting to be checked"),
    ContentState.REVIEW: ("等待人工审核", "Waiting for a person"),
    ContentState.RISKY: ("未通过", "Refused"),
}
_WORST_FIRST = (ContentState.RISKY, ContentState.REVIEW, ContentState.PENDING, ContentState.PASS)


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that is looked at as a whole: a style with its picture and words, or the words of the test itself.

    `digest` names what would be seen; whatever else changes (a cost, a place in the list) needs no second look.
    """

    digest: bytes
    style_id: UUID | None
    title: str
    words: str
    picture: str | None


def pieces_of(test: StyleTest) -> tuple[Piece, ...]:
    """All pieces of a test: its own words first, then its styles in order."""
    own = _words(test.title, test.title_en, test.question, test.question_en)
    return (_piece(None, test.title, own, None), *(_style_piece(style) for style in test.styles))


def _style_piece(style: Style) -> Piece:
    known = {attribute.code: attribute for attribute in VOCABULARY}
    told = [
        f"{known[name].label('zh')} {known[name].level_label(value, 'zh')}" if name in known else f"{name} {value}"
        for name, value in style.attributes
        if isinstance(value, str)
    ]
    return _piece(style.style_id, style.title, _words(style.title, style.title_en, *told), style.picture)


def _piece(style_id: UUID | None, title: str, words: str, picture: str | None) -> Piece:
    digest = hashlib.sha256(f"{picture or ''}\n{words}".encode()).digest()
    return Piece(digest, style_id, title, words, picture)


def _words(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part)


def together(states: Iterable[ContentState]) -> ContentState:
    """What several looks at one piece, or at all pieces of a test, come to: the worst of them; PASS where there is none."""
    found = set(states)
    return next((state for state in _WORST_FIRST if state in found), ContentState.PASS)


def standing(pieces: Iterable[Piece], known: Mapping[bytes, tuple[ContentState, str]]) -> ContentState:
    """What a test's pieces come to, given (state, note) by digest; one that nobody has handed in counts as waiting."""
    return together(known[piece.digest][0] if piece.digest in known else ContentState.PENDING for piece in pieces)


def refused(pieces: Iterable[Piece], known: Mapping[bytes, tuple[ContentState, str]]) -> tuple[tuple[Piece, str], ...]:
    """The pieces that may not be shown, each with the reason that was given."""
    return tuple(
        (piece, known[piece.digest][1])
        for piece in pieces
        if piece.digest in known and known[piece.digest][0] is ContentState.RISKY
    )


def refuse_risky(pieces: Iterable[Piece], known: Mapping[bytes, tuple[ContentState, str]]) -> None:
    """Raise ContentRefused when any of the pieces may not be shown, naming the first."""
    for piece, why in refused(pieces, known):
        raise ContentRefused(what=f"“{piece.title}”", why=f"{why} " if why else "")

"""What the calls of operators share: why something is done, and cursors of pages."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import pydantic

from server.api import reward_words  # noqa: F401 - its words join the catalogue
from server.edge.problems import Problem
from server.edge.wire import Wire

Reason = Annotated[str, pydantic.Field(min_length=4, max_length=500)]
"""Why: kept in the audit log, for whoever asks later."""

Cursor = Annotated[str | None, pydantic.Field(max_length=300)]
Limit = Annotated[int, pydantic.Field(ge=1, le=100)]

READS = (401, 403, 404, 422, 503)
WRITES = (401, 403, 404, 409, 413, 415, 422, 503)


class Filters(Wire):
    """A query that a form writes: a field that was left empty is not asked for."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_empty(cls, pairs: Any) -> Any:
        return {name: value for name, value in pairs.items() if value != ""} if isinstance(pairs, dict) else pairs


def aware(text: str) -> datetime:
    """A moment in a cursor. Raises ValueError for one without a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def number(text: str) -> int:
    """A row's number in a cursor. Raises ValueError for what no row has."""
    found = int(text)
    if not 0 <= found < 2**62:
        raise ValueError(text)
    return found


def pack(*key: object) -> str:
    """The cursor of the page after this key."""
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in key]).encode()).decode()


def unpack(cursor: str | None, *readers: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The key in a cursor, each part read by its reader; None for the first page. Raises Problem for anything else."""
    if not cursor:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not isinstance(parts, list) or len(parts) != len(readers):
            raise ValueError
        return tuple(reader(str(part)) for reader, part in zip(readers, parts, strict=True))
    except (ValueError, UnicodeError, TypeError):
        raise Problem(
            "field_invalid", field="cursor", params={"field_name": "cursor", "problem": "send `next` of the last page"}
        ) from None

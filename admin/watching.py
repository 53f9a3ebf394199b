"""Who watches a test: however many pages look at it, it is read once and written as text once per change."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

FRESH_FOR_S = 0.7
FORGET_AFTER_S = 60.0


@dataclass(slots=True)
class Seen:
    """The last look at one test: its document as an event, ready to send."""

    looked_s: float = -1e9
    mark: Any = None
    number: int = 0
    state: str = ""
    event: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Watching:
    """Shared looks at tests. `mark_of` tells cheaply whether anything changed; `document_of` loads what is sent."""

    def __init__(self) -> None:
        self._seen: dict[UUID, Seen] = {}

    async def look(
        self,
        test_id: UUID,
        mark_of: Callable[[], Awaitable[Any]],
        document_of: Callable[[], Awaitable[dict[str, Any]]],
    ) -> Seen:
        """The newest look, at most `FRESH_FOR_S` old."""
        seen = self._seen.get(test_id)
        if seen is None:
            self._forget()
            seen = self._seen[test_id] = Seen()
        async with seen.lock:
            now_s = time.monotonic()
            if now_s - seen.looked_s < FRESH_FOR_S:
                return seen
            mark = await mark_of()
            if mark != seen.mark:
                document = await document_of()
                seen.mark, seen.number, seen.state = mark, seen.number + 1, document["state"]
                data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
                seen.event = f"id: {document['version']}\nevent: ranking\ndata: {data}\n\n".encode()
            seen.looked_s = now_s
            return seen

    def _forget(self) -> None:
        old_s = time.monotonic() - FORGET_AFTER_S
        self._seen = {test_id: seen for test_id, seen in self._seen.items() if seen.looked_s > old_s}

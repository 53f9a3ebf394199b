"""Again and again: what a process keeps at hand is looked up anew for ever, whatever becomes of one look."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()


async def again(refresh: Callable[[], Awaitable[object]], *, what: str, every_s: float) -> None:
    """Call `refresh` for ever, so many seconds apart. A look that fails (the database is away) is told and tried again."""
    while True:
        try:
            await refresh()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning(f"{what}_refresh_failed", error=type(error).__name__)
        await asyncio.sleep(every_s)

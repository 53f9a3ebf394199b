"""Check the laws of the books while the service runs: the same list as `xuankuan audit`, said in the log."""

from datetime import datetime

import structlog

from server.stores import watch
from server.stores.db import AsyncEngine, transaction
from server.stores.invariants import Finding, audit

log = structlog.get_logger()


class CheckInvariants:
    """The job. It reads only; what it finds is for people to look into, never mended by itself."""

    name = "check_invariants"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.findings: tuple[Finding, ...] = ()
        """What the last run found."""

    async def run(self, now: datetime) -> int:
        """Check every law. Returns 0: what is broken stays so until somebody looks, and checking sooner helps nobody."""
        self.findings = tuple([finding async for finding in audit(self._engine, connections=1)])
        broken = [finding for finding in self.findings if not finding.holds]
        for finding in broken:
            log.error("invariant_broken", code=finding.code, sentence=finding.sentence, rows=_plain(finding))
        async with transaction(self._engine) as conn:
            await watch.note_laws(
                conn,
                [(finding.code, finding.holds, finding.sentence, len(finding.rows)) for finding in self.findings],
                now,
            )
        return 0


def _plain(finding: Finding) -> list[dict[str, str]]:
    return [{name: str(value) for name, value in row.items()} for row in finding.rows]

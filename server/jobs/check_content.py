"""Ask the platforms about content that waits for them; what they doubt, or cannot read, goes to a person."""

from datetime import datetime, timedelta

import structlog

from game.content import ContentState, together
from game.errors import ContentJudged
from server.figures import EconomyNow
from server.flows.judge_content import judge_content
from server.gateways import ContentUnreadable, ContentVerdict, GatewayError
from server.gateways.content import Look
from server.stores import contents
from server.stores.contents import Content
from server.stores.db import AsyncEngine, transaction

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
# A platform that is away for longer than this holds nobody up: a person looks instead.
GIVE_UP_AFTER = timedelta(minutes=15)
SAID = {"pass": ContentState.PASS, "review": ContentState.REVIEW, "block": ContentState.RISKY}
REFUSED = "平台内容安全检查未通过。"


class CheckContent:
    """The job. Does nothing where no platform is set up."""

    name = "check_content"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow, looks: list[Look]) -> None:
        self._engine = engine
        self._economy = economy
        self._looks = looks

    async def run(self, now: datetime) -> int:
        """Look at what is due; returns how many pieces were judged."""
        async with transaction(self._engine) as conn:
            due = await contents.take_due(conn, now, lease=LEASE)
        if not due:
            return 0
        return sum([await self._judge(piece, now) for piece in due])

    async def _judge(self, piece: Content, now: datetime) -> int:
        said: list[ContentVerdict] = []
        try:
            for look in self._looks:
                said += await look(piece.words, piece.picture)
        except (ContentUnreadable, OSError) as unreadable:
            said.append(ContentVerdict("review", (type(unreadable).__name__,), ""))
        except GatewayError as away:
            log.warning("content_not_checked", content=str(piece.content_id), error=type(away).__name__)
            if now < piece.created_at + GIVE_UP_AFTER:
                return 0  # the lease is the delay
            said.append(ContentVerdict("review", (type(away).__name__,), ""))
        # Nobody has looked: then nobody has found it good.
        state = together(SAID[one.suggestion] for one in said) if said else ContentState.REVIEW
        labels = [label for one in said for label in one.labels]
        try:
            async with transaction(self._engine) as conn:
                await judge_content(
                    conn, piece.content_id, state, who="platform", labels=labels,
                    note=REFUSED if state is ContentState.RISKY else "", economy=self._economy(), now=now,
                )  # fmt: skip
        except ContentJudged:
            return 0  # a person was faster
        return 1

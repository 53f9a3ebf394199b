"""Quote a draft: votes, price and days until its goal is reached, at the present flow of players who match."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from game.dealing import GOLD_SHARE
from game.segments import Audience
from game.style_test import StyleTest
from ranking.quote import Quote, beside, quote
from rewards.economy import Economy
from server.stores.db import AsyncConnection
from server.stores.flow import Came, Flow, flow_of, votes_of_a_day

FLOW_GOOD_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quote, the same test at other promises, and the flow that the days are reckoned with."""

    asked: Quote
    others: tuple[Quote, ...]
    flow: Flow


class FlowCache:
    """What came in of late, remembered for some minutes: it is a day's count and changes slowly."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._came = Came((), 0)

    async def of(self, conn: AsyncConnection, audience: Audience, now: datetime) -> Flow:
        """The present flow for an audience."""
        if self._at is None or now - self._at >= FLOW_GOOD_FOR:
            self._came = await votes_of_a_day(conn, now)
            self._at = now
        return flow_of(self._came, audience, now)


async def quote_test(
    conn: AsyncConnection, test: StyleTest, *, economy: Economy, cache: FlowCache, now: datetime
) -> Quoted:
    """The quote of a draft as it stands. Raises QuoteRefused and GoalRefused for what cannot be quoted."""
    flow = await cache.of(conn, test.audience, now)
    # One vote can go to one test only: a new test gets its part of what matching players give.
    votes_per_day = flow.votes_per_day / (flow.open_tests + 1) or None
    settings = {
        "price_fen": economy.vote_price_fen,
        "votes_per_day": votes_per_day,
        "audiences": len(test.audience.quotas),
        # Gold pairs are paid like any other vote, where the test has a poor picture to make them of.
        "checks": GOLD_SHARE if test.decoys else 0.0,
    }
    n = len(test.ranked)
    return Quoted(quote(n, test.goal, **settings), tuple(beside(n, test.goal, **settings)), flow)  # type: ignore[arg-type]

"""Award the players who chose a style that its merchant produced: 你选的款,真的做出来了."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from rewards import budgets as budget_rules
from rewards.economy import Economy
from rewards.kinds import Award
from rewards.kinds.produced import PRODUCED
from server.flows.pay_awards import pay_awards
from server.stores import budgets
from server.stores.db import AsyncConnection


async def award_produced(
    conn: AsyncConnection,
    *,
    test_id: UUID,
    style_id: UUID,
    chose_it: Iterable[UUID],
    economy: Economy,
    now: datetime,
) -> list[Award]:
    """The new awards; a style that is said to be produced again brings nobody a second one.

    Raises `RewardsSwitchedOff`.
    """
    budget_rules.must_be_on(await budgets.switches_now(conn), kind=PRODUCED.code, test_id=test_id)
    awards = PRODUCED.awards(test_id=test_id, style_id=style_id, chose_it=chose_it, economy=economy)
    return await pay_awards(conn, awards, economy=economy, now=now)

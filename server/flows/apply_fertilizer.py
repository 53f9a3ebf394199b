"""Apply fertilizer: grams from the wallet into the tree, with the stages that it reaches and their awards."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rewards import farm as rules
from rewards import ledger as books
from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import NoTree
from rewards.farm import Application
from rewards.kinds import Award
from rewards.kinds.stage_award import STAGE_AWARD
from server.flows.pay_awards import pay_awards
from server.flows.reserve_prizes import reserve_prizes
from server.ids import uuid7
from server.stores import farm, ledger
from server.stores.db import AsyncConnection


@dataclass(frozen=True, slots=True)
class Applied:
    """What an application did, and what it earned."""

    application: Application
    awards: tuple[Award, ...]


async def apply_fertilizer(
    conn: AsyncConnection, *, player_id: UUID, times: int, economy: Economy, now: datetime
) -> Applied:
    """Apply up to `times` times: as often as the day's cap, the wallet and the tree have room for.

    Raises `NoTree`, `NotSoManyTimes`, `TreeIsRipe`, `DailyCapReached`, `NotEnoughFertilizer`.
    """
    tree = await farm.growing_tree(conn, player_id, lock=True)
    if tree is None:
        raise NoTree()
    application = rules.apply(
        tree,
        player_id=player_id,
        times=times,
        applied_today=await farm.applied_on(conn, player_id, day_of(now)),
        wallet_g=await ledger.balance(conn, books.player(player_id)),
        now=now,
    )
    application_id = uuid7()
    await farm.record_application(conn, application, application_id=application_id, day=day_of(now), now=now)
    transfer = rules.application_transfer(application, application_id=application_id, transfer_id=uuid7(), now=now)
    earned = STAGE_AWARD.awards(application.awards)
    paid = await pay_awards(conn, earned, together=[transfer], economy=economy, now=now)
    await reserve_prizes(conn, application.tree, economy=economy, now=now)
    return Applied(application=application, awards=tuple(paid))

"""Reserve a block of a budget for one process, which then deals offers against it in memory."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from rewards import budgets as rules
from rewards.budgets import Block
from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import BudgetExhausted
from server.ids import uuid7
from server.stores import budgets, ledger
from server.stores.db import AsyncConnection


async def reserve_block(
    conn: AsyncConnection,
    *,
    budget_id: UUID,
    process_id: UUID,
    wanted_g: int,
    ticket_life: timedelta,
    kind: str = "per_vote",
    economy: Economy,
    now: datetime,
) -> Block:
    """A block of up to `wanted_g`, in whole offers: smaller near the end of the budget or of a cap, one offer at least.

    An offer takes what a choice was worth when the budget was bought: its merchant bought votes at that price.

    No ticket that is paid from it may live longer than `ticket_life` after the block lapses.

    Raises `RewardsSwitchedOff`, and `BudgetExhausted` when there is no such budget, it is closed, or not one offer is
    left in it or under its caps.
    """
    rules.must_be_on(await budgets.switches_now(conn), kind=kind, test_id=budget_id)
    budget = await budgets.lock(conn, budget_id)
    if budget is None or budget.closed_at is not None:
        raise BudgetExhausted(left_g=0, wanted_g=wanted_g)
    left_g = budget.left_g
    for scope_id in (budget_id, budgets.EVERYTHING):
        use = await budgets.lock_cap_use(conn, scope_id, day_of(now))
        under = rules.left_under(use.caps, reserved_today_g=use.today_g, reserved_total_g=use.total_g)
        left_g = left_g if under is None else min(left_g, under)
    terms = replace(
        economy, choice_g=budget.rate.grams, block_g=wanted_g, ticket_life_s=int(ticket_life.total_seconds())
    )
    size_g = rules.block_size_g(left_g, terms)
    if size_g == 0:
        raise BudgetExhausted(left_g=left_g, wanted_g=wanted_g)
    block, transfer = rules.reserve(
        block_id=uuid7(),
        budget=budget.account,
        wanted_g=size_g,
        left_g=left_g,
        transfer_id=uuid7(),
        now=now,
        economy=terms,
    )
    await budgets.record_block(conn, block, process_id=process_id)
    await ledger.post(conn, [transfer])
    return block

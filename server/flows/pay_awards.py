"""Pay awards out of the programme's own budget; what the budget does not have today is owed and paid later."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from rewards import ledger as books
from rewards.budgets import Rate
from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import BelowFloor
from rewards.kinds import Award
from rewards.kinds.awards import award_transfer
from rewards.ledger import Reason, Transfer
from server.ids import uuid7
from server.stores import budgets, farm, ledger
from server.stores.db import AsyncConnection

PROGRAMME = UUID("00000000-0000-7000-8000-000000000001")
"""The budget out of which the platform itself gives: claims, streaks, stage awards, bonuses, compensation."""


async def pay_awards(
    conn: AsyncConnection,
    earned: Sequence[Award],
    *,
    together: Sequence[Transfer] = (),
    economy: Economy,
    now: datetime,
) -> list[Award]:
    """Put awards on record and pay them, with the transfers that belong `together` with them; returns the new ones.

    A fact that was awarded before is left out. All transfers go in one statement, so that all accounts are locked in
    one order. When the programme's budget is short, or a kind is switched off, the awards stay on record as owed: they
    are paid when there are grams again, or when the switch is on again (`server.jobs.pay_owed_awards`).
    Raises what posting `together` raises.
    """
    fresh = await farm.record_awards(conn, earned, now=now) if earned else []
    off = (await budgets.switches_now(conn)).kinds if fresh else frozenset()
    payable = [award for award in fresh if award.kind not in off]
    await pay_recorded(conn, payable, together=together, economy=economy, now=now)
    return fresh


async def pay_recorded(
    conn: AsyncConnection, owed: Sequence[Award], *, together: Sequence[Transfer] = (), economy: Economy, now: datetime
) -> bool:
    """Pay awards that are on record; False when the budget was short, and nothing but `together` was posted."""
    account = books.programme_budget(PROGRAMME)
    payments = [award_transfer(award, budget=account, transfer_id=uuid7(), now=now) for award in owed]
    funding = await _todays_funding(conn, economy=economy, now=now) if owed else ()
    try:
        await ledger.post(conn, [*funding, *together, *payments])
    except BelowFloor as refusal:
        if refusal.params["account"] != account:
            raise
        await ledger.post(conn, [*funding, *together])
        return False
    if owed:
        await farm.mark_paid(conn, [(award, payment.id) for award, payment in zip(owed, payments, strict=True)])
    return True


async def _todays_funding(conn: AsyncConnection, *, economy: Economy, now: datetime) -> Sequence[Transfer]:
    """The transfer that fills the programme's budget up for the day, nothing when that was done already.

    Filling it up to one day's figure, once a day, is the day's cap: more than that is never given on one day, unless
    an operator moves more into the budget. A day on which it is full already is over with that: else what is given of
    yesterday's grams would be filled up again, and the day would give twice.
    """
    day = day_of(now)
    if await budgets.programme_day_open(conn, day):
        return ()
    await budgets.open_budget(
        conn,
        budget_id=PROGRAMME,
        kind="programme",
        merchant_id=None,
        rate=Rate(0, economy.choice_g),
        plan_ends_at=None,
        now=now,
    )
    budget = await budgets.lock(conn, PROGRAMME)
    assert budget is not None
    # Another process may have done it while this one waited for the lock.
    if await budgets.programme_day_open(conn, day):
        return ()
    amount_g = max(0, economy.programme_day_g - budget.left_g)
    await budgets.open_programme_day(conn, day, left_g=budget.left_g, funded_g=amount_g)
    if amount_g == 0:
        return ()
    await budgets.count_purchase(conn, PROGRAMME, paid_fen=0, bought_g=amount_g)
    return (
        Transfer(
            id=uuid7(),
            reason=Reason.PROGRAMME_FUNDED,
            out_biz_no=f"{PROGRAMME}:{day}",
            debit=books.ISSUANCE,
            credit=budget.account,
            amount=amount_g,
            at=now,
        ),
    )

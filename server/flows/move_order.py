"""Move an order: its state, its box in or out of stock, what the supplier is paid, what the player gets instead."""

from dataclasses import replace
from datetime import datetime

from rewards import ledger as books
from rewards.days import day_of
from rewards.economy import Economy
from rewards.errors import OutOfStock
from rewards.kinds.compensation import COMPENSATION
from rewards.ledger import Reason, Transfer, reversal_of
from rewards.prizes import EVERYWHERE, FulfilmentOrder, Mover, OrderState, move, week_of
from server.flows.pay_awards import pay_awards
from server.flows.reserve_prizes import take_box
from server.ids import uuid7
from server.stores import ledger, prizes
from server.stores.db import AsyncConnection


async def move_order(
    conn: AsyncConnection,
    order: FulfilmentOrder,
    *,
    target: OrderState,
    mover: Mover,
    who: str,
    note: str = "",
    economy: Economy,
    now: datetime,
) -> FulfilmentOrder:
    """The order in its next state, with all that goes with it. The caller holds the order's lock.

    An order that is to be sent (again) when no box is left is back-ordered instead. Raises `NotThisMove`,
    `NotYourMove`, and `OutOfStock` for a back-ordered one that still has no box.
    """
    after = move(order, target=target, mover=mover, now=now)
    if target is OrderState.ORDERED:
        await _pay_supplier(conn, order, now=now)
    elif order.state is OrderState.ORDERED and target is OrderState.BACK_ORDERED:
        await _take_back_payment(conn, order, now=now)
    if target is OrderState.COMPENSATED:
        award = COMPENSATION.award(player_id=order.player_id, order_id=order.id, box_g=order.box_g)
        await pay_awards(conn, [award], economy=economy, now=now)
    after = await _with_its_box(conn, after, now=now)
    await prizes.write_order(conn, order, after, mover=mover, who=who, note=note, now=now)
    if target is OrderState.PENDING and after.stock_week is None:
        if order.state is OrderState.BACK_ORDERED:
            raise OutOfStock(variety=order.variety, region=EVERYWHERE, week=week_of(day_of(now)))
        waiting = move(after, target=OrderState.BACK_ORDERED, mover=Mover.SYSTEM, now=now)
        await prizes.write_order(conn, after, waiting, mover=Mover.SYSTEM, who="stock", now=now)
        return waiting
    return after


async def _with_its_box(conn: AsyncConnection, order: FulfilmentOrder, *, now: datetime) -> FulfilmentOrder:
    """Stock follows the state: set aside for a pending order, gone with an ordered one, back from one that ended."""
    box = await prizes.box_of(conn, order.tree_id, order.player_id)
    if order.state is OrderState.PENDING:
        if box is None:
            box = await take_box(conn, variety=order.variety, player_id=order.player_id, tree_id=order.tree_id, now=now)
        return replace(order, stock_region=box.region if box else None, stock_week=box.week if box else None)
    if order.state is OrderState.ORDERED:
        if box is not None:
            await prizes.send_off(conn, box, now=now)
    elif order.state in (OrderState.CANCELLED, OrderState.COMPENSATED, OrderState.BACK_ORDERED):
        if box is not None:
            await prizes.give_back(conn, box, now=now)
        return replace(order, stock_region=None, stock_week=None)
    return order


async def _pay_supplier(conn: AsyncConnection, order: FulfilmentOrder, *, now: datetime) -> None:
    time = await prizes.count_ordered(conn, order.id)
    await ledger.post(
        conn,
        [
            Transfer(
                id=uuid7(),
                reason=Reason.PRIZE_PAID,
                out_biz_no=f"{order.id}:{time}",
                debit=books.PLATFORM,
                credit=books.SUPPLIERS,
                amount=order.box_cost_fen,
                at=now,
            )
        ],
        player_id=order.player_id,
    )


async def _take_back_payment(conn: AsyncConnection, order: FulfilmentOrder, *, now: datetime) -> None:
    time = await prizes.times_ordered(conn, order.id)
    paid = await ledger.find_fact(conn, Reason.PRIZE_PAID, f"{order.id}:{time}")
    assert paid is not None, "what was ordered was paid"
    await ledger.post(conn, [reversal_of(paid, transfer_id=uuid7(), now=now)], player_id=order.player_id)

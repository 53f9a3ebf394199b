"""Laws of budgets: nothing is promised that was not reserved, and what is left returns to the fen."""

import asyncio
import contextlib
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rewards import ledger as books
from rewards.budgets import Caps
from rewards.economy import Economy
from rewards.errors import BelowFloor, BudgetExhausted, BudgetTooSmall, RewardsSwitchedOff
from rewards.grants import VoidReason
from server.budget_desk import BudgetDesk
from server.flows.buy_budget import buy_budget
from server.flows.return_budget import Returned, return_budget
from server.flows.return_undealt import return_undealt
from server.flows.void_grants import void_grants
from server.ids import uuid7
from server.jobs.pace_budgets import PaceBudgets
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.settle_grants import SettleGrants
from server.stores import budgets, ledger
from server.stores.db import transaction
from tests.server import dealing_process
from tests.server.books import DEEP, TICKET_LIFE, Bookkeeping


@pytest.fixture
def keeping(engine) -> Bookkeeping:
    return Bookkeeping(engine)


def a_desk(keeping, **fields) -> BudgetDesk:
    return BudgetDesk(
        keeping.engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=keeping.clock, **fields
    )


async def release(keeping) -> int:
    return await ReleaseBlocks(keeping.engine).run(keeping.clock.now)


async def budget_of(keeping, test_id) -> budgets.Budget:
    async with keeping.engine.connect() as conn:
        found = await budgets.find(conn, test_id)
    assert found is not None
    return found


async def all_blocks_of(keeping, test_id, sizes: list[int] | None = None, *, wanted_g: int = 1000) -> int:
    """Reserve until there is nothing left; returns the grams."""
    sizes = [] if sizes is None else sizes
    with contextlib.suppress(BudgetExhausted):
        while True:
            sizes.append((await keeping.a_block(test_id, wanted_g=wanted_g)).reserved_g)
    return sum(sizes)


# --- buying ---------------------------------------------------------------------------------------


async def test_money_buys_whole_votes_at_the_programmes_rate(keeping):
    await keeping.pay_in(1_000)
    test_id = await keeping.a_test(votes=33)
    assert (await budget_of(keeping, test_id)).left_g == 330
    assert await keeping.balance(books.test_escrow(test_id)) == 99
    assert await keeping.balance(books.merchant(keeping.merchant_id)) == 1_000


async def test_without_the_money_nothing_is_bought(keeping):
    await keeping.pay_in(29)
    for budget_fen, refusal in ((30, BelowFloor), (2, BudgetTooSmall), (0, BudgetTooSmall)):
        test_id = uuid7()
        with pytest.raises(refusal):
            async with transaction(keeping.engine) as conn:
                await buy_budget(
                    conn,
                    test_id=test_id,
                    merchant_id=keeping.merchant_id,
                    budget_fen=budget_fen,
                    economy=keeping.economy,
                    now=keeping.clock.now,
                )
        async with keeping.engine.connect() as conn:
            assert await budgets.find(conn, test_id) is None
    assert await keeping.balance(books.merchant(keeping.merchant_id)) == 29


# --- reserving --------------------------------------------------------------------------------------


async def test_a_block_is_whole_offers_and_never_more_than_there_is(keeping):
    test_id = await keeping.a_test(votes=7)
    sizes: list[int] = []
    assert await all_blocks_of(keeping, test_id, sizes, wanted_g=45) == 70
    assert all(size % keeping.economy.choice_g == 0 and 0 < size <= 45 for size in sizes)


@pytest.mark.parametrize("caps", [Caps(day_g=250, total_g=9_000), Caps(total_g=250)])
@pytest.mark.parametrize("over_everything", [False, True])
async def test_racing_reservations_stay_under_a_cap_together(keeping, caps, over_everything):
    tests = [await keeping.a_test(votes=1_000) for _ in range(2)]
    async with transaction(keeping.engine) as conn:
        for scope in [budgets.EVERYTHING] if over_everything else tests:
            await budgets.set_caps(conn, scope, caps)

    async def reserve(number: int) -> int:
        try:
            return (await keeping.a_block(tests[number % 2], wanted_g=100)).reserved_g
        except BudgetExhausted:
            return 0

    reserved = sum(await asyncio.gather(*(reserve(number) for number in range(40))))
    assert reserved == (250 if over_everything else 500)
    assert await keeping.broken_laws() == {}


async def test_a_days_cap_is_open_again_on_the_next_day(keeping):
    test_id = await keeping.a_test(votes=1_000)
    async with transaction(keeping.engine) as conn:
        await budgets.set_caps(conn, test_id, Caps(day_g=100))
    for _ in range(2):
        assert await all_blocks_of(keeping, test_id) == 100
        keeping.clock.forward(days=1)


@pytest.mark.parametrize("scope", ["all", "test", "kind"])
async def test_a_kill_switch_stops_new_offers_at_once_and_no_promise(keeping, scope):
    test_id = await keeping.a_test()
    player = await keeping.a_player()
    desk = a_desk(keeping)
    await desk.ready([test_id])
    block_id = desk.offer(test_id, 10)
    target = {"all": "", "test": str(test_id), "kind": "per_vote"}[scope]
    words = {"scope": scope, "target": target, "why": "an alarm", "who": "operator", "now": keeping.clock.now}
    async with transaction(keeping.engine) as conn:
        await budgets.switch(conn, stops=True, **words)
    with pytest.raises(RewardsSwitchedOff):
        await keeping.a_block(test_id)
    await desk.look()
    assert desk.offer(test_id, 10) is None
    await keeping.record([keeping.a_vote(player, test_id, block_id)])
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 1
    async with transaction(keeping.engine) as conn:
        await budgets.switch(conn, stops=False, **words)
    await desk.look()
    assert desk.offer(test_id, 10) is not None


# --- offering ---------------------------------------------------------------------------------------


async def test_four_hundred_racing_offers_on_a_budget_for_a_hundred_are_a_hundred(keeping):
    test_id = await keeping.a_test(votes=100)
    player_ids = await keeping.players(40)
    desks = [a_desk(keeping, dry_s=0.0) for _ in range(4)]
    offered = []

    async def ask(number: int) -> None:
        desk = desks[number % 4]
        await desk.ready([test_id])
        if (block_id := desk.offer(test_id, 10)) is not None:
            offered.append(keeping.a_vote(player_ids[number % 40], test_id, block_id))

    await asyncio.gather(*(ask(number) for number in range(400)))
    # Each process may have an offer or two left of its last block; nothing that was asked for is promised twice.
    while len(offered) < 100:
        for number in range(4):
            await ask(number)
    for number in range(40):
        await ask(number)
    assert len(offered) == 100
    await asyncio.gather(*(keeping.record(offered[start : start + 10]) for start in range(0, 100, 10)))
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == 100
    assert sum([await keeping.balance(books.player(each)) for each in player_ids]) == 1_000
    assert await keeping.broken_laws() == {}


async def test_an_offer_that_was_never_handed_out_is_offered_again(keeping):
    test_id = await keeping.a_test(votes=1)
    desk = a_desk(keeping)
    await desk.ready([test_id])
    block_id = desk.offer(test_id, 10)
    assert desk.offer(test_id, 10) is None
    desk.give_back(block_id, 10)
    assert desk.offer(test_id, 10) == block_id


async def test_a_process_that_ends_gives_back_what_it_never_offered_and_only_that(keeping):
    test_id = await keeping.a_test(votes=100)
    desk = a_desk(keeping)
    await desk.ready([test_id])
    for _ in range(3):
        assert desk.offer(test_id, 10) is not None
    await desk.close()
    budget = await budget_of(keeping, test_id)
    assert (budget.left_g, budget.reserved_g) == (970, 30)
    assert desk.offer(test_id, 10) is None
    assert await keeping.broken_laws() == {}


async def test_a_block_that_lapsed_is_not_offered_from(keeping):
    test_id = await keeping.a_test(votes=100)
    desk = a_desk(keeping)
    await desk.ready([test_id])
    first = desk.offer(test_id, 10)
    keeping.clock.forward(seconds=keeping.economy.block_life_s)
    assert desk.offer(test_id, 10) is None
    await desk.ready([test_id])
    assert desk.offer(test_id, 10) not in (None, first)


async def test_undealt_grams_go_back_once_however_often_it_is_said(keeping):
    test_id, process_id = await keeping.a_test(votes=100), uuid7()
    block = await keeping.a_block(test_id, wanted_g=200, process_id=process_id)
    said = {"block_id": block.id, "process_id": process_id, "undealt_g": 150, "now": keeping.clock.now}
    returned = []
    for _ in range(3):
        async with transaction(keeping.engine) as conn:
            returned.append(await return_undealt(conn, **said))
    async with transaction(keeping.engine) as conn:
        returned.append(await return_undealt(conn, **{**said, "process_id": uuid7()}))
    assert returned == [150, 0, 0, 0]
    assert (await budget_of(keeping, test_id)).reserved_g == 50
    assert await keeping.broken_laws() == {}


async def test_a_process_that_wakes_after_its_block_was_released_returns_nothing_twice(keeping):
    test_id, process_id = await keeping.a_test(votes=100), uuid7()
    patient = await keeping.a_player(hold_s=7 * 86_400)
    block = await keeping.a_block(test_id, wanted_g=200, process_id=process_id)
    await keeping.votes(3, test_id=test_id, block_id=block.id, player_ids=[patient])
    keeping.clock.now = block.releasable_at
    await release(keeping)
    async with transaction(keeping.engine) as conn:
        assert (
            await return_undealt(conn, block_id=block.id, process_id=process_id, undealt_g=170, now=keeping.clock.now)
            == 0
        )
    assert (await budget_of(keeping, test_id)).reserved_g == 30
    assert await keeping.broken_laws() == {}


async def test_a_busy_desk_fills_up_before_it_runs_dry(keeping):
    test_id = await keeping.a_test(votes=3_000)
    desk = a_desk(keeping)
    await desk.ready([test_id])
    filling = asyncio.create_task(desk.keep_filled())
    refused = 0
    for _ in range(1_000):
        refused += desk.offer(test_id, 10) is None
        await asyncio.sleep(0.0005)
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    assert refused < 100


# --- releasing --------------------------------------------------------------------------------------


async def test_a_dead_processes_block_returns_after_its_last_ticket_and_not_before(keeping):
    test_id = await keeping.a_test(votes=100)
    block = await keeping.a_block(test_id, wanted_g=200)
    keeping.clock.now = block.releasable_at - timedelta(seconds=1)
    assert await release(keeping) == 0
    assert (await budget_of(keeping, test_id)).reserved_g == 200
    keeping.clock.forward(seconds=1)
    assert await release(keeping) == 1
    budget = await budget_of(keeping, test_id)
    assert (budget.left_g, budget.reserved_g) == (1_000, 0)
    assert await release(keeping) == 0
    assert await keeping.broken_laws() == {}


async def test_no_ticket_outlives_the_block_that_pays_for_it(keeping):
    test_id = await keeping.a_test(votes=100)
    block = await keeping.a_block(test_id)
    assert block.lapses_at + TICKET_LIFE < block.releasable_at


async def test_a_lapsed_block_keeps_what_held_grants_claim_until_they_end(keeping):
    test_id = await keeping.a_test(votes=100)
    patient = await keeping.a_player(hold_s=7 * 86_400)
    block = await keeping.a_block(test_id, wanted_g=200)
    await keeping.votes(3, test_id=test_id, block_id=block.id, player_ids=[patient])
    keeping.clock.now = block.releasable_at
    await release(keeping)
    assert (await budget_of(keeping, test_id)).reserved_g == 30
    assert await keeping.broken_laws() == {}
    keeping.clock.forward(days=8)
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    await release(keeping)
    budget = await budget_of(keeping, test_id)
    assert (budget.left_g, budget.reserved_g, budget.settled_g) == (970, 0, 30)
    assert await keeping.broken_laws() == {}


async def test_racing_releases_give_a_block_back_once(keeping):
    test_id = await keeping.a_test(votes=1_000)
    blocks = [await keeping.a_block(test_id, wanted_g=100) for _ in range(10)]
    keeping.clock.now = blocks[-1].releasable_at
    assert sum(await asyncio.gather(*(release(keeping) for _ in range(4)))) == 10
    assert (await budget_of(keeping, test_id)).left_g == 10_000
    assert await keeping.broken_laws() == {}


# --- the end of a test --------------------------------------------------------------------------------


async def end(keeping, test_id) -> Returned:
    async with transaction(keeping.engine) as conn:
        return await return_budget(conn, test_id, now=keeping.clock.now)


async def test_at_the_decision_the_unspent_money_returns_exactly(keeping):
    # ¥1 buys 33 votes and leaves one fen over, which returns, too.
    keeping.economy = Economy()
    await keeping.pay_in(1)
    test_id = await keeping.a_test(votes=33)
    player = await keeping.a_player()
    block = await keeping.a_block(test_id, wanted_g=80)
    await keeping.votes(5, test_id=test_id, block_id=block.id, player_ids=[player])
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    # Five votes are paid, three more may still be answered: their price stays, everything else goes.
    assert await end(keeping, test_id) == Returned(fen=99 - 15 - 9, grams=330 - 80)
    assert await keeping.broken_laws() == {}
    await keeping.votes(2, test_id=test_id, block_id=block.id, player_ids=[player])
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    keeping.clock.now = block.releasable_at
    await release(keeping)
    assert await keeping.balance(books.merchant(keeping.merchant_id)) == 1 + 99 - 7 * 3
    assert await keeping.balance(books.PLATFORM) == 21
    assert await keeping.balance(books.test_escrow(test_id)) == 0
    assert await keeping.balance(books.player(player)) == 70
    assert await keeping.balance(books.ISSUANCE) == -70
    assert await end(keeping, test_id) == Returned(fen=0, grams=0)
    assert await keeping.broken_laws() == {}


async def test_after_the_decision_nothing_more_is_reserved(keeping):
    test_id = await keeping.a_test()
    await end(keeping, test_id)
    with pytest.raises(BudgetExhausted):
        await keeping.a_block(test_id)


async def test_a_voided_vote_costs_its_merchant_nothing(keeping):
    test_id = await keeping.a_test(votes=10)
    honest, cheat = await keeping.players(2, hold_s=60)
    block = await keeping.a_block(test_id, wanted_g=100)
    await keeping.votes(2, test_id=test_id, block_id=block.id, player_ids=[honest, cheat])
    async with transaction(keeping.engine) as conn:
        voided = await void_grants(conn, player_id=cheat, reason=VoidReason.ABUSE, now=keeping.clock.now)
    assert voided.amount_g == 10
    await end(keeping, test_id)
    keeping.clock.now = block.releasable_at
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    await release(keeping)
    assert await keeping.balance(books.PLATFORM) == 3
    assert await keeping.balance(books.merchant(keeping.merchant_id)) == 27
    assert await keeping.broken_laws() == {}


async def test_a_test_without_a_budget_returns_nothing(keeping):
    assert await end(keeping, uuid7()) == Returned(fen=0, grams=0)


# --- pacing -------------------------------------------------------------------------------------------


async def test_pacing_throttles_what_is_dealt_and_never_what_was_promised(keeping):
    keeping.clock.now = keeping.clock.now.replace(hour=4, minute=0, second=0)
    test_id = await keeping.a_test(votes=24_000, plan_ends_at=keeping.clock.now + timedelta(hours=24))
    player_ids = await keeping.players(10)
    desk = a_desk(keeping)
    pacing = PaceBudgets(keeping.engine)
    offered, asked = [], 0
    # Players ask for ten times what the plan has for them.
    for _ in range(360 if DEEP else 90):
        await pacing.run(keeping.clock.now)
        await desk.look(passed_s=10)
        await desk.ready([test_id], offers=40)
        for _ in range(40):
            asked += 1
            if (block_id := desk.offer(test_id, 10)) is not None:
                offered.append(block_id)
        keeping.clock.forward(seconds=10)
    async with keeping.engine.connect() as conn:
        (spending,) = await budgets.spending(conn, now=keeping.clock.now)
    assert asked > 5 * len(offered)
    assert 10 * len(offered) == pytest.approx(spending.planned_g, rel=0.1)
    # Most were told to wait; whoever was not is paid.
    await keeping.record(
        [keeping.a_vote(player_ids[number % 10], test_id, block_id) for number, block_id in enumerate(offered)]
    )
    assert await SettleGrants(keeping.engine).run(keeping.clock.now) == len(offered)


async def test_a_budget_without_a_deadline_is_not_paced(keeping):
    await keeping.a_test()
    await PaceBudgets(keeping.engine).run(keeping.clock.now)
    async with keeping.engine.connect() as conn:
        assert await budgets.paces_now(conn) == {}


# --- processes that die -------------------------------------------------------------------------------


async def test_four_processes_and_kill_minus_nine_spend_not_a_gram_too_much(keeping, database):
    """Processes deal, record and settle at once; some are killed in the middle of it, others take their place."""
    votes = 4_000 if DEEP else 600
    test_id = await keeping.a_test(votes=votes)
    player_ids = await keeping.players(30)
    kills = 12 if DEEP else 2

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", dealing_process.__name__, database, str(test_id), *map(str, player_ids),
            cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def seen_dealing(process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"dealing\n"

    running = [await start() for _ in range(4)]
    try:
        for number in range(kills):
            victim = running.pop(number % len(running))
            await seen_dealing(victim)
            await asyncio.sleep(0.05 * number)
            os.kill(victim.pid, signal.SIGKILL)
            await victim.wait()
            running.append(await start())
            assert await keeping.broken_laws() == {}
        for process in running:
            process.terminate()
    finally:
        await asyncio.gather(*(process.wait() for process in running))
    # By now everything that was dealt has expired: settle the rest, let the blocks lapse, end the test.
    keeping.clock.forward(hours=2)
    await SettleGrants(keeping.engine).run(keeping.clock.now)
    await release(keeping)
    returned = await end(keeping, test_id)
    async with keeping.engine.connect() as conn:
        where = await ledger.figures(conn)
    assert where.wallets_g + returned.grams == votes * 10
    assert where.wallets_g > 0
    assert where.platform_fen * 10 == where.wallets_g * 3
    assert (where.reserved_g, where.held_g, where.escrow_fen) == (0, 0, 0)
    assert await keeping.broken_laws() == {}

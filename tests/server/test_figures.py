"""The economy as data while the service runs: what is saved holds everywhere within seconds, what was promised stays."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rewards import ledger as books
from rewards.days import day_ends_at, day_of
from rewards.economy import DEFAULT, Economy, changed
from server.budget_desk import BudgetDesk
from server.figures import Figures
from server.flows.apply_fertilizer import apply_fertilizer
from server.flows.launch_test import launch_test
from server.jobs.expire_fertilizer import ExpireFertilizer
from server.jobs.settle_grants import SettleGrants
from server.stores import budgets, farm, ledger
from server.stores.db import transaction
from tests.server.books import TICKET_LIFE, Bookkeeping
from tests.server.builders import Service, a_service, a_test, put_on_record
from tests.server.orchard import SMALL, an_orchard, broken_laws, give, plant, player_id_of, view


async def save(service: Service, economy: Economy) -> None:
    """An operator saves figures; this returns when this process knows them, by its own polling."""
    async with transaction(service.engine) as conn:
        await farm.save_economy(conn, economy, who="operator", why="test", now=service.clock())
    await known(service.shell.figures, economy)


async def known(figures: Figures, economy: Economy) -> None:
    await until(lambda: _is(figures, economy))


async def _is(figures: Figures, economy: Economy) -> bool:
    return figures.economy == economy


async def until(happened: Callable[[], Awaitable[Any]]) -> None:
    """Wait for what comes by itself; a test that waits in vain fails."""
    for _ in range(600):
        if await happened():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def answered(phone: Any, size: int) -> list[int]:
    """A round of this size, all answered; returns the offers."""
    matchups = (await phone.round(size=size))["matchups"]
    if matchups:
        reply = await phone.answer(*[(one["ticket"], "left") for one in matchups])
        assert [one["status"] for one in reply["receipts"]] == ["counted"] * len(matchups)
        assert [one["grant_g"] for one in reply["receipts"]] == [one["offer_g"] for one in matchups]
    return [one["offer_g"] for one in matchups]


async def test_a_saved_change_reaches_every_process_while_it_runs_and_no_tree_that_is_planted(
    database: str, tmp_path: Path
) -> None:
    """Two processes on one database: both know the new figures by themselves; the planted tree keeps its own."""
    async with a_service(database, tmp_path) as one, a_service(database, tmp_path) as other:
        phone = await one.phone()
        await plant(phone)
        dear = changed(DEFAULT, {"apple.requirement_g": 12_000, "daily_claim_g": 45, "applications_per_day": 3})
        await save(one, dear)
        await known(other.shell.figures, dear)
        seen = await view(phone)
        assert (seen["tree"]["requirement_g"], seen["today"]["applications"]["cap"]) == (9_000, 10)
        assert (seen["rules"]["terms"]["frozen"], seen["today"]["claim"]["amount_g"]) == (True, 30)
        newcomer = await other.phone("新朋友")
        seen = await plant(newcomer)
        assert (seen["tree"]["requirement_g"], seen["today"]["applications"]["cap"]) == (12_000, 3)
        assert (await newcomer.call("POST", "/v1/farm/claims"))[1]["awards"][0]["amount_g"] == 45
        assert (await phone.call("POST", "/v1/farm/claims"))[1]["awards"][0]["amount_g"] == 30


async def test_a_test_keeps_the_price_it_was_launched_at(service: Service) -> None:
    """Grams and fen of a vote: of the running test as before, of one that is launched now as they are now."""
    old = await service.test(styles=6)
    phone = await service.phone()
    assert await answered(phone, 2) == [10, 10]
    dear = changed(DEFAULT, {"choice_g": 12, "vote_price_fen": 5})
    await save(service, dear)
    assert await answered(phone, 2) == [10, 10]
    async with transaction(service.engine) as conn:
        assert (await budgets.find(conn, old.test_id)).bought_g == 100_000
        await conn.execute(sa.text("update style_tests set state = 'paused' where test_id = :id"), {"id": old.test_id})
    draft = await put_on_record(service.engine, a_test(styles=6, created_at=service.clock()))
    async with transaction(service.engine) as conn:
        await launch_test(
            conn, draft.test_id, merchant_id=draft.merchant_id, economy=dear, who="test", now=service.clock()
        )
    await service.shell.dealer.refresh()
    assert await answered(phone, 3) == [12, 12, 12]
    service.clock.forward(days=1)
    assert await SettleGrants(service.engine).run(service.clock()) == 7
    async with service.engine.connect() as conn:
        costs = [(await budgets.find(conn, each.test_id)).cost_fen() for each in (old, draft)]
        assert costs == [4 * 3, 3 * 5]
        assert await ledger.balance(conn, books.PLATFORM) == 4 * 3 + 3 * 5
        assert await ledger.balance(conn, books.player(player_id_of(phone))) == 4 * 10 + 3 * 12
    assert await broken_laws(service) == {}


async def test_paid_choices_a_day_are_those_of_the_trees_planting(service: Service) -> None:
    await service.test(styles=12)
    planter, newcomer = await service.phone("种树人"), await service.phone("新朋友")
    await plant(planter)
    await save(service, changed(DEFAULT, {"paid_choices_per_day": 3}))
    assert len(await answered(planter, 10)) + len(await answered(planter, 20)) == 20
    assert len(await answered(newcomer, 10)) == 3
    for phone in (planter, newcomer):
        assert (await phone.round())["reason"] == "daily_cap_reached"
    assert ((await view(planter))["today"]["choices"], (await view(newcomer))["today"]["choices"]) == (
        {"made": 20, "cap": 20, "left": 0, "each_g": 10},
        {"made": 3, "cap": 3, "left": 0, "each_g": 10},
    )


async def test_a_full_wallet_is_dealt_nothing_is_told_so_and_is_paid_what_was_dealt(service: Service) -> None:
    """Room for two more: two are dealt. They are paid although the wallet stands above its cap by then."""
    await service.test(styles=12)
    phone = await service.phone()
    await save(service, changed(DEFAULT, {"wallet_cap_g": 100}))
    await give(service, phone, 75)
    matchups = (await phone.round(size=5))["matchups"]
    assert [one["offer_g"] for one in matchups] == [10, 10]
    await give(service, phone, 25)
    reply = await phone.answer(*[(one["ticket"], "left") for one in matchups])
    assert [one["grant_g"] for one in reply["receipts"]] == [10, 10]
    empty = await phone.round()
    assert (empty["matchups"], empty["reason"]) == ([], "wallet_full")
    assert "施肥" in empty["detail"]
    service.clock.forward(hours=1)
    await SettleGrants(service.engine).run(service.clock())
    assert (await view(phone))["available_g"] == 120


async def test_a_switch_or_pacing_is_told_as_a_pause_and_not_as_an_end(service: Service) -> None:
    test = await service.test(styles=6)
    phone = await service.phone()
    assert await answered(phone, 1) == [10]
    words = {"scope": "test", "target": str(test.test_id), "why": "alarm", "who": "operator", "now": service.clock()}
    async with transaction(service.engine) as conn:
        await budgets.switch(conn, stops=True, **words)

    async def told() -> bool:
        return (await phone.round(size=1)).get("reason") == "paused"

    await until(told)
    async with transaction(service.engine) as conn:
        await budgets.switch(conn, stops=False, **words)

    async def open_again() -> bool:
        return bool((await phone.round(size=1))["matchups"])

    await until(open_again)


@pytest.mark.parametrize("scope", ["all", "kind"])
async def test_a_kill_switch_is_honoured_by_every_process_without_a_restart(
    database: str, tmp_path: Path, scope: str
) -> None:
    async with a_service(database, tmp_path) as one, a_service(database, tmp_path) as other:
        await one.test(styles=12)
        await other.shell.dealer.refresh()
        phones = [await one.phone("一"), await other.phone("二")]
        for phone in phones:
            assert len(await answered(phone, 1)) == 1
        target = "" if scope == "all" else "per_vote"
        async with transaction(one.engine) as conn:
            await budgets.switch(
                conn, scope=scope, target=target, stops=True, why="alarm", who="operator", now=one.clock()
            )

        async def all_closed() -> bool:
            return all([(await phone.round(size=1)).get("reason") == "paused" for phone in phones])

        await until(all_closed)
        claim = await phones[0].call("POST", "/v1/farm/claims")
        assert claim[0] == (409 if scope == "all" else 200)


async def test_a_shorter_life_of_blocks_breaks_no_offer(engine) -> None:
    """A younger block may lapse before an older one once an operator has changed their life."""
    keeping = Bookkeeping(engine)
    test_id = await keeping.a_test(votes=1_000)
    desk = BudgetDesk(engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=keeping.clock, dry_s=0.0)
    await desk.ready([test_id], offers=10)
    keeping.economy = changed(DEFAULT, {"block_life_s": 10})
    await desk.ready([test_id], offers=150)
    keeping.clock.forward(seconds=11)
    offers = [desk.offer(test_id, 10) for _ in range(150)]
    assert {block for block in offers if block is not None} != set()
    assert offers.count(None) == 50
    await desk.close()
    assert await keeping.broken_laws() == {}


async def test_a_choice_that_is_worth_more_than_a_block_is_offered_all_the_same(engine) -> None:
    keeping = Bookkeeping(engine, economy=changed(DEFAULT, {"choice_g": 1_000, "block_g": 10}))
    test_id = await keeping.a_test(votes=3)
    desk = BudgetDesk(engine, economy=lambda: keeping.economy, ticket_life=TICKET_LIFE, clock=keeping.clock)
    await desk.ready([test_id])
    assert desk.offer_g(test_id) == 1_000
    assert desk.offer(test_id, 1_000) is not None


# --- expiry -----------------------------------------------------------------------------------------


async def test_a_shorter_life_of_fertilizer_is_for_what_is_earned_afterwards(database: str, tmp_path: Path) -> None:
    """70 g under 180 days, then 30 g under 60: the younger expire first, and once; the older on the day promised."""
    async with an_orchard(database, tmp_path) as service:
        phone, start = await service.phone(), day_of(service.clock())
        await give(service, phone, 70)
        service.clock.forward(days=1)
        short = changed(SMALL, {"expiry_days": 60})
        await save(service, short)
        service.clock.forward(days=1)
        await give(service, phone, 30)
        job, seen = ExpireFertilizer(service.engine, lambda: short), {}
        for day in (48, 59, 63, 64, 65, 100, 166, 177, 180, 181):
            await job.run(day_ends_at(start + timedelta(days=day - 1)) + timedelta(hours=3))
            async with service.engine.connect() as conn:
                seen[day] = await ledger.balance(conn, books.player(player_id_of(phone)))
        assert seen == {48: 100, 59: 100, 63: 70, 64: 70, 65: 70, 100: 70, 166: 70, 177: 70, 180: 70, 181: 0}
        assert await broken_laws(service) == {}


async def test_grams_that_are_used_this_very_moment_are_not_expired_in_their_place(
    database: str, tmp_path: Path
) -> None:
    """The job has looked, the player applies the old grams, the job goes on: it must not take newer ones for them."""
    async with an_orchard(database, tmp_path) as service:
        phone, start = await service.phone(), day_of(service.clock())
        await plant(phone)
        await give(service, phone, 70)
        job = ExpireFertilizer(service.engine, lambda: service.shell.economy)
        for day in (166, 177):
            await job.run(day_ends_at(start + timedelta(days=day - 1)) + timedelta(hours=3))
        service.clock.now = day_ends_at(start + timedelta(days=180)) + timedelta(hours=3)
        await give(service, phone, 50)
        wallet = books.player(player_id_of(phone))
        async with transaction(service.engine) as conn:
            # The player's application, not committed yet: it holds the wallet, and the job will wait for it.
            await apply_fertilizer(
                conn, player_id=player_id_of(phone), times=1, economy=service.shell.economy, now=service.clock()
            )
            running = asyncio.create_task(job.run(service.clock()))

            async def waits() -> bool:
                async with service.engine.connect() as other:
                    return bool(await other.scalar(sa.text("select 1 from pg_locks where not granted limit 1")))

            await until(waits)
        assert await running == 0
        async with service.engine.connect() as conn:
            assert await ledger.balance(conn, wallet) == 20 + 50 + 7  # and the award of the stage
        assert await job.run(service.clock()) == 1
        async with service.engine.connect() as conn:
            assert await ledger.balance(conn, wallet) == 50 + 7
        assert await broken_laws(service) == {}

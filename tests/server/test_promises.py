"""Promises to players: an offer is fixed when it is dealt and honoured, whatever happens to its test or its budget."""

import sqlalchemy as sa

from game.style_test import TestState
from server.flows.end_test import end_test
from server.flows.move_test import move_test
from server.jobs.release_blocks import ReleaseBlocks
from server.jobs.settle_grants import SettleGrants
from server.stores import budgets, invariants, tests
from server.stores.db import transaction
from server.stores.grants import grants
from tests.server.builders import Service


async def assert_books_are_clean(service: Service) -> None:
    broken = [finding async for finding in invariants.audit(service.engine) if not finding.holds]
    assert not broken, broken


async def test_a_stopped_test_honours_tickets_that_are_out(service: Service) -> None:
    """A matchup that was dealt before the stop is counted and paid; after it nothing is dealt."""
    test = await service.test(styles=6)
    phone = await service.phone()
    tickets = [m["ticket"] for m in (await phone.round(size=4))["matchups"]]
    async with transaction(service.engine) as conn:
        await end_test(conn, test, "stop", who="test", why="by its merchant", now=service.clock())
    await service.shell.dealer.refresh()
    reply = await phone.answer(*[(ticket, "left") for ticket in tickets])
    assert [(r["status"], r["grant_g"]) for r in reply["receipts"]] == [("counted", 10)] * 4
    assert (await phone.round())["reason"] == "no_test_open"
    service.clock.forward(days=2)
    await SettleGrants(service.engine).run(service.clock())
    status, wallet = await phone.call("GET", "/v1/farm")
    assert (status, wallet["available_g"]) == (200, 40)
    await assert_books_are_clean(service)


async def test_a_paused_test_deals_nothing_and_forgets_nothing(service: Service) -> None:
    """Pausing is for dealing only."""
    test = await service.test(styles=6)
    phone = await service.phone()
    ticket = (await phone.round(size=1))["matchups"][0]["ticket"]
    async with transaction(service.engine) as conn:
        await move_test(conn, test.test_id, "pause", merchant_id=None, who="test", now=service.clock())
    await service.shell.dealer.refresh()
    assert (await phone.answer((ticket, "right")))["receipts"][0]["status"] == "counted"
    assert (await phone.round())["reason"] == "no_test_open"


async def test_a_budget_that_ends_within_a_round_pays_what_was_dealt_and_deals_no_more(service: Service) -> None:
    """Every vote that there is money for is dealt and paid, not one more, and the books are exact to the gram."""
    test = await service.test(styles=12, budget_fen=12 * 20 * 3)
    async with transaction(service.engine) as conn:
        budget = await budgets.find(conn, test.test_id)
    assert budget is not None
    affordable = budget.bought_g // 10
    dealt = 0
    answered = 0
    # Near its end a budget is reserved in ever smaller blocks, so that no process sits on what another could deal.
    for number in range(100):
        phone = await service.phone(f"player {number}")
        matchups = (await phone.round(size=20))["matchups"]
        dealt += len(matchups)
        if matchups:
            reply = await phone.answer(*[(m["ticket"], "left") for m in matchups])
            answered += sum(r["status"] == "counted" and r["grant_g"] == 10 for r in reply["receipts"])
    assert dealt == answered == affordable
    last = await (await service.phone("too late")).round()
    assert (last["matchups"], last["reason"]) == ([], "budget_exhausted")
    async with service.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.sum(grants.c.amount_g))) == budget.bought_g
    await assert_books_are_clean(service)


async def test_what_no_ticket_can_claim_returns_to_the_merchant_to_the_fen(service: Service) -> None:
    """After the last ticket has expired the merchant has paid for the votes that were cast, and not one fen more."""
    test = await service.test(styles=6, budget_fen=5_000)
    phone = await service.phone()
    matchups = (await phone.round(size=8))["matchups"]
    await phone.answer(*[(m["ticket"], "left") for m in matchups[:5]])
    async with transaction(service.engine) as conn:
        await end_test(conn, test, "stop", who="test", why="by its merchant", now=service.clock())
    for _ in range(4):
        service.clock.forward(days=1)
        await SettleGrants(service.engine).run(service.clock())
        await ReleaseBlocks(service.engine).run(service.clock())
    async with service.engine.connect() as conn:
        budget = await budgets.find(conn, test.test_id)
        assert (await tests.states(conn, [test.test_id]))[test.test_id] is TestState.STOPPED
    assert budget is not None
    assert budget.cost_fen() == 5 * 3
    assert (budget.left_g, budget.reserved_g) == (0, 0)
    await assert_books_are_clean(service)

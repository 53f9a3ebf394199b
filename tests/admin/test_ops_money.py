"""Laws of money moved by hand: never more than there is, once for a reference, two persons above a limit, all on record."""

import asyncio
import hashlib
import json
from uuid import UUID

import pytest
import sqlalchemy as sa

from admin.roles import Role
from rewards import ledger as books
from server.flows.reserve_block import reserve_block
from server.ids import uuid7
from server.jobs.record_spending import RecordSpending
from server.stores import audit as log
from server.stores import ledger, tests
from server.stores.db import IntegrityError, transaction
from server.stores.invariants import all_laws, audit
from tests.admin.doors import Door, Operator
from tests.server.books import TICKET_LIFE, as_attacker
from tests.server.builders import a_running_test

WHY = "银行流水已核对"
AT = "/v1/ops/budgets"


@pytest.fixture
async def treasurer(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.TREASURER, login="qian"))


async def another(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.TREASURER, login="sun"))


async def holds(door: Door) -> dict:
    """What an audit finds; nothing when all is well."""
    found = [finding async for finding in audit(door.engine, all_laws(), connections=1)]
    return {finding.code: finding.rows for finding in found if not finding.holds}


async def lines(door: Door, what: str) -> list[log.AuditLine]:
    async with door.engine.connect() as conn:
        return [line for line in await log.lines(conn) if line.what == what]


async def balance(door: Door, account: books.Account) -> int:
    async with door.engine.connect() as conn:
        return await ledger.balance(conn, account)


async def test_money_received_is_booked_once_by_its_reference(door: Door, treasurer: Operator):
    """The same reference again is refused by name, whatever amount or merchant comes with it."""
    merchant = await door.merchant(fen=0)
    other = await door.merchant("别家", fen=0)
    path = f"{AT}/merchants/{merchant.merchant_id}/deposits"
    body = {"amount_fen": 30_000, "reference": "ICBC-0001", "reason": WHY}
    made = await treasurer.good("POST", path, body, headers={"Idempotency-Key": "one"})
    assert (made["state"], made["moved"], made["alone"]) == ("done", 30_000, True)
    again = await treasurer.good("POST", path, body, headers={"Idempotency-Key": "one"})
    assert again == made
    assert await treasurer.refused("POST", path, body) == (409, "payment_known")
    elsewhere = f"{AT}/merchants/{other.merchant_id}/deposits"
    assert await treasurer.refused("POST", elsewhere, {**body, "amount_fen": 1}) == (409, "payment_known")
    shown = await treasurer.good("GET", f"{AT}/merchants/{merchant.merchant_id}")
    assert (shown["balance_fen"], len(shown["moves"])) == (30_000, 1)
    (line,) = await lines(door, "money.deposit")
    assert (line.who, line.why, line.after["amount"]) == ("qian", WHY, 30_000)
    assert line.request_id
    assert await holds(door) == {}


async def test_a_reference_that_the_books_know_is_not_booked_again(door: Door, treasurer: Operator):
    """What was booked by another way in counts, too."""
    merchant = await door.merchant(fen=700)
    body = {"amount_fen": 700, "reference": f"pay-{merchant.merchant_id}", "reason": WHY}
    path = f"{AT}/merchants/{merchant.merchant_id}/deposits"
    assert await treasurer.refused("POST", path, body) == (409, "payment_known")
    assert await balance(door, books.merchant(merchant.merchant_id)) == 700


@pytest.mark.parametrize("amount", [0, -5, 1.5, "many", 10**13, 10**40, None, True])
async def test_an_amount_that_is_none_is_a_wrong_field(door: Door, treasurer: Operator, amount):
    """Negative, huge, broken or no number: 422 that names the field, and nothing moves."""
    merchant = await door.merchant(fen=100)
    status, problem = await treasurer.call(
        "POST", f"{AT}/merchants/{merchant.merchant_id}/payouts",
        {"amount_fen": amount, "reference": "OUT-1", "reason": WHY},
    )  # fmt: skip
    if amount is True:  # JSON's true is no number either
        assert status in (201, 422)
        return
    assert (status, problem["field"]) == (422, "amount_fen")
    assert await balance(door, books.merchant(merchant.merchant_id)) == 100


async def test_more_than_there_is_moves_nothing(door: Door, treasurer: Operator):
    """Payout, top-up, return and the programme: each names what there is, and every balance stays."""
    merchant = await door.merchant(fen=40_000)
    test = await merchant.running(budget_fen=30_000)
    before = await balance(door, books.merchant(merchant.merchant_id))
    own = f"{AT}/merchants/{merchant.merchant_id}"
    for path, body in [
        (f"{own}/payouts", {"amount_fen": before + 1, "reference": "OUT-9"}),
        (f"{AT}/tests/{test['test_id']}/top-ups", {"amount_fen": before + 3}),
        (f"{AT}/tests/{test['test_id']}/returns", {"amount_fen": 30_003}),
        (f"{AT}/programme/returns", {"amount_g": 1}),
    ]:
        status, problem = await treasurer.call("POST", path, {**body, "reason": WHY})
        assert (status, problem["code"]) == (409, "not_that_much"), (path, problem)
    assert await balance(door, books.merchant(merchant.merchant_id)) == before
    moves = await treasurer.good("GET", "/v1/ops/money-moves")
    assert moves["moves"] == []
    assert await holds(door) == {}


async def test_a_large_sum_takes_two_persons(door: Door, treasurer: Operator):
    """Above the limit the first proposes and nothing moves; not he, but another one, approves; the third is told."""
    merchant = await door.merchant(fen=0)
    path = f"{AT}/merchants/{merchant.merchant_id}/deposits"
    limit = door.shell.config.four_eyes_above_fen
    asked = await treasurer.good("POST", path, {"amount_fen": limit + 1, "reference": "BIG-1", "reason": WHY})
    assert asked["state"] == "waiting"
    assert await balance(door, books.merchant(merchant.merchant_id)) == 0
    decide, yes = f"/v1/ops/money-moves/{asked['move_id']}/decision", {"decision": "approve", "reason": WHY}
    assert await treasurer.refused("POST", decide, yes) == (403, "four_eyes_needed")
    second = await another(door)
    done = await second.good("POST", decide, yes)
    assert (done["state"], done["moved"], done["decided_by"]) == ("done", limit + 1, "sun")
    status, problem = await treasurer.call("POST", decide, yes)
    assert (status, problem["code"]) == (409, "money_move_decided")
    assert "sun" in problem["detail"]
    assert await balance(door, books.merchant(merchant.merchant_id)) == limit + 1
    assert await holds(door) == {}


async def test_the_database_itself_refuses_one_pair_of_eyes(door: Door, treasurer: Operator):
    """Whatever the code above it does."""
    merchant = await door.merchant(fen=0)
    limit = door.shell.config.four_eyes_above_fen
    await treasurer.good(
        "POST", f"{AT}/merchants/{merchant.merchant_id}/deposits",
        {"amount_fen": limit + 1, "reference": "BIG-2", "reason": WHY},
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="four_eyes"):
        await as_attacker(
            door.engine, "update money_moves set state = 'done', decided_by = proposed_by, decided_at = now()"
        )


async def test_what_was_decided_is_never_rewritten(door: Door, treasurer: Operator):
    """Neither another amount before the decision, nor another decision after it, nor a move that is gone."""
    merchant = await door.merchant(fen=0)
    path = f"{AT}/merchants/{merchant.merchant_id}/deposits"
    for number, amount in enumerate((5, door.shell.config.four_eyes_above_fen + 1)):
        await treasurer.good("POST", path, {"amount_fen": amount, "reference": f"REF-{number}", "reason": WHY})
    for statement in (
        "update money_moves set amount = amount + 1 where state = 'waiting'",
        "update money_moves set note = 'other' where state = 'done'",
        "delete from money_moves",
    ):
        with pytest.raises(IntegrityError, match=r"decided once|append-only"):
            async with transaction(door.engine) as conn:
                await conn.execute(sa.text(statement))


async def test_two_treasurers_who_approve_at_once_move_the_money_once(door: Door, treasurer: Operator):
    """Ten approvals race: one is done, nine are told by whom it was."""
    merchant = await door.merchant(fen=0)
    limit = door.shell.config.four_eyes_above_fen
    asked = await treasurer.good(
        "POST", f"{AT}/merchants/{merchant.merchant_id}/deposits",
        {"amount_fen": limit + 7, "reference": "BIG-3", "reason": WHY},
    )  # fmt: skip
    second = await another(door)
    decide = f"/v1/ops/money-moves/{asked['move_id']}/decision"
    answers = await asyncio.gather(
        *(second.call("POST", decide, {"decision": "approve", "reason": WHY}) for _ in range(10))
    )
    assert sorted(status for status, _ in answers) == [200] + [409] * 9
    assert await balance(door, books.merchant(merchant.merchant_id)) == limit + 7


async def test_what_cannot_be_made_when_it_is_approved_waits_on(door: Door, treasurer: Operator):
    """Two large payouts of the same money: the second approval is refused, and its proposal can be declined."""
    limit = door.shell.config.four_eyes_above_fen
    merchant = await door.merchant(fen=limit + 10)
    second = await another(door)
    asked = [
        await treasurer.good(
            "POST", f"{AT}/merchants/{merchant.merchant_id}/payouts",
            {"amount_fen": limit + 10, "reference": f"OUT-{number}", "reason": WHY},
        )
        for number in range(2)
    ]  # fmt: skip
    paths = [f"/v1/ops/money-moves/{one['move_id']}/decision" for one in asked]
    await second.good("POST", paths[0], {"decision": "approve", "reason": WHY})
    assert await second.refused("POST", paths[1], {"decision": "approve", "reason": WHY}) == (409, "not_that_much")
    waiting = await second.good("GET", "/v1/ops/money-moves?state=waiting")
    assert [one["move_id"] for one in waiting["moves"]] == [asked[1]["move_id"]]
    declined = await treasurer.good("POST", paths[1], {"decision": "decline", "reason": "余额已付清"})
    assert declined["state"] == "declined"
    assert await balance(door, books.merchant(merchant.merchant_id)) == 0
    assert await holds(door) == {}


async def test_a_key_moves_no_large_sum(door: Door):
    """A key is no person: it can be neither the first pair of eyes nor the second."""
    merchant = await door.merchant(fen=0)
    async with transaction(door.engine) as conn:
        await tests.add_api_key(
            conn, key_id=uuid7(), digest=hashlib.sha256(b"xk-bot").digest(), merchant_id=None, name="bot",
            scopes=("treasurer", "write"), now=door.clock.now,
        )  # fmt: skip
    reply = await door.client.request(
        "POST", f"{AT}/merchants/{merchant.merchant_id}/deposits", headers={"Authorization": "Bearer xk-bot"},
        json={"amount_fen": door.shell.config.four_eyes_above_fen + 1, "reference": "BOT-1", "reason": WHY},
    )  # fmt: skip
    assert (reply.status, (await reply.json())["code"]) == (403, "four_eyes_needed")


async def test_an_open_test_is_topped_up_and_gives_back_whole_votes(door: Door, treasurer: Operator):
    """What lies in a block stays; money and grams go together; the books hold after each step."""
    merchant = await door.merchant(fen=100_000)
    test = await merchant.running(budget_fen=30_000)
    test_id = UUID(test["test_id"])
    async with transaction(door.engine) as conn:
        await reserve_block(
            conn, budget_id=test_id, process_id=uuid7(), wanted_g=1000, ticket_life=TICKET_LIFE,
            economy=door.shell.economy, now=door.clock.now,
        )  # fmt: skip
    path = f"{AT}/tests/{test_id}"
    topped = await treasurer.good("POST", f"{path}/top-ups", {"amount_fen": 3_004, "reason": WHY})
    assert (topped["amount"], topped["moved"]) == (3_004, 3_003)
    assert await holds(door) == {}
    assert (await treasurer.good("GET", f"{AT}/tests?state=alert"))["budgets"] == []
    everything = 33_003 - 300  # a block of 1 000 g is promised: it costs 300 fen
    assert await treasurer.refused("POST", f"{path}/returns", {"amount_fen": everything + 3, "reason": WHY}) == (
        409, "not_that_much",
    )  # fmt: skip
    back = await treasurer.good("POST", f"{path}/returns", {"amount_fen": everything, "reason": WHY})
    assert back["moved"] == everything
    budget = await treasurer.good("GET", path)
    assert (budget["left_g"], budget["promised_g"], budget["bought_g"]) == (0, 1000, 1000)
    (near,) = (await treasurer.good("GET", f"{AT}/tests?state=alert"))["budgets"]  # all that is left is promised
    assert (near["test_id"], near["alert"], near["spent_permille"]) == (str(test_id), True, 1000)
    assert await balance(door, books.merchant(merchant.merchant_id)) == 100_000 - 300
    assert await holds(door) == {}


async def test_money_moves_between_tests_of_one_merchant_only(door: Door, treasurer: Operator):
    """And to nobody else's, nor to a test that is over."""
    merchant = await door.merchant(fen=100_000)
    first, second = await merchant.running(budget_fen=30_000), await merchant.running(budget_fen=30_000)
    stranger = await (await door.merchant("别家")).running(budget_fen=30_000)
    body = {"from_test_id": first["test_id"], "to_test_id": second["test_id"], "amount_fen": 9_000, "reason": WHY}
    moved = await treasurer.good("POST", f"{AT}/moves", body)
    assert moved["moved"] == 9_000
    assert (await treasurer.good("GET", f"{AT}/tests/{second['test_id']}"))["left_g"] == 130_000
    assert await treasurer.refused("POST", f"{AT}/moves", {**body, "to_test_id": stranger["test_id"]}) == (
        409, "not_the_same_merchant",
    )  # fmt: skip
    assert await treasurer.refused("POST", f"{AT}/moves", {**body, "to_test_id": first["test_id"]}) == (
        409, "not_the_same_merchant",
    )  # fmt: skip
    await merchant.good("POST", f"/v1/merchant/tests/{second['test_id']}/stop")
    assert await treasurer.refused("POST", f"{AT}/moves", body) == (409, "budget_is_closed")
    assert await holds(door) == {}


async def test_the_programme_is_funded_and_gives_back(door: Door, treasurer: Operator):
    """Grams by hand, beyond the day's figure; never more back than there are."""
    await treasurer.good("POST", f"{AT}/programme/fundings", {"amount_g": 50_000, "reason": WHY})
    await treasurer.good("POST", f"{AT}/programme/returns", {"amount_g": 20_000, "reason": WHY})
    shown = await treasurer.good("GET", f"{AT}/programme")
    assert (shown["left_g"], shown["funded_g"], shown["returned_g"], shown["given_g"]) == (30_000, 50_000, 20_000, 0)
    assert await treasurer.refused("POST", f"{AT}/programme/returns", {"amount_g": 30_001, "reason": WHY}) == (
        409, "not_that_much",
    )  # fmt: skip
    assert await holds(door) == {}


async def test_a_cap_is_changed_by_who_has_seen_it(door: Door, treasurer: Operator):
    """The second of two treasurers is told who changed it, and that by when; the first one's cap binds."""
    test = await (await door.merchant()).running(budget_fen=30_000)
    path = f"{AT}/tests/{test['test_id']}/caps"
    body = {"day_g": 500, "total_g": None, "seen_day_g": None, "seen_total_g": None, "reason": WHY}
    assert (await treasurer.good("PUT", path, body))["day_g"] == 500
    second = await another(door)
    status, problem = await second.call("PUT", path, {**body, "day_g": 9_000})
    assert (status, problem["code"]) == (409, "changed_meanwhile")
    assert "qian" in problem["detail"]
    assert await treasurer.refused("PUT", path, {**body, "seen_day_g": 500}) == (409, "nothing_changed")
    everything = {**body, "day_g": 0}
    await treasurer.good("PUT", f"{AT}/caps", everything)
    (line, _) = await lines(door, "caps.set")
    assert line.after == {"day_g": 0, "total_g": None}


async def test_a_budget_is_drawn_against_its_plan(door: Door, treasurer: Operator):
    """The plan rises from nothing to the whole budget; what was spent has a point for each hour it was looked at."""
    ends_at = (door.clock.now + TICKET_LIFE * 300).isoformat()
    test = await (await door.merchant()).running(budget_fen=30_000, ends_at=ends_at)
    await RecordSpending(door.engine).run(door.clock.now)
    door.clock.forward(hours=2)
    await RecordSpending(door.engine).run(door.clock.now)
    shown = await treasurer.good("GET", f"{AT}/tests/{test['test_id']}")
    plan = [one["planned_g"] for one in shown["plan"]]
    assert (plan[0], plan[-1]) == (0, 100_000)
    assert plan == sorted(plan)
    assert len(shown["spent"]) == 2
    assert 0 < shown["planned_g"] < 100_000


async def test_pages_of_money_go_on_where_they_ended(door: Door, treasurer: Operator):
    """Every merchant, budget and move once, whatever the size of a page."""
    merchants = [await door.merchant(f"商家{number}", fen=100_000) for number in range(5)]
    for merchant in merchants[:3]:
        await a_running_test(door.engine, merchant_id=merchant.merchant_id)
        await treasurer.good(
            "POST", f"{AT}/merchants/{merchant.merchant_id}/deposits",
            {"amount_fen": 5, "reference": f"R-{merchant.merchant_id}", "reason": WHY},
        )  # fmt: skip
    for path, name, n in ((f"{AT}/merchants", "merchants", 5), (f"{AT}/tests", "budgets", 3),
                          ("/v1/ops/money-moves", "moves", 3)):  # fmt: skip
        seen, cursor = [], ""
        while True:
            page = await treasurer.good("GET", f"{path}?limit=2" + (f"&cursor={cursor}" if cursor else ""))
            seen += page[name]
            cursor = page["next"]
            if not cursor:
                break
        assert len({json.dumps(one) for one in seen}) == len(seen) == n
        assert (await treasurer.refused("GET", f"{path}?cursor=abc"))[0] == 422
    found = await treasurer.good("GET", f"{AT}/merchants?name=商家3")
    assert [one["name"] for one in found["merchants"]] == ["商家3"]
    assert (await treasurer.good("GET", f"{AT}/merchants?name=%25"))["merchants"] == []


async def test_a_page_asks_the_database_as_often_for_many_rows_as_for_one(door: Door, treasurer: Operator):
    """The number of statements of a list page does not grow with its rows."""
    asked: list[str] = []
    sa.event.listen(
        door.engine.sync_engine, "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement)
    )

    async def statements() -> dict[str, int]:
        counted = {}
        for path in ("budgets", "budgets/merchants", "budgets/tests?state=all", "budgets/moves", "economy/changes"):
            asked.clear()
            status, _ = await treasurer.call("GET", f"/ops/{path}")
            assert status == 200
            # The figures are looked at every few seconds, whoever asks for what.
            counted[path] = sum("economies" not in one and "clock_timestamp" not in one for one in asked)
        return counted

    async def fill(n: int) -> None:
        for _ in range(n):
            merchant = await door.merchant(fen=100_000)
            await a_running_test(door.engine, merchant_id=merchant.merchant_id)
            body = {"amount_fen": 5, "reference": str(merchant.merchant_id), "reason": WHY}
            await treasurer.good("POST", f"{AT}/merchants/{merchant.merchant_id}/deposits", body)
            economy = await treasurer.good("GET", "/v1/ops/economy")
            streak_g = 50 + economy["economy_id"]
            change = {"changes": {"streak_g": streak_g}, "based_on": economy["economy_id"], "reason": WHY}
            await treasurer.good("PUT", "/v1/ops/economy", change)

    await fill(1)
    few = await statements()
    await fill(4)
    assert await statements() == few

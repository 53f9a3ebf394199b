"""Budgets: merchants' money, tests' budgets with their pacing, the programme's own, caps, and moves under four eyes."""

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.api.ops_pages import READS, WRITES, Cursor, Limit, Reason, aware, pack, unpack
from admin.roles import May
from game.standing import second_pair_of_eyes
from rewards import ledger as books
from rewards import moves as rules
from rewards.budgets import Caps
from rewards.days import day_of
from rewards.moves import MoneyMove, MoveKind, MoveState
from rewards.pacing import planned_curve, planned_g
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.move_money import decide_move, move_money
from server.flows.pay_awards import PROGRAMME
from server.flows.set_caps import set_caps
from server.ids import uuid7
from server.stores import budgets, economies, ledger, money
from server.stores.budgets import EVERYTHING, Spending
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.money import MerchantBalance, NamedBudget

SEE, MOVE = May.SEE_OPERATIONS.value, May.MOVE_MONEY.value
MOST_FEN = 1_000_000_000_000
MOST_G = 1_000_000_000_000


class MerchantsQuery(Wire):
    """Which page of merchants; `name` is how the name begins."""

    name: str = pydantic.Field(default="", max_length=60)
    cursor: Cursor = None
    limit: Limit = 50


class BudgetsQuery(Wire):
    """Which page of tests' budgets: open ones, open ones that are used up to the alert, or all."""

    state: Literal["open", "alert", "all"] = "open"
    cursor: Cursor = None
    limit: Limit = 50


class MovesQuery(Wire):
    """Which page of moves, in which state (all, unless named)."""

    state: Literal["waiting", "done", "declined", ""] = ""
    cursor: Cursor = None
    limit: Limit = 50


class PaymentBody(Wire):
    """Money received or paid out; the reference is the bank's, and stands for one booking only."""

    amount_fen: int = pydantic.Field(ge=1, le=MOST_FEN)
    reference: str = pydantic.Field(min_length=3, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    reason: Reason


class AmountBody(Wire):
    """So much money, and why."""

    amount_fen: int = pydantic.Field(ge=1, le=MOST_FEN)
    reason: Reason


class BetweenBody(Wire):
    """Money from one test of a merchant to another one of theirs."""

    from_test_id: UUID
    to_test_id: UUID
    amount_fen: int = pydantic.Field(ge=1, le=MOST_FEN)
    reason: Reason


class GramsBody(Wire):
    """So many grams, and why."""

    amount_g: int = pydantic.Field(ge=1, le=MOST_G)
    reason: Reason


class CapsBody(Wire):
    """What may be promised a day and in all (null: no cap), and what stood there when the operator looked."""

    day_g: int | None = pydantic.Field(ge=0, le=MOST_G)
    total_g: int | None = pydantic.Field(ge=0, le=MOST_G)
    seen_day_g: int | None = pydantic.Field(ge=0, le=MOST_G)
    seen_total_g: int | None = pydantic.Field(ge=0, le=MOST_G)
    reason: Reason


class DecisionBody(Wire):
    """A second person's word on a move."""

    decision: Literal["approve", "decline"]
    reason: Reason


class BalanceReply(Reply):
    """A merchant's money in fen: on the account, and in escrow for tests."""

    merchant_id: str
    name: str
    created_at: str
    balance_fen: int
    at_work_fen: int
    open_tests: int


class BalancesReply(Reply):
    """A page of merchants, newest first."""

    merchants: list[BalanceReply]
    next: str | None


class MoveReply(Reply):
    """A move of money: what was asked, by whom, and what became of it. `moved` may be less: whole votes only."""

    move_id: str
    kind: str
    unit: str
    amount: int
    moved: int
    merchant_id: str | None
    test_id: str | None
    to_test_id: str | None
    reference: str
    reason: str
    state: str
    alone: bool
    proposed_by: str
    proposed_at: str
    decided_by: str
    decided_at: str | None
    note: str


class MovesReply(Reply):
    """A page of moves, newest first."""

    moves: list[MoveReply]
    next: str | None


class BalanceFileReply(BalanceReply):
    """A merchant's money with the newest moves of it."""

    moves: list[MoveReply]


class BudgetReply(Reply):
    """A test's budget in grams: bought, paid, promised in blocks, left; and its money in fen."""

    test_id: str
    title: str
    merchant_id: str | None
    merchant_name: str
    test_state: str
    opened_at: str
    ends_at: str | None
    closed_at: str | None
    bought_g: int
    settled_g: int
    promised_g: int
    left_g: int
    planned_g: int
    spent_permille: int
    alert: bool
    paid_fen: int
    cost_fen: int
    price_fen: int
    choice_g: int


class BudgetsReply(Reply):
    """A page of budgets, newest first."""

    budgets: list[BudgetReply]
    next: str | None


class CapsReply(Reply):
    """Caps in grams (null: none), and what is counted under them."""

    day_g: int | None
    total_g: int | None
    today_g: int
    reserved_g: int
    alert: bool


class PlannedReply(Reply):
    """A point of the plan."""

    at: str
    planned_g: int


class SpentReply(Reply):
    """A point of what was spent: paid, and promised besides."""

    at: str
    settled_g: int
    promised_g: int


class BudgetFileReply(BudgetReply):
    """A budget with its caps, its plan against what was spent hour by hour, and its moves."""

    caps: CapsReply
    plan: list[PlannedReply]
    spent: list[SpentReply]
    moves: list[MoveReply]


class ProgrammeReply(Reply):
    """The programme's own budget in grams, what binds it, the house's money in fen, and what one person may move alone."""

    left_g: int
    funded_g: int
    returned_g: int
    given_g: int
    day_g: int
    paid_choices_per_day: int
    wallet_cap_g: int
    everything: CapsReply
    merchants_fen: int
    platform_fen: int
    suppliers_fen: int
    alone_most_fen: int
    waiting: int


def shown_move(move: MoneyMove) -> dict[str, Any]:
    """A move as it is told."""
    return {
        "move_id": str(move.id),
        "kind": move.kind.value,
        "unit": move.unit.value,
        "amount": move.amount,
        "moved": move.moved,
        "merchant_id": str(move.merchant_id) if move.merchant_id else None,
        "test_id": str(move.test_id) if move.test_id else None,
        "to_test_id": str(move.to_test_id) if move.to_test_id else None,
        "reference": move.reference,
        "reason": move.why,
        "state": move.state.value,
        "alone": move.alone,
        "proposed_by": move.proposed_who,
        "proposed_at": rfc3339(move.proposed_at),
        "decided_by": move.decided_who,
        "decided_at": rfc3339(move.decided_at) if move.decided_at else None,
        "note": move.note,
    }


def _balance(found: MerchantBalance) -> dict[str, Any]:
    return {
        "merchant_id": str(found.merchant_id),
        "name": found.name,
        "created_at": rfc3339(found.created_at),
        "balance_fen": found.balance_fen,
        "at_work_fen": found.at_work_fen,
        "open_tests": found.open_tests,
    }


def _budget(call: Call, found: NamedBudget) -> dict[str, Any]:
    budget = found.budget
    plan = budgets.plan_of(budget)
    spent_g = budget.settled_g + budget.reserved_g
    state = Spending(budget, planned_g(plan, call.now) if plan else spent_g)
    return {
        "test_id": str(budget.budget_id),
        "title": found.title,
        "merchant_id": str(budget.merchant_id) if budget.merchant_id else None,
        "merchant_name": found.merchant_name,
        "test_state": found.state,
        "opened_at": rfc3339(budget.opened_at),
        "ends_at": rfc3339(budget.plan_ends_at) if budget.plan_ends_at else None,
        "closed_at": rfc3339(budget.closed_at) if budget.closed_at else None,
        "bought_g": budget.bought_g - budget.returned_g,
        "settled_g": budget.settled_g,
        "promised_g": budget.reserved_g,
        "left_g": budget.left_g,
        "planned_g": state.planned_g,
        "spent_permille": state.spent_permille,
        "alert": budget.closed_at is None and state.sounds_alert(call.shell.economy),
        "paid_fen": budget.paid_fen,
        "cost_fen": budget.cost_fen(),
        "price_fen": budget.rate.fen,
        "choice_g": budget.rate.grams,
    }


async def get_merchants(call: Call) -> dict[str, Any]:
    """Merchants with their money, newest first."""
    key = unpack(call.query.cursor, UUID)
    async with reading(call.shell.engine) as conn:
        found = await money.merchants_page(
            conn, name=call.query.name.strip(), before=key[0] if key else None, limit=call.query.limit + 1
        )
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    return {"merchants": [_balance(one) for one in shown], "next": pack(shown[-1].merchant_id) if more else None}


async def get_merchant(call: Call) -> dict[str, Any]:
    """One merchant's money, with its newest moves."""
    merchant_id = call.path_uuid("merchant_id")
    async with reading(call.shell.engine) as conn:
        found = await money.merchant(conn, merchant_id)
        if found is None:
            raise Problem("not_found")
        moves = await money.page(conn, merchant_id=merchant_id, limit=50)
    return {**_balance(found), "moves": [shown_move(one) for one in moves]}


async def get_budgets(call: Call) -> dict[str, Any]:
    """Budgets of tests, newest first."""
    key = unpack(call.query.cursor, aware, UUID)
    async with reading(call.shell.engine) as conn:
        found = await money.budgets_page(
            conn,
            open_only=call.query.state != "all",
            used_permille=call.shell.economy.alert_permille if call.query.state == "alert" else None,
            before=(key[0], key[1]) if key else None,
            limit=call.query.limit + 1,
        )
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    last = shown[-1].budget if more else None
    return {
        "budgets": [_budget(call, one) for one in shown],
        "next": pack(last.opened_at.isoformat(), last.budget_id) if last else None,
    }


async def get_budget(call: Call) -> dict[str, Any]:
    """One test's budget: caps, plan against what was spent, moves."""
    test_id = call.path_uuid("test_id")
    async with reading(call.shell.engine) as conn:
        found = await money.budget_named(conn, test_id)
        if found is None:
            raise Problem("not_found")
        moves = await money.page(conn, test_id=test_id, limit=50)
        spent = await money.spending_of(conn, test_id)
        caps = await _caps(conn, call, test_id)
    plan = budgets.plan_of(found.budget)
    return {
        **_budget(call, found),
        "caps": caps,
        "plan": [{"at": rfc3339(at), "planned_g": grams} for at, grams in planned_curve(plan)] if plan else [],
        "spent": [{"at": rfc3339(one.hour), "settled_g": one.settled_g, "promised_g": one.promised_g} for one in spent],
        "moves": [shown_move(one) for one in moves],
    }


async def _caps(conn: AsyncConnection, call: Call, scope_id: UUID) -> dict[str, Any]:
    caps = await money.caps_of(conn, scope_id)
    today_g, reserved_g = await money.reserved_under(conn, scope_id, day_of(call.now))
    permille = call.shell.economy.alert_permille
    return {
        "day_g": caps.day_g,
        "total_g": caps.total_g,
        "today_g": today_g,
        "reserved_g": reserved_g,
        "alert": any(
            cap is not None and used * 1000 >= cap * permille
            for cap, used in ((caps.day_g, today_g), (caps.total_g, reserved_g))
        ),
    }


async def get_programme(call: Call) -> dict[str, Any]:
    """The programme's own budget, and what binds everything."""
    async with reading(call.shell.engine) as conn:
        budget = await budgets.find(conn, PROGRAMME)
        economy = (await economies.latest(conn)).economy
        house = await ledger.balances(conn, [books.PLATFORM, books.SUPPLIERS])
        everything = await _caps(conn, call, EVERYTHING)
        merchants_fen = await money.merchants_total_fen(conn)
        waiting = len(await money.page(conn, state=MoveState.WAITING, limit=100))
    return {
        "left_g": budget.left_g if budget else 0,
        "funded_g": budget.bought_g if budget else 0,
        "returned_g": budget.returned_g if budget else 0,
        "given_g": budget.settled_g if budget else 0,
        "day_g": economy.programme_day_g,
        "paid_choices_per_day": economy.paid_choices_per_day,
        "wallet_cap_g": economy.wallet_cap_g,
        "everything": everything,
        "merchants_fen": merchants_fen,
        "platform_fen": house[books.PLATFORM],
        "suppliers_fen": house[books.SUPPLIERS],
        "alone_most_fen": call.shell.config.four_eyes_above_fen,
        "waiting": waiting,
    }


async def get_moves(call: Call) -> dict[str, Any]:
    """Moves of money, newest first."""
    key = unpack(call.query.cursor, UUID)
    async with reading(call.shell.engine) as conn:
        found = await money.page(
            conn, state=MoveState(call.query.state) if call.query.state else None, before=key[0] if key else None,
            limit=call.query.limit + 1,
        )  # fmt: skip
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    return {"moves": [shown_move(one) for one in shown], "next": pack(shown[-1].id) if more else None}


async def _move(call: Call, kind: MoveKind, amount: int, **of: Any) -> dict[str, Any]:
    """Ask for a move: made at once, or waiting for a second person."""
    asked = MoneyMove(
        id=uuid7(), kind=kind, amount=amount, why=call.body.reason.strip(), proposed_who=call.who.name,
        proposed_by=call.who.user_id, proposed_at=call.now, **of,
    )  # fmt: skip
    async with transaction(call.shell.engine) as conn:
        for test_id in (asked.test_id, asked.to_test_id):
            if test_id is not None:
                budget = await budgets.find(conn, test_id)
                if budget is None or budget.kind != "test":
                    raise Problem("not_found")
                asked = replace(asked, merchant_id=asked.merchant_id or budget.merchant_id)
        if kind in (MoveKind.DEPOSIT, MoveKind.PAYOUT) and await money.merchant(conn, of["merchant_id"]) is None:
            raise Problem("not_found")
        needs_two = rules.needs_two(
            kind, amount, alone_most_fen=call.shell.config.four_eyes_above_fen, economy=call.shell.economy
        )
        if needs_two and asked.proposed_by is None:
            raise Problem("four_eyes_needed", sentence="So much money is moved by persons, signed in, not by a key.")
        made = await move_money(
            conn, asked, alone_most_fen=call.shell.config.four_eyes_above_fen, economy=call.shell.economy, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return shown_move(made)


async def post_deposit(call: Call) -> dict[str, Any]:
    """Book money that a merchant has paid in; one reference is booked once."""
    return await _move(
        call, MoveKind.DEPOSIT, call.body.amount_fen, merchant_id=call.path_uuid("merchant_id"),
        reference=call.body.reference.strip(),
    )  # fmt: skip


async def post_payout(call: Call) -> dict[str, Any]:
    """Pay a merchant's money back; never more than lies on the account."""
    return await _move(
        call, MoveKind.PAYOUT, call.body.amount_fen, merchant_id=call.path_uuid("merchant_id"),
        reference=call.body.reference.strip(),
    )  # fmt: skip


async def post_top_up(call: Call) -> dict[str, Any]:
    """More money from the merchant's account into an open test, at the rate of its launch."""
    return await _move(call, MoveKind.TOP_UP, call.body.amount_fen, test_id=call.path_uuid("test_id"))


async def post_return(call: Call) -> dict[str, Any]:
    """Money of an open test back to the merchant's account: the price of whole votes that nobody was promised."""
    return await _move(call, MoveKind.RETURN, call.body.amount_fen, test_id=call.path_uuid("test_id"))


async def post_between(call: Call) -> dict[str, Any]:
    """Money from one test to another one of the same merchant; what buys no whole vote there stays on the account."""
    return await _move(
        call, MoveKind.BETWEEN_TESTS, call.body.amount_fen, test_id=call.body.from_test_id,
        to_test_id=call.body.to_test_id,
    )  # fmt: skip


async def post_programme_fund(call: Call) -> dict[str, Any]:
    """Grams for what the platform gives itself, beyond the day's figure."""
    return await _move(call, MoveKind.PROGRAMME_FUND, call.body.amount_g)


async def post_programme_return(call: Call) -> dict[str, Any]:
    """Grams of the programme's budget back to where they were issued."""
    return await _move(call, MoveKind.PROGRAMME_RETURN, call.body.amount_g)


async def post_decision(call: Call) -> dict[str, Any]:
    """Approve a move that another person asked for, or decline it (one's own, too)."""
    state = MoveState.DONE if call.body.decision == "approve" else MoveState.DECLINED
    async with transaction(call.shell.engine) as conn:
        move = await money.find(conn, call.path_uuid("move_id"), lock=True)
        if move is None:
            raise Problem("not_found")
        decided = rules.decided(
            move, state=state, who=call.who.name, by=call.who.user_id, note=call.body.reason.strip(), now=call.now
        )
        if state is MoveState.DONE:
            second_pair_of_eyes(move.proposed_by, call.who.user_id)
        made = await decide_move(conn, decided, economy=call.shell.economy, request_id=call.request[REQUEST_ID])
    return shown_move(made)


async def put_caps(call: Call) -> dict[str, Any]:
    """What a test may promise a day and in all; it binds the next reservation."""
    return await _put_caps(call, call.path_uuid("test_id"))


async def put_everything_caps(call: Call) -> dict[str, Any]:
    """What all tests together may promise a day and in all."""
    return await _put_caps(call, EVERYTHING)


async def _put_caps(call: Call, scope_id: UUID) -> dict[str, Any]:
    body = call.body
    async with transaction(call.shell.engine) as conn:
        if scope_id != EVERYTHING:
            budget = await budgets.find(conn, scope_id)
            if budget is None or budget.kind != "test":
                raise Problem("not_found")
        await set_caps(
            conn,
            scope_id,
            Caps(day_g=body.day_g, total_g=body.total_g),
            seen=Caps(day_g=body.seen_day_g, total_g=body.seen_total_g),
            who=call.who.name,
            why=body.reason.strip(),
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
        return await _caps(conn, call, scope_id)


_AT = "/v1/ops/budgets"
_M, _T = f"{_AT}/merchants/{{merchant_id}}", f"{_AT}/tests/{{test_id}}"


def _get(path: str, handler: Any, summary: str, reply: Any, query: Any = None) -> Route:
    return Route(
        method="GET", path=path, handler=handler, summary=summary, auth=SEE, query=query, reply=reply, problems=READS
    )


def _post(path: str, handler: Any, summary: str, body: Any, *, status: int = 201) -> Route:
    return Route(
        method="POST", path=path, handler=handler, summary=summary, auth=MOVE, body=body, reply=MoveReply, status=status,
        problems=WRITES, idempotent=True,
    )  # fmt: skip


def _put(path: str, handler: Any, summary: str) -> Route:
    return Route(
        method="PUT", path=path, handler=handler, summary=summary, auth=MOVE, body=CapsBody, reply=CapsReply,
        problems=WRITES, idempotent=True,
    )  # fmt: skip


ROUTES = (
    _get(f"{_AT}/programme", get_programme, "The programme's budget", ProgrammeReply),
    _get(f"{_AT}/merchants", get_merchants, "Merchants' money", BalancesReply, MerchantsQuery),
    _get(_M, get_merchant, "A merchant's money", BalanceFileReply),
    _get(f"{_AT}/tests", get_budgets, "Budgets of tests", BudgetsReply, BudgetsQuery),
    _get(_T, get_budget, "A test's budget", BudgetFileReply),
    _get("/v1/ops/money-moves", get_moves, "Moves of money", MovesReply, MovesQuery),
    _post(f"{_M}/deposits", post_deposit, "Book money received", PaymentBody),
    _post(f"{_M}/payouts", post_payout, "Pay money back", PaymentBody),
    _post(f"{_T}/top-ups", post_top_up, "Top a test up", AmountBody),
    _post(f"{_T}/returns", post_return, "Return money of an open test", AmountBody),
    _post(f"{_AT}/moves", post_between, "Move money between tests", BetweenBody),
    _post(f"{_AT}/programme/fundings", post_programme_fund, "Fund the programme", GramsBody),
    _post(f"{_AT}/programme/returns", post_programme_return, "Return grams of the programme", GramsBody),
    _post(
        "/v1/ops/money-moves/{move_id}/decision", post_decision, "Approve or decline a move", DecisionBody, status=200
    ),
    _put(f"{_T}/caps", put_caps, "Cap a test"),
    _put(f"{_AT}/caps", put_everything_caps, "Cap everything"),
)

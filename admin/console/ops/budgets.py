"""/ops/budgets: the programme's money, merchants' balances, tests' budgets with their pacing, and moves under four eyes."""

from datetime import datetime
from typing import Any

from aiohttp import web

from admin.api import ops_budgets as api
from admin.console.ops.drawing import HEIGHT, WIDTH, drawn
from admin.console.ops.money_words import MOVE_KINDS, MOVE_STATES, in_language
from admin.console.ops.page import ops_page
from admin.console.pages import STATE_WORDS
from admin.roles import May
from server.edge.wire import Call, Route, wants_english


def _page(call: Call, template: str, **values: Any) -> web.Response:
    english = wants_english(call.request)
    return ops_page(
        call,
        template,
        may_move=call.who.may(May.MOVE_MONEY),
        kinds=in_language(MOVE_KINDS, english=english),
        move_states=in_language(MOVE_STATES, english=english),
        test_states=in_language(STATE_WORDS, english=english),
        **values,
    )


async def get_home(call: Call) -> web.Response:
    """The programme's own budget, and what waits for a second person."""
    waiting = await api.get_moves(_first(call, api.MovesQuery(state="waiting", limit=20)))
    return _page(call, "ops/budgets.html", programme=await api.get_programme(call), waiting=waiting["moves"])


def _first(call: Call, query: Any) -> Call:
    """The same call with this query: a page that shows the beginning of a list."""
    return Call(call.shell, call.request, call.who, call.body, call.now, query)


async def get_merchants_page(call: Call) -> web.Response:
    """Merchants' balances."""
    return _page(call, "ops/budgets_merchants.html", found=await api.get_merchants(call))


async def get_merchant_page(call: Call) -> web.Response:
    """One merchant's money: book, pay back."""
    return _page(call, "ops/budgets_merchant.html", merchant=await api.get_merchant(call))


async def get_tests_page(call: Call) -> web.Response:
    """Budgets of tests."""
    return _page(call, "ops/budgets_tests.html", found=await api.get_budgets(call))


async def get_test_page(call: Call) -> web.Response:
    """One test's budget: its curve, and what can be done about it."""
    budget = await api.get_budget(call)
    spent = [(datetime.fromisoformat(one["at"]), one["settled_g"], one["promised_g"]) for one in budget["spent"]]
    # The last point is now: what the books say at this moment.
    if budget["closed_at"] is None:
        spent.append((call.now, budget["settled_g"], budget["promised_g"]))
    curve = drawn(
        [(datetime.fromisoformat(one["at"]), one["planned_g"]) for one in budget["plan"]],
        spent,
        starts_at=datetime.fromisoformat(budget["opened_at"]),
        now=call.now,
        bought_g=budget["bought_g"],
        alert_permille=call.shell.economy.alert_permille,
    )
    planned = {one["at"][:13]: one["planned_g"] for one in budget["plan"]}
    table = [
        {"at": at, "settled_g": paid, "promised_g": promised, "planned_g": planned.get(at.isoformat()[:13])}
        for at, paid, promised in spent[-48:]
    ]
    return _page(
        call, "ops/budgets_test.html", budget=budget, curve=curve, width=WIDTH, height=HEIGHT, table=table[::-1],
        alert_percent=call.shell.economy.alert_permille // 10,
    )  # fmt: skip


async def get_moves_page(call: Call) -> web.Response:
    """All moves of money by hand."""
    return _page(call, "ops/budgets_moves.html", found=await api.get_moves(call))


def _route(path: str, handler: Any, summary: str, query: Any = None) -> Route:
    return Route(
        method="GET", path=f"/ops/budgets{path}", handler=handler, summary=summary, auth=May.SEE_OPERATIONS.value,
        query=query, media="text/html",
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    _route("", get_home, "Budgets"),
    _route("/merchants", get_merchants_page, "Merchants' balances", api.MerchantsQuery),
    _route("/merchants/{merchant_id}", get_merchant_page, "A merchant's money"),
    _route("/tests", get_tests_page, "Budgets of tests", api.BudgetsQuery),
    _route("/tests/{test_id}", get_test_page, "A test's budget"),
    _route("/moves", get_moves_page, "Moves of money", api.MovesQuery),
)

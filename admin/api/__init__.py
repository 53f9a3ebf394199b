"""The calls of merchants and operators: one file per noun, and the list of all routes."""

from admin.api import (
    account,
    afterwards,
    ops_alarms,
    ops_audit,
    ops_budgets,
    ops_cases,
    ops_content,
    ops_dashboard,
    ops_economy,
    ops_merchants,
    ops_orders,
    ops_people,
    ops_players,
    ops_prizes,
    ops_segments,
    ops_switches,
    quotes,
    reports,
    tests,
    webhooks,
)
from server.edge.wire import Route

MERCHANT: tuple[Route, ...] = (
    *tests.ROUTES,
    *quotes.ROUTES,
    *reports.ROUTES,
    *afterwards.ROUTES,
    *webhooks.ROUTES,
    *account.ROUTES,
    *ops_segments.OFFERED,
)

MONEY: tuple[Route, ...] = (
    *ops_budgets.ROUTES,
    *ops_economy.ROUTES,
    *ops_prizes.ROUTES,
    *ops_orders.ROUTES,
    *ops_segments.ROUTES,
)

PEOPLE: tuple[Route, ...] = (
    *ops_cases.ROUTES,
    *ops_content.ROUTES,
    *ops_merchants.ROUTES,
    *ops_people.ROUTES,
    *ops_players.ROUTES,
)

WATCH: tuple[Route, ...] = (
    *ops_alarms.ROUTES,
    *ops_dashboard.ROUTES,
    *ops_switches.ROUTES,
    *ops_audit.ROUTES,
)

ROUTES: tuple[Route, ...] = (*MERCHANT, *MONEY, *PEOPLE, *WATCH)

"""The operators' console: one file per section with its own routes, collected here."""

from admin.console.ops import (
    alarms,
    audit,
    budgets,
    cases,
    content,
    economy,
    me,
    merchants,
    orders,
    overview,
    players,
    prizes,
    segments,
    staff,
    switches,
)
from admin.console.ops.sections import SECTIONS
from server.edge.wire import Route

__all__ = ["ROUTES", "SECTIONS"]

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *alarms.ROUTES,
    *cases.ROUTES,
    *me.ROUTES,
    *merchants.ROUTES,
    *players.ROUTES,
    *staff.ROUTES,
    *budgets.ROUTES,
    *economy.ROUTES,
    *prizes.ROUTES,
    *orders.ROUTES,
    *segments.ROUTES,
    *switches.ROUTES,
    *audit.ROUTES,
    *content.ROUTES,
)

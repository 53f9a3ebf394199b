"""The calls of merchants and operators: one file per noun, and the list of all routes."""

from admin.api import account, afterwards, ops_cases, ops_content, quotes, reports, tests, webhooks
from server.edge.wire import Route

MERCHANT: tuple[Route, ...] = (
    *tests.ROUTES,
    *quotes.ROUTES,
    *reports.ROUTES,
    *afterwards.ROUTES,
    *webhooks.ROUTES,
    *account.ROUTES,
)

ROUTES: tuple[Route, ...] = (*MERCHANT, *ops_cases.ROUTES, *ops_content.ROUTES)

"""The calls of merchants and operators: one file per noun, and the list of all routes."""

from admin.api import tests
from server.edge.wire import Route

ROUTES: tuple[Route, ...] = (*tests.ROUTES,)

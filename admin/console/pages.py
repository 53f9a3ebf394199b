"""The console's pages."""

from server.edge.wire import Route

ROUTES: tuple[Route, ...] = ()

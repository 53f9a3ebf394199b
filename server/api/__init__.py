"""The player's HTTP surface: one file per noun, and the list of all routes."""

from server.api import answers, farm, me, redemptions, rounds, sessions, wallet
from server.edge.wire import Route

ROUTES: tuple[Route, ...] = (
    *sessions.ROUTES,
    *me.ROUTES,
    *rounds.ROUTES,
    *answers.ROUTES,
    *farm.ROUTES,
    *redemptions.ROUTES,
    *wallet.ROUTES,
)

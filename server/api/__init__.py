"""The player's HTTP surface: one file per noun, and the list of all routes."""

from server.api import answers, appeals, farm, me, redemptions, rounds, sessions, taste, wallet
from server.edge.wire import Route

ROUTES: tuple[Route, ...] = (
    *sessions.ROUTES,
    *me.ROUTES,
    *rounds.ROUTES,
    *answers.ROUTES,
    *farm.ROUTES,
    *redemptions.ROUTES,
    *wallet.ROUTES,
    *taste.ROUTES,
    *appeals.ROUTES,
)

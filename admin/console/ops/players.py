"""/ops/players: what somebody is to the programme, nameless until there is a reason; and what is done on request."""

from uuid import UUID

from aiohttp import web

from admin.api.ops_players import CONFIRM_CHARS, PlayersQuery, PlayerWalletQuery, get_moves, get_player, get_players
from admin.console.ops.cases import case_words
from admin.console.ops.money_words import ORDER_STATES, in_language
from admin.console.ops.page import ops_page
from admin.roles import May
from game.abuse.verdict import REASONS
from server.api.farm import STAGE_NAMES, variety_name
from server.edge.wire import Call, Route, wants_english
from server.stores import audit
from server.stores.db import reading


async def get_players_page(call: Call) -> web.Response:
    """Players, newest first, or the one who is meant."""
    return ops_page(call, "ops/players.html", told=await get_players(call), **case_words(call))


async def get_player_page(call: Call) -> web.Response:
    """One player: standing, wallet, trees, boxes, cases, appeals, and who looked before."""
    english = wants_english(call.request)
    player = await get_player(call)
    wallet = await get_moves(call)
    async with reading(call.shell.engine) as conn:
        history = await audit.lines(conn, object_id=player["player_id"], limit=20)
    economy = call.shell.economy

    def variety(code: str) -> str:
        name = variety_name(code, economy)
        return name.en if english else name.zh

    return ops_page(
        call,
        "ops/player.html",
        player=player,
        wallet=wallet,
        history=history,
        first_page=not call.query.cursor,
        may_serve=call.who.may(May.SERVE_PLAYERS),
        may_judge=call.who.may(May.JUDGE_CASES),
        may_cases=call.who.may(May.SEE_CASES),
        reasons=REASONS,
        variety=variety,
        stages=in_language(STAGE_NAMES, english=english),
        order_words=in_language(ORDER_STATES, english=english),
        confirm=UUID(player["player_id"]).hex[-CONFIRM_CHARS:],
        **case_words(call),
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/players", handler=get_players_page, summary="Players", auth=May.SEE_PLAYERS.value,
          query=PlayersQuery, media="text/html"),
    Route(method="GET", path="/ops/players/{player_id}", handler=get_player_page, summary="A player",
          auth=May.SEE_PLAYERS.value, query=PlayerWalletQuery, media="text/html"),
)  # fmt: skip

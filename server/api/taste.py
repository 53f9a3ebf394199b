"""GET /v1/taste: a mirror of one's own taste, and the styles of one's own that were made. Shown to the player alone."""

from typing import Any

from game.taste import favourites
from server.edge.wire import Reply, Route, wants_english
from server.stores import tastes
from server.stores.db import reading


class FavouriteReply(Reply):
    """Of `n` times that a level stood against another of its attribute, it was chosen so many times in 1000."""

    attribute: str
    level: str
    share_permille: int
    n: int


class CardReply(Reply):
    """News of a style that the player met: it was made. `bonus_g` is what its choosers were given."""

    kind: str
    title: str
    image_url: str | None
    chosen: bool
    choice: str | None
    bonus_g: int | None


class TasteReply(Reply):
    """What one's own choices say; `favourites` is empty while there are too few to say anything."""

    choices: int
    favourites: list[FavouriteReply]
    cards: list[CardReply]


async def get_taste(call: Any) -> dict[str, Any]:
    """The player's taste, worked out from the player's own choices."""
    async with reading(call.shell.engine) as conn:
        choices = await tastes.choices_made(conn, call.who.player_id)
        chosen = await tastes.choices_of(conn, call.who.player_id)
        made = await tastes.made_styles(conn, call.who.player_id)
    english = wants_english(call.request)
    return {
        "choices": choices,
        "favourites": favourites(chosen),
        "cards": [
            {
                "kind": "produced",
                "title": (english and style.title_en) or style.title,
                "image_url": f"/media/{style.picture}-medium.webp" if style.picture else None,
                "chosen": style.chosen,
                # On which side it stood then does not matter now; what matters is whether it was taken.
                "choice": "left" if style.chosen else "neither",
                "bonus_g": style.bonus_g,
            }
            for style in made
        ],
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/taste",
        handler=get_taste,
        summary="One's own taste",
        reply=TasteReply,
        problems=(401, 503),
    ),
)

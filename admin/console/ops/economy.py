"""/ops/economy: all figures with their words; a change is simulated before it can be saved; the history of changes."""

from typing import Any

from aiohttp import web

from admin.api import ops_economy as api
from admin.console.ops.page import ops_page
from admin.figure_words import FIGURES, GROUPS, LISTS
from admin.roles import May
from server.edge.wire import Call, Route, wants_english


async def get_economy_page(call: Call) -> web.Response:
    """The figures as they are, in a form that shows what a change means."""
    english = wants_english(call.request)
    economy = await api.get_economy(call)
    groups = [
        (words[1] if english else words[0], [one for one in economy["figures"] if one["group"] == code])
        for code, words in GROUPS.items()
    ]
    return ops_page(
        call, "ops/economy.html", economy=economy, figure_groups=groups, may_change=call.who.may(May.CHANGE_ECONOMY)
    )


async def get_changes_page(call: Call) -> web.Response:
    """All changes of the figures."""
    english = wants_english(call.request)
    found = await api.get_history(call)

    def name(figure: str) -> str:
        words = (FIGURES | LISTS).get(figure)
        return (words.en if english else words.zh) if words else figure

    for change in found["changes"]:
        change["figures"] = [
            (name(figure), _told(change["before"].get(figure)), _told(after))
            for figure, after in change["after"].items()
        ]
    return ops_page(call, "ops/economy_changes.html", found=found)


def _told(value: Any) -> str:
    """A figure's value in a sentence."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(f"{one['code']} {one['requirement_g']} g / {one['box_cost_fen']} fen" for one in value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/economy", handler=get_economy_page, summary="The figures", auth=May.SEE_OPERATIONS.value,
          media="text/html"),
    Route(method="GET", path="/ops/economy/changes", handler=get_changes_page, summary="Changes of the figures",
          auth=May.SEE_OPERATIONS.value, query=api.HistoryQuery, media="text/html"),
)  # fmt: skip

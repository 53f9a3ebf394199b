"""/ops/content: the queue of pictures and words that wait for a person, and what was said of earlier ones."""

from uuid import UUID

from aiohttp import web

from admin.api.ops_content import REVIEW, content_reply
from admin.console.ops.page import ops_page
from game.content import STATE_WORDS, ContentState
from server.edge.wire import Call, Route
from server.stores import contents
from server.stores.db import reading

PAGE = 24


async def get_content_page(call: Call) -> web.Response:
    """What waits, or with `state` what was passed or refused; an unknown filter shows what waits."""
    query = call.request.query
    state = ContentState(query["state"]) if query.get("state") in list(ContentState) else ContentState.REVIEW
    try:
        after = UUID(query["cursor"]) if query.get("cursor") else None
    except ValueError:
        after = None  # an old or broken address leads to the first page
    async with reading(call.shell.engine) as conn:
        page = await contents.page(conn, state=state, after=after, limit=PAGE + 1)
        waiting = await contents.waiting(conn)
    return ops_page(
        call,
        "ops/content.html",
        state=state.value,
        states=[(one.value, *STATE_WORDS[one]) for one in ContentState],
        pieces=[content_reply(piece) for piece in page[:PAGE]],
        waiting=waiting,
        next=str(page[PAGE - 1].content_id) if len(page) > PAGE else None,
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/content", handler=get_content_page, summary="Content review", auth=REVIEW,
          media="text/html"),
)  # fmt: skip

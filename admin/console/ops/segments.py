"""/ops/segments: named segments for merchants to pick from, each edited with a live count of the players that it holds."""

from typing import Any

from aiohttp import web

from admin.api import ops_segments as api
from admin.console.ops.money_words import GENDERS, INTEREST_WORDS, in_language
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route, wants_english


def _page(call: Call, template: str, **values: Any) -> web.Response:
    english = wants_english(call.request)
    return ops_page(
        call,
        template,
        may_change=call.who.may(May.MANAGE_MERCHANTS),
        genders=in_language(GENDERS, english=english),
        interest_words=in_language(INTEREST_WORDS, english=english),
        **values,
    )


async def get_segments_page(call: Call) -> web.Response:
    """Segments by name."""
    return _page(call, "ops/segments.html", found=await api.get_segments(call))


async def get_new_page(call: Call) -> web.Response:
    """The form of a new segment."""
    return _page(call, "ops/segment.html", segment=None)


async def get_segment_page(call: Call) -> web.Response:
    """One segment: its form, its count, its versions, what uses it."""
    return _page(call, "ops/segment.html", segment=await api.get_segment(call))


SEE = May.SEE_OPERATIONS.value
ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/segments", handler=get_segments_page, summary="Segments", auth=SEE,
          query=api.SegmentsQuery, media="text/html"),
    Route(method="GET", path="/ops/segments/new", handler=get_new_page, summary="A new segment",
          auth=May.MANAGE_MERCHANTS.value, media="text/html"),
    Route(method="GET", path="/ops/segments/{segment_id}", handler=get_segment_page, summary="A segment", auth=SEE,
          media="text/html"),
)  # fmt: skip

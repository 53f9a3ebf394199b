"""The figures of the programme: all by name, what a change would mean, the change itself, and all changes so far."""

import asyncio
import threading
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import pydantic

from admin.api.ops_pages import Cursor, Limit, Reason, number, pack, unpack
from admin.figure_words import FIGURES, GROUPS, LISTS, UNITS
from admin.roles import May
from rewards.days import day_of
from rewards.economy import RANGES, Economy, as_figures, changed
from rewards.errors import SimulationTooLong
from rewards.prizes import week_of
from rewards.simulate import Crowd, Outlook, simulate
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.change_economy import change_economy, differences
from server.stores import economies, stock
from server.stores.db import reading, transaction
from server.stores.economies import SavedEconomy

SEE, CHANGE = May.SEE_OPERATIONS.value, May.CHANGE_ECONOMY.value
LIMIT_S = 20.0
_ONE_AT_A_TIME = threading.Lock()

Figure = int | str | list[int] | list[dict[str, str | int]]


class CrowdBody(Wire):
    """Who would play: how many, how long, how many choices each wishes a day, on what part of all days each comes."""

    players: int = pydantic.Field(default=200, ge=1, le=2_000)
    days: int = pydantic.Field(default=120, ge=1, le=365)
    choices_low: int = pydantic.Field(default=8, ge=0, le=200)
    choices_high: int = pydantic.Field(default=30, ge=0, le=200)
    comes_low_permille: int = pydantic.Field(default=500, ge=0, le=1000)
    comes_high_permille: int = pydantic.Field(default=1000, ge=0, le=1000)
    valid_permille: int = pydantic.Field(default=930, ge=0, le=1000)
    variety: str = pydantic.Field(default="apple", max_length=30)


class SimulationBody(Wire):
    """Changed figures by name, and the crowd to try them on."""

    changes: dict[str, Figure] = pydantic.Field(default={}, max_length=60)
    crowd: CrowdBody = CrowdBody()


class EconomyBody(Wire):
    """Changed figures by name, why, and the number of the economy that they change."""

    changes: dict[str, Figure] = pydantic.Field(min_length=1, max_length=60)
    based_on: int = pydantic.Field(ge=0)
    reason: Reason


class HistoryQuery(Wire):
    """Which page of changes."""

    cursor: Cursor = None
    limit: Limit = 50


class FigureReply(Reply):
    """A figure: what it is called, what it is, what it may be."""

    name: str
    group: str
    zh: str
    en: str
    unit: str
    unit_zh: str
    unit_en: str
    value: int | list[int]
    low: int | None
    high: int | None


class VarietyFigureReply(Reply):
    """A variety: what its box asks and costs."""

    code: str
    name_zh: str
    name_en: str
    requirement_g: int
    box_cost_fen: int


class EconomyReply(Reply):
    """All figures, the number under which they were saved, and what a vote earns and a gram is worth."""

    economy_id: int
    saved_at: str | None
    saved_by: str
    reason: str
    figures: list[FigureReply]
    varieties: list[VarietyFigureReply]
    gram_millifen: int


class OutlookReply(Reply):
    """What figures mean for the crowd; `boxes_free` are those of the variety in stock from this week on."""

    players: int
    days: int
    harvests: int
    ripened_permille: int
    days_to_ripe_p10: int | None
    days_to_ripe_p50: int | None
    days_to_ripe_p90: int | None
    valid_votes: int
    given_g: int
    cost_per_vote_millifen: int | None
    income_per_vote_fen: int
    cost_per_harvest_fen: int
    liability_fen: int
    boxes_a_week_peak: int
    boxes_a_week: list[int]


class SimulationReply(Reply):
    """The same crowd under the figures as they are and as they would be."""

    economy_id: int
    before: dict[str, Figure]
    after: dict[str, Figure]
    now: OutlookReply
    changed: OutlookReply
    boxes_free: int


class ChangeReply(Reply):
    """One change: who made it, when and why, and the figures that differ from those before."""

    economy_id: int
    saved_at: str | None
    saved_by: str
    reason: str
    before: dict[str, Figure]
    after: dict[str, Figure]


class ChangesReply(Reply):
    """A page of changes, newest first."""

    changes: list[ChangeReply]
    next: str | None


def shown_economy(saved: SavedEconomy) -> dict[str, Any]:
    """All figures with their words."""
    economy = saved.economy
    variety = economy.varieties[0]
    return {
        "economy_id": saved.economy_id,
        "saved_at": rfc3339(saved.saved_at) if saved.saved_at else None,
        "saved_by": saved.who,
        "reason": saved.why,
        "figures": [
            {
                "name": name, "group": words.group, "zh": words.zh, "en": words.en, "unit": words.unit,
                "unit_zh": UNITS[words.unit][0], "unit_en": UNITS[words.unit][1],
                "value": list(value) if isinstance(value := getattr(economy, name), tuple) else value,
                "low": RANGES[name].low if name in RANGES else None,
                "high": RANGES[name].high if name in RANGES else None,
            }
            for group in GROUPS
            for name, words in (FIGURES | LISTS).items()
            if words.group == group
        ],
        "varieties": [asdict(one) for one in economy.varieties],
        "gram_millifen": -(-variety.box_cost_fen * 1000 // variety.requirement_g),
    }  # fmt: skip


async def get_economy(call: Call) -> dict[str, Any]:
    """The figures as they were saved last."""
    async with reading(call.shell.engine) as conn:
        return shown_economy(await economies.latest(conn))


async def post_simulation(call: Call) -> dict[str, Any]:
    """What changed figures would mean, on a simulated crowd; nothing is saved."""
    body = call.body
    told = body.crowd
    if told.choices_low > told.choices_high or told.comes_low_permille > told.comes_high_permille:
        field = "crowd.choices_low" if told.choices_low > told.choices_high else "crowd.comes_low_permille"
        raise Problem("field_invalid", field=field, params={"field_name": field, "problem": "low lies above high"})
    async with reading(call.shell.engine) as conn:
        saved = await economies.latest(conn)
        wanted = changed(saved.economy, body.changes)
        free = await stock.by_variety(conn, [told.variety], from_week=week_of(day_of(call.now)))
    crowd = Crowd(
        players=told.players, days=told.days, choices_a_day=(told.choices_low, told.choices_high),
        comes_permille=(told.comes_low_permille, told.comes_high_permille), valid_permille=told.valid_permille,
        variety=told.variety,
    )  # fmt: skip
    now, then = await asyncio.to_thread(_both, saved.economy, wanted, crowd)
    before, after = differences(as_figures(saved.economy), as_figures(wanted))
    return {
        "economy_id": saved.economy_id,
        "before": before,
        "after": after,
        "now": asdict(now),
        "changed": asdict(then),
        "boxes_free": free[0].free,
    }


def _both(now: Economy, then: Economy, crowd: Crowd) -> tuple[Outlook, Outlook]:
    """The same crowd under both, in a thread beside the event loop, for as long as it may take and no longer."""
    if not _ONE_AT_A_TIME.acquire(timeout=LIMIT_S):
        raise SimulationTooLong(limit_s=round(LIMIT_S))
    ends_s = time.monotonic() + LIMIT_S

    def go_on() -> None:
        if time.monotonic() > ends_s:
            raise SimulationTooLong(limit_s=round(LIMIT_S))
        time.sleep(0)  # whoever waits for the interpreter goes first

    try:
        first = simulate(now, crowd, np.random.default_rng(1), progress=go_on)
        return first, first if then == now else simulate(then, crowd, np.random.default_rng(1), progress=go_on)
    finally:
        _ONE_AT_A_TIME.release()


async def put_economy(call: Call) -> dict[str, Any]:
    """Save changed figures, for what is planted and dealt from now on."""
    async with transaction(call.shell.engine) as conn:
        saved = await change_economy(
            conn, call.body.changes, based_on=call.body.based_on, who=call.who.name, why=call.body.reason.strip(),
            now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return shown_economy(saved)


async def get_history(call: Call) -> dict[str, Any]:
    """All changes of the figures, newest first."""
    key = unpack(call.query.cursor, number)
    async with reading(call.shell.engine) as conn:
        found = await economies.page(conn, before=key[0] if key else None, limit=call.query.limit + 1)
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    changes = []
    for saved, earlier in zip(found, [*found[1:], economies.UNSAVED], strict=False):
        before, after = differences(as_figures(earlier.economy), as_figures(saved.economy))
        changes.append(
            {
                "economy_id": saved.economy_id,
                "saved_at": rfc3339(saved.saved_at) if saved.saved_at else None,
                "saved_by": saved.who,
                "reason": saved.why,
                "before": before,
                "after": after,
            }
        )
    return {"changes": changes[: len(shown)], "next": pack(shown[-1].economy_id) if more else None}


ROUTES = (
    Route(method="GET", path="/v1/ops/economy", handler=get_economy, summary="The figures of the programme", auth=SEE,
          reply=EconomyReply, problems=(401, 403, 503)),
    Route(method="PUT", path="/v1/ops/economy", handler=put_economy, summary="Change figures", auth=CHANGE,
          body=EconomyBody, reply=EconomyReply, problems=(401, 403, 409, 413, 415, 422, 503), idempotent=True),
    Route(method="POST", path="/v1/ops/economy/simulations", handler=post_simulation, summary="What a change means",
          auth=CHANGE, body=SimulationBody, reply=SimulationReply, problems=(401, 403, 413, 415, 422, 503)),
    Route(method="GET", path="/v1/ops/economy/changes", handler=get_history, summary="All changes of the figures",
          auth=SEE, query=HistoryQuery, reply=ChangesReply, problems=(401, 403, 422, 503)),
)  # fmt: skip

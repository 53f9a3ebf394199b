"""Kill switches: over everything, one test or one kind of reward; what each would stop is told before it is flipped."""

from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.roles import May
from rewards.kinds import KINDS, SWITCHABLE
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.flip_switch import flip_switch, reach_of
from server.stores import blast_radius
from server.stores.blast_radius import BlastRadius, SwitchLine
from server.stores.db import AsyncConnection, reading, transaction

SEE, FLIP = May.SEE_OPERATIONS.value, May.FLIP_SWITCHES.value
Scope = Literal["all", "test", "kind"]


class SwitchReply(Reply):
    """The last word on one switch. `name` is the test's title or the kind's name."""

    scope: str
    target: str
    name: dict[str, str]
    stops: bool
    why: str
    who: str
    at: str | None


class ReachReply(Reply):
    """What a switch touches, and a sentence of it in both languages.

    `open_tickets` are offers on tickets that are out: they stay honoured until they expire. Grams held for review are
    settled or voided as ever.
    """

    tests: int
    titles: list[str]
    open_tickets: int
    offered_g: int
    held_g: int
    left_g: int
    votes_last_hour: int
    awards_last_day: int
    zh: str
    en: str


class SwitchesReply(Reply):
    """Every switch that exists or was ever flipped, and all words on them, newest first."""

    switches: list[SwitchReply]
    history: list[SwitchReply]
    next: str | None


class FlippedReply(SwitchReply):
    """The switch as it is now, and what that touched."""

    reach: ReachReply


class SwitchesQuery(Wire):
    """Which page of the history."""

    cursor: int | None = pydantic.Field(default=None, ge=1, le=2**62)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class ReachQuery(Wire):
    """Which switch."""

    scope: Scope
    target: str = pydantic.Field(default="", max_length=60)


class SwitchBody(Wire):
    """Which switch, whether it shall stop (or go on again), and why."""

    scope: Scope
    target: str = pydantic.Field(default="", max_length=60)
    stops: bool
    reason: str = pydantic.Field(min_length=5, max_length=500)


def reach_reply(reach: BlastRadius, choice_g: int) -> dict[str, Any]:
    """A switch's reach with its sentence."""
    tickets = -(-reach.offered_g // choice_g)
    noun = "test" if reach.tests == 1 else "tests"
    if reach.tests or not reach.awards_last_day:
        zh = (
            f"停止 {reach.tests:,} 个测款任务发题,{tickets:,} 张已发出的题照常兑现,"
            f"{reach.held_g:,} g 审核中照常结算,{reach.left_g:,} g 预算暂停。"
        )
        en = (
            f"Stops {reach.tests:,} {noun}; {tickets:,} open tickets stay honoured, {reach.held_g:,} g under review are "
            f"settled as ever, {reach.left_g:,} g of budgets stand still."
        )
    else:
        zh = f"停止这类奖励(最近一天 {reach.awards_last_day:,} 次),已欠的 {reach.held_g:,} g 照常发放。"
        en = (
            f"Stops this reward ({reach.awards_last_day:,} in the last day); the {reach.held_g:,} g owed of it are paid "
            "as ever."
        )
    return {
        "tests": reach.tests,
        "titles": list(reach.titles),
        "open_tickets": tickets,
        "offered_g": reach.offered_g,
        "held_g": reach.held_g,
        "left_g": reach.left_g,
        "votes_last_hour": reach.votes_last_hour,
        "awards_last_day": reach.awards_last_day,
        "zh": zh,
        "en": en,
    }


def _name(scope: str, target: str, titles: dict[UUID, str]) -> dict[str, str]:
    if scope == "all":
        return {"zh": "全部奖励", "en": "All rewards"}
    if scope == "kind":
        kind = KINDS.get(target)
        return {"zh": kind.name_zh, "en": kind.name_en} if kind else {"zh": target, "en": target}
    title = titles.get(UUID(target), target)
    return {"zh": title, "en": title}


def _switch(line: SwitchLine, titles: dict[UUID, str]) -> dict[str, Any]:
    return {
        "scope": line.scope,
        "target": line.target,
        "name": _name(line.scope, line.target, titles),
        "stops": line.stops,
        "why": line.why,
        "who": line.who,
        "at": rfc3339(line.at),
    }


def _untouched(scope: str, target: str) -> dict[str, Any]:
    return {
        "scope": scope, "target": target, "name": _name(scope, target, {}), "stops": False, "why": "", "who": "",
        "at": None,
    }  # fmt: skip


async def all_switches(conn: AsyncConnection, *, before: int | None, limit: int) -> dict[str, Any]:
    """The switches and a page of their history."""
    standing = await blast_radius.standing(conn)
    page = await blast_radius.history(conn, before=before, limit=limit + 1)
    wanted = {UUID(line.target) for line in (*standing, *page) if line.scope == "test"}
    titles = await blast_radius.titles_of(conn, sorted(wanted)) if wanted else {}
    known = {(line.scope, line.target): line for line in standing}
    always = [("all", ""), *(("kind", code) for code in SWITCHABLE)]
    return {
        "switches": [
            *(_switch(known[key], titles) if key in known else _untouched(*key) for key in always),
            *(_switch(line, titles) for key, line in known.items() if key not in always),
        ],
        "history": [_switch(line, titles) for line in page[:limit]],
        "next": str(page[limit - 1].switch_id) if len(page) > limit else None,
    }


async def get_switches(call: Call) -> dict[str, Any]:
    """Every switch, and who said what of it."""
    async with reading(call.shell.engine) as conn:
        return await all_switches(conn, before=call.query.cursor, limit=call.query.limit)


async def get_reach(call: Call) -> dict[str, Any]:
    """What a switch would stop at this moment, and what stays honoured."""
    async with reading(call.shell.engine) as conn:
        reach = await reach_of(conn, call.query.scope, call.query.target, call.now)
    return reach_reply(reach, call.shell.economy.choice_g)


async def post_switch(call: Call) -> dict[str, Any]:
    """Flip a switch. Every process acts on it within seconds; tickets that are out stay honoured."""
    async with transaction(call.shell.engine) as conn:
        line, reach = await flip_switch(
            conn,
            scope=call.body.scope,
            target="" if call.body.scope == "all" else call.body.target,
            stops=call.body.stops,
            why=call.body.reason,
            who=call.who.name,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
        test_ids = [UUID(line.target)] if line.scope == "test" else []
        titles = await blast_radius.titles_of(conn, test_ids) if test_ids else {}
    return {**_switch(line, titles), "reach": reach_reply(reach, call.shell.economy.choice_g)}


ROUTES = (
    Route(method="GET", path="/v1/ops/switches", handler=get_switches, summary="Switches", auth=SEE,
          query=SwitchesQuery, reply=SwitchesReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/switches/reach", handler=get_reach, summary="What a switch would stop", auth=SEE,
          query=ReachQuery, reply=ReachReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path="/v1/ops/switches", handler=post_switch, summary="Flip a switch", auth=FLIP,
          body=SwitchBody, reply=FlippedReply, idempotent=True, problems=(401, 403, 409, 413, 415, 422, 503)),
)  # fmt: skip

"""The closing report in its four formats, and the season plan that its first order is worked out from."""

import asyncio
from typing import Any

import pydantic
from aiohttp import web

from admin.api.tests import OWN, TEST_PATH, found
from game.attributes import AttributeRefused, find_attribute
from server.edge.wire import Call, Reply, Route, Wire, wants_english
from server.report.load import report_of
from server.report.model import Order
from server.report.plan import Plan, plan_from
from server.report.render import FORMATS, render
from server.stores import sales
from server.stores.db import reading, transaction

Weights = dict[str, float]


class LanguageQuery(Wire):
    """Which language: `en`, or Chinese."""

    lang: str | None = pydantic.Field(default=None, max_length=20)


class PlanBody(Wire):
    """A season plan. Money in fen, parts of a whole in permille; what is left out keeps its default."""

    units: int | None = pydantic.Field(default=None, ge=1, le=100_000_000)
    units_cv_permille: int = pydantic.Field(default=200, ge=0, le=2000)
    budget_fen: int | None = pydantic.Field(default=None, ge=0, le=1_000_000_000_000)
    min_units: int = pydantic.Field(default=0, ge=0, le=1_000_000)
    salvage_permille: int = pydantic.Field(default=300, ge=0, le=990)
    early_permille: int = pydantic.Field(default=1000, ge=1, le=1000)
    reorder_cost_permille: int = pydantic.Field(default=1000, ge=100, le=10_000)
    sizes: Weights = pydantic.Field(default={}, max_length=20)
    stores: Weights = pydantic.Field(default={}, max_length=50)
    colours: list[str] = pydantic.Field(default=[], max_length=20)
    dye_lot_units: int = pydantic.Field(default=0, ge=0, le=1_000_000)
    fabric_mm: int = pydantic.Field(default=0, ge=0, le=100_000)
    fabric_metres: Weights = pydantic.Field(default={}, max_length=20)
    fabric_min_metres: Weights = pydantic.Field(default={}, max_length=20)

    @pydantic.field_validator("sizes", "stores")
    @classmethod
    def _some_weight(cls, value: Weights) -> Weights:
        if value and (any(weight < 0 or weight > 1e9 for weight in value.values()) or sum(value.values()) <= 0):
            raise ValueError("weights are not negative, and not all zero")
        return value

    @pydantic.field_validator("fabric_metres", "fabric_min_metres")
    @classmethod
    def _some_metres(cls, value: Weights) -> Weights:
        if any(metres < 0 or metres > 1e9 for metres in value.values()):
            raise ValueError("metres are not negative")
        return value

    @pydantic.field_validator("sizes", "stores", "fabric_metres", "fabric_min_metres")
    @classmethod
    def _short_names(cls, value: Weights) -> Weights:
        if any(not 1 <= len(name.strip()) <= 40 for name in value):
            raise ValueError("names have between 1 and 40 characters")
        return value

    @pydantic.field_validator("colours")
    @classmethod
    def _named(cls, value: list[str]) -> list[str]:
        if any(not 1 <= len(name.strip()) <= 40 for name in value) or len(set(value)) < len(value):
            raise ValueError("colours have names of 1 to 40 characters, each once")
        return value


class OrderReply(Reply):
    """The first order under a plan, or why there is none."""

    plan: dict[str, Any]
    order: dict[str, Any] | None
    missing: str | None


def _plan(body: PlanBody) -> Plan:
    told = body.model_dump()
    for name in ("fabric_metres", "fabric_min_metres"):
        told[name] = {fabric_code(fabric): metres for fabric, metres in told[name].items()}
    return plan_from(told)


def fabric_code(name: str) -> str:
    """A fabric as styles carry it: the code of the vocabulary for its name in either language, else the name itself."""
    try:
        return str(find_attribute("fabric").read(name))
    except AttributeRefused:
        return name.strip()


async def _report(call: Call, kind: str) -> web.Response:
    """The closing report; the same numbers in every format."""
    test = await found(call)
    english = wants_english(call.request)
    async with reading(call.shell.engine) as conn:
        report = await report_of(conn, test, economy=call.shell.economy, now=call.now, english=english)
    body = await asyncio.to_thread(render, report, kind, media_dir=call.shell.config.media_dir)
    headers = {"Cache-Control": "no-store"}
    if kind != "html":
        headers["Content-Disposition"] = f'attachment; filename="report-{test.test_id}.{kind}"'
    charset = None if kind == "xlsx" else "utf-8"
    return web.Response(body=body, content_type=FORMATS[kind], charset=charset, headers=headers)


async def get_plan(call: Call) -> dict[str, Any]:
    """The stored season plan and the order that follows from it."""
    return await _order_under(call, await found(call), None)


async def put_plan(call: Call) -> dict[str, Any]:
    """Store a season plan; the reports of the test use it from now on."""
    test = await found(call)
    plan = _plan(call.body)
    reply = await _order_under(call, test, plan)
    async with transaction(call.shell.engine) as conn:
        await sales.set_plan(conn, test.test_id, plan.as_data(), call.now)
    return reply


async def post_order(call: Call) -> dict[str, Any]:
    """The order that another plan would give; nothing is stored."""
    return await _order_under(call, await found(call), _plan(call.body))


async def _order_under(call: Call, test: Any, plan: Plan | None) -> dict[str, Any]:
    english = wants_english(call.request)
    async with reading(call.shell.engine) as conn:
        stored = plan or plan_from(await sales.plan_of(conn, test.test_id))
        report = await report_of(conn, test, economy=call.shell.economy, now=call.now, english=english, plan=stored)
    order = report.as_json()["order"] if isinstance(report.order, Order) else None
    return {"plan": stored.as_data(), "order": order, "missing": report.order_missing}


_READ = (401, 403, 404, 422, 503)
_WRITE = (401, 403, 404, 409, 413, 415, 422, 503)


def _of_kind(kind: str, media: str) -> Route:
    async def get_report(call: Call) -> web.Response:
        return await _report(call, kind)

    get_report.__doc__ = _report.__doc__
    return Route(method="GET", path=f"{TEST_PATH}/report.{kind}", handler=get_report,
                 summary=f"Closing report as {kind.upper()}", auth=OWN, query=LanguageQuery, media=media,
                 problems=_READ)  # fmt: skip


ROUTES = (
    *(_of_kind(kind, media) for kind, media in FORMATS.items()),
    Route(method="GET", path=f"{TEST_PATH}/plan", handler=get_plan, summary="Season plan", auth=OWN, reply=OrderReply,
          problems=(401, 403, 404, 503)),
    Route(method="PUT", path=f"{TEST_PATH}/plan", handler=put_plan, summary="Store the season plan", auth=OWN,
          body=PlanBody, reply=OrderReply, problems=_WRITE, idempotent=True),
    Route(method="POST", path=f"{TEST_PATH}/order", handler=post_order, summary="Order under another plan", auth=OWN,
          body=PlanBody, reply=OrderReply, problems=_WRITE),
)  # fmt: skip

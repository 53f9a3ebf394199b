"""Afterwards: what was made, what it sold, and how well the tests had said so."""

import csv
import io
from itertools import groupby
from typing import Any
from uuid import UUID

import pydantic

from admin.api.tests import OWN, TEST_PATH, found, merchant_of
from server.edge.problems import Problem
from server.edge.wire import Call, Reply, Route, Wire
from server.flows.tell_sales import tell_produced, tell_sales
from server.report.hindsight import calibration_curve, hindsight_of
from server.stores import sales
from server.stores.db import reading, transaction

MAX_CSV_BYTES = 1024 * 1024


class SaleBody(Wire):
    """One style, by its id or its title, and the pieces that it sold."""

    style: str = pydantic.Field(min_length=1, max_length=60)
    units: int = pydantic.Field(ge=0, le=100_000_000)


class SalesBody(Wire):
    """What styles of a test sold."""

    sales: list[SaleBody] = pydantic.Field(min_length=1, max_length=120)


class ProducedBody(Wire):
    """Styles that were made."""

    styles: list[UUID] = pydantic.Field(min_length=1, max_length=120)


class SalesReply(Reply):
    """All that is known of what a test's styles sold; `hindsight` from two styles on."""

    sales: list[dict[str, Any]]
    hindsight: dict[str, Any] | None


class ProducedReply(Reply):
    """The styles of a test that were made."""

    styles: list[str]


class HitRateReply(Reply):
    """Every test with known sales, and all of them together: what was said, and what came of it."""

    tests: list[dict[str, Any]]
    mean_rank_correlation: float | None
    top_overlap: int
    top_of: int
    calibration: list[dict[str, Any]]


async def put_sales(call: Call) -> dict[str, Any]:
    """Tell what styles sold. All or none; a figure told again replaces the former."""
    units = {one.style: one.units for one in call.body.sales}
    if len(units) < len(call.body.sales):
        raise Problem("field_invalid", field="sales", params={"field_name": "sales", "problem": "a style stands twice"})
    return await _told(call, units)


async def put_sales_csv(call: Call) -> dict[str, Any]:
    """The same as CSV (UTF-8 or GBK) with a header: style (款式), units (销量)."""
    # Not from the stream: a call with an idempotency key was read before.
    heavy = (call.request.content_length or 0) > MAX_CSV_BYTES
    data = b"" if heavy else await call.request.read()
    if heavy or len(data) > MAX_CSV_BYTES:
        raise Problem("body_too_large", params={"limit_kb": MAX_CSV_BYTES // 1024})
    return await _told(call, _read_csv(data))


def _refused(why_zh: str, why: str, line: int | None = None) -> Problem:
    place = f"第 {line} 行:" if line else ":"
    return Problem(
        "sales_refused",
        field="sales",
        params={"place": place, "place_en": f" line {line}" if line else "", "why_zh": why_zh, "why": why},
    )


def _read_csv(data: bytes) -> dict[str, int]:
    text = _decoded(data)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    units: dict[str, int] = {}
    try:
        heads = [name.strip().lower() for name in next(reader, [])]
        style = next((i for i, name in enumerate(heads) if name in ("style", "款式", "名称")), None)
        count = next((i for i, name in enumerate(heads) if name in ("units", "销量", "件数")), None)
        if style is None or count is None:
            raise _refused("第一行应为列名:款式,销量。", "the first line names the columns: style,units", 1)
        for row in reader:
            line = reader.line_num
            if not row or not "".join(row).strip():
                continue
            if len(row) != len(heads):
                raise _refused(
                    f"有 {len(row)} 格,列名有 {len(heads)} 个。",
                    f"it has {len(row)} cells, the header {len(heads)}",
                    line,
                )
            name, number = row[style].strip(), row[count].strip()
            if not number.isascii() or not number.isdigit() or len(number) > 9:
                raise _refused(
                    f"“{number[:20]}”不是 0 或正整数。", f'"{number[:20]}" is no whole number from 0 on', line
                )
            if name in units:
                raise _refused(f"“{name[:60]}”出现了两次。", f'"{name[:60]}" stands twice', line)
            units[name] = int(number)
    except csv.Error as error:
        raise _refused("不是逗号分隔的表格。", f"this is no comma-separated text ({error})", reader.line_num) from None
    if not units:
        raise _refused("没有一行销量。", "there is no line of sales")
    return units


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _refused("既不是 UTF-8 也不是 GBK 文本。", "this is neither UTF-8 nor GBK text")


async def _told(call: Call, units: dict[str, int]) -> dict[str, Any]:
    test = await found(call)
    async with transaction(call.shell.engine) as conn:
        await tell_sales(conn, test, units, now=call.now)
    return await get_sales(call)


async def get_sales(call: Call) -> dict[str, Any]:
    """What is known of what a test's styles sold."""
    test = await found(call)
    async with reading(call.shell.engine) as conn:
        known = await sales.sales_of(conn, test.test_id)
        outcomes = await sales.outcomes_of_merchant(conn, test.merchant_id)
    own = [one for one in outcomes if one.test_id == test.test_id]
    seen = hindsight_of(own, test_id=test.test_id, keep=test.goal.keep) if len(own) > 1 else None
    return {
        "sales": [
            {"style_id": str(style.style_id), "style": style.title, "units": known[style.style_id]}
            for style in test.ranked
            if style.style_id in known
        ],
        "hindsight": _as_data(seen) if seen else None,
    }


def _as_data(seen: Any) -> dict[str, Any]:
    return {
        "test_id": str(seen.test_id),
        "styles": seen.n_styles,
        "rank_correlation": seen.rank_correlation,
        "top_k": seen.top_k,
        "top_overlap": seen.top_overlap,
    }


async def put_produced(call: Call) -> dict[str, Any]:
    """Tell which styles were made; the players who chose them are told and get their bonus."""
    test = await found(call)
    async with transaction(call.shell.engine) as conn:
        made = await tell_produced(conn, test, call.body.styles, now=call.now)
    return {"styles": [str(style) for style in sorted(made)]}


async def get_hit_rate(call: Call) -> dict[str, Any]:
    """How well the merchant's tests had said what sold."""
    merchant_id = merchant_of(call)
    async with reading(call.shell.engine) as conn:
        outcomes = await sales.outcomes_of_merchant(conn, merchant_id)
    keeps = {one.test_id: one.keep for one in outcomes}
    by_test = [(test_id, list(group)) for test_id, group in groupby(outcomes, key=lambda one: one.test_id)]
    seen = [hindsight_of(group, test_id=test_id, keep=keeps[test_id]) for test_id, group in by_test if len(group) > 1]
    correlations = [one.rank_correlation for one in seen if one.rank_correlation is not None]
    curve = calibration_curve([(group, keeps[test_id]) for test_id, group in by_test])
    return {
        "tests": [_as_data(one) for one in seen],
        "mean_rank_correlation": sum(correlations) / len(correlations) if correlations else None,
        "top_overlap": sum(one.top_overlap for one in seen),
        "top_of": sum(one.top_k for one in seen),
        "calibration": [{"said": one.said, "was": one.was, "styles": one.n_styles} for one in curve],
    }


_READ = (401, 403, 404, 503)
_WRITE = (401, 403, 404, 409, 413, 415, 422, 503)

ROUTES = (
    Route(method="PUT", path=f"{TEST_PATH}/sales", handler=put_sales, summary="Tell sales", auth=OWN, body=SalesBody,
          reply=SalesReply, problems=_WRITE, idempotent=True),
    Route(method="PUT", path=f"{TEST_PATH}/sales.csv", handler=put_sales_csv, summary="Tell sales as CSV", auth=OWN,
          reply=SalesReply, problems=_WRITE, idempotent=True),
    Route(method="GET", path=f"{TEST_PATH}/sales", handler=get_sales, summary="Known sales", auth=OWN,
          reply=SalesReply, problems=_READ),
    Route(method="PUT", path=f"{TEST_PATH}/produced", handler=put_produced, summary="Tell what was made", auth=OWN,
          body=ProducedBody, reply=ProducedReply, problems=_WRITE, idempotent=True),
    Route(method="GET", path="/v1/merchant/hit-rate", handler=get_hit_rate, summary="Hit rate", auth=OWN,
          reply=HitRateReply, problems=(401, 403, 503)),
)  # fmt: skip

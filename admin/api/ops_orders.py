"""Orders of boxes: pages with filters, moves by hand, a carrier's file, labels with addresses, and reports of damage."""

import csv
import io
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import pydantic
from aiohttp import web

from admin.api.ops_pages import READS, WRITES, Cursor, Limit, Reason, pack, unpack
from admin.roles import May
from rewards.errors import OrderMoved
from rewards.prizes import MOVES, Address, DamageState, FulfilmentOrder, Mover, OrderState
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.answer_damage import answer_damage
from server.flows.give_address import open_address
from server.flows.import_carrier_file import import_carrier_file
from server.flows.move_order import move_order
from server.secrets import SealBroken
from server.stores import audit, orders, prizes
from server.stores.db import reading, transaction
from server.stores.orders import Damage

SEE, MOVE, ADDRESSES = May.SEE_PRIZES.value, May.MOVE_PRIZES.value, May.SEE_ADDRESSES.value
MAX_FILE_BYTES = 4 * 1024 * 1024
MOST_LABELS = 2_000
States = Literal[
    "", "address_needed", "pending", "ordered", "shipped", "delivered", "back_ordered", "failed", "cancelled",
    "compensated",
]  # fmt: skip


class OrdersQuery(Wire):
    """Which page of orders, oldest first. `older_than_days`: made at least so long ago."""

    state: States = ""
    variety: str = pydantic.Field(default="", max_length=30)
    region: str = pydantic.Field(default="", max_length=40)
    older_than_days: int | Literal[""] = pydantic.Field(default="")
    player: UUID | Literal[""] = pydantic.Field(default="")
    cursor: Cursor = None
    limit: Limit = 50


class DamageQuery(Wire):
    """Which page of reports, oldest first."""

    state: Literal["open", "resent", "compensated", "declined", ""] = "open"
    cursor: Cursor = None
    limit: Limit = 50


class OrderMoveBody(Wire):
    """Move an order from the state that was seen to the next one; the note stays with the order."""

    to: States = pydantic.Field(min_length=1)
    seen: States = pydantic.Field(min_length=1)
    reason: Reason


class LookBody(Wire):
    """Why personal data are looked at."""

    reason: Reason


class LabelsBody(Wire):
    """Why, and from after which order on; at most 2 000 labels a file."""

    reason: Reason
    after: UUID | None = None


class CarrierUpload(Wire):
    """Multipart: the carrier's CSV (order_id, status, carrier, tracking_no), UTF-8 or GB 18030."""

    file: str = pydantic.Field(json_schema_extra={"contentMediaType": "text/csv", "format": "binary"})


class DamageAnswerBody(Wire):
    """What the office does about a report, and what its player reads."""

    conclusion: Literal["resent", "compensated", "declined"]
    answer: str = pydantic.Field(min_length=1, max_length=500)


class BoxOrderReply(Reply):
    """An order, without its address. `may_become`: where fulfilment may move it."""

    order_id: str
    player_id: str
    variety: str
    state: str
    made_at: str
    moved_at: str
    region: str | None
    week: str | None
    carrier: str | None
    tracking_no: str | None
    delivered_at: str | None
    box_cost_fen: int
    box_g: int
    may_become: list[str]


class BoxOrdersReply(Reply):
    """A page of orders, oldest first."""

    orders: list[BoxOrderReply]
    next: str | None


class OrderStepReply(Reply):
    """A move of an order: by whose hand, and with what note."""

    from_state: str
    to_state: str
    mover: str
    who: str
    note: str
    at: str


class DamageReportReply(Reply):
    """A report of damage and its answer."""

    report_id: str
    order_id: str
    player_id: str
    variety: str
    order_state: str
    text: str
    reported_at: str
    state: str
    answer: str | None
    answered_at: str | None


class OrderFileReply(BoxOrderReply):
    """An order with its history and reports; of its address, only whether there is one."""

    address_given: bool
    history: list[OrderStepReply]
    damage: list[DamageReportReply]


class FullAddressReply(Reply):
    """Where a box goes."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    street: str
    whole: str


class CarrierRowReply(Reply):
    """What came of one row of the file; `code` says why a row was refused."""

    line: int
    order_id: str
    result: str
    code: str | None
    detail: str | None


class CarrierFileReply(Reply):
    """What came of each row, in the order of the file."""

    moved: int
    unchanged: int
    refused: int
    rows: list[CarrierRowReply]


class DamageReportsReply(Reply):
    """A page of reports, oldest first."""

    reports: list[DamageReportReply]
    next: str | None


def may_become(state: OrderState) -> list[str]:
    """The states to which fulfilment may move an order by hand."""
    return [after.value for (before, after), movers in MOVES.items() if before is state and Mover.FULFILMENT in movers]


def shown_order(order: FulfilmentOrder) -> dict[str, Any]:
    """An order as it is told."""
    return {
        "order_id": str(order.id),
        "player_id": str(order.player_id),
        "variety": order.variety,
        "state": order.state.value,
        "made_at": rfc3339(order.made_at),
        "moved_at": rfc3339(order.moved_at),
        "region": order.stock_region,
        "week": order.stock_week,
        "carrier": order.carrier,
        "tracking_no": order.tracking_no,
        "delivered_at": rfc3339(order.delivered_at) if order.delivered_at else None,
        "box_cost_fen": order.box_cost_fen,
        "box_g": order.box_g,
        "may_become": may_become(order.state),
    }


def _damage(one: Damage) -> dict[str, Any]:
    report = one.report
    return {
        "report_id": str(report.id),
        "order_id": str(report.order_id),
        "player_id": str(report.player_id),
        "variety": one.variety,
        "order_state": one.order_state,
        "text": report.text,
        "reported_at": rfc3339(report.reported_at),
        "state": report.state.value,
        "answer": report.answer,
        "answered_at": rfc3339(report.answered_at) if report.answered_at else None,
    }


async def get_orders(call: Call) -> dict[str, Any]:
    """Orders, oldest first."""
    query = call.query
    key = unpack(query.cursor, UUID)
    days = query.older_than_days
    if days != "" and not 0 <= days <= 3650:
        raise Problem(
            "field_invalid", field="older_than_days",
            params={"field_name": "older_than_days", "problem": "0 to 3650 days"},
        )  # fmt: skip
    async with reading(call.shell.engine) as conn:
        found = await orders.page(
            conn,
            state=OrderState(query.state) if query.state else None,
            variety=query.variety,
            region=query.region.strip(),
            player_id=query.player or None,
            made_before=call.now - timedelta(days=days) if days != "" else None,
            after=key[0] if key else None,
            limit=query.limit + 1,
        )
    shown, more = found[: query.limit], len(found) > query.limit
    return {"orders": [shown_order(one) for one in shown], "next": pack(shown[-1].id) if more else None}


async def get_order(call: Call) -> dict[str, Any]:
    """An order with its history; its address stays sealed."""
    order_id = call.path_uuid("order_id")
    async with reading(call.shell.engine) as conn:
        order = await prizes.find_order(conn, order_id)
        if order is None:
            raise Problem("not_found")
        steps = await orders.history(conn, order_id)
        damage = await orders.damage_page(conn, order_id=order_id)
        sealed = await prizes.sealed_address(conn, order_id)
    return {
        **shown_order(order),
        "address_given": sealed is not None,
        "history": [
            {
                "from_state": step.from_state, "to_state": step.to_state, "mover": step.mover, "who": step.who,
                "note": step.note, "at": rfc3339(step.at),
            }
            for step in steps
        ],
        "damage": [_damage(one) for one in damage],
    }  # fmt: skip


async def post_order_move(call: Call) -> dict[str, Any]:
    """Move an order by hand, with all that goes with it: stock, the supplier's money, the player's grams."""
    body = call.body
    async with transaction(call.shell.engine) as conn:
        order = await prizes.find_order(conn, call.path_uuid("order_id"), lock=True)
        if order is None:
            raise Problem("not_found")
        if order.state.value != body.seen:
            raise OrderMoved(state=order.state.value, seen=body.seen, at=f"{order.moved_at:%Y-%m-%d %H:%M} UTC")
        moved = await move_order(
            conn, order, target=OrderState(body.to), mover=Mover.FULFILMENT, who=call.who.name,
            note=body.reason.strip(), economy=call.shell.economy, now=call.now,
        )  # fmt: skip
        await audit.write(
            conn, who=call.who.name, what="order.move", object_id=order.id, before={"state": order.state.value},
            after={"state": moved.state.value}, why=body.reason.strip(), now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return shown_order(moved)


async def post_address(call: Call) -> dict[str, Any]:
    """The address of one order; that it was looked at is in the audit log."""
    order_id = call.path_uuid("order_id")
    async with transaction(call.shell.engine) as conn:
        sealed = await prizes.sealed_address(conn, order_id)
        if sealed is None:
            raise Problem("not_found")
        try:
            address = open_address(sealed, order_id, call.shell.vault)
        except SealBroken:
            raise Problem("not_found") from None
        await audit.write(
            conn, who=call.who.name, what="address.look", object_id=order_id, why=call.body.reason.strip(), now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    fields = {name: getattr(address, name) for name in Address.__dataclass_fields__}
    return {**fields, "whole": " ".join(fields.values())}


async def post_labels(call: Call) -> web.Response:
    """Labels of ordered boxes as CSV, UTF-8 with a mark for spreadsheets; who took them is in the audit log.

    Without an idempotency key: an answer that is kept would keep the addresses in the clear.
    """
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("order_id", "variety", "name", "phone", "province", "city", "district", "street"))
    async with transaction(call.shell.engine) as conn:
        found = await orders.labels(conn, after=call.body.after, limit=MOST_LABELS)
        written = 0
        for order, sealed in found:
            if sealed is None:
                continue
            try:
                address = open_address(sealed, order.id, call.shell.vault)
            except SealBroken:
                continue  # its key was retired: the office sends the order back for a new address
            fields = (getattr(address, name) for name in Address.__dataclass_fields__)
            table.writerow((order.id, order.variety, *map(_cell, fields)))
            written += 1
        await audit.write(
            conn, who=call.who.name, what="labels.export", object_id="orders",
            after={"labels": written, "from": str(found[0][0].id) if found else None,
                   "to": str(found[-1][0].id) if found else None},
            why=call.body.reason.strip(), now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    headers = {
        "Content-Disposition": f'attachment; filename="labels-{call.now:%Y%m%d-%H%M}.csv"',
        "Cache-Control": "no-store",
        "X-Labels": str(written),
    }
    if len(found) == MOST_LABELS:
        headers["X-Next-After"] = str(found[-1][0].id)
    return web.Response(
        body=b"\xef\xbb\xbf" + out.getvalue().encode(), content_type="text/csv", charset="utf-8", headers=headers
    )


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


async def post_carrier_file(call: Call) -> dict[str, Any]:
    """A carrier's file: each row moves its order or says why not; the same file again changes nothing."""
    content = await _file(call)
    async with transaction(call.shell.engine) as conn:
        rows = await import_carrier_file(conn, content, who=call.who.name, now=call.now)
        told = {kind: sum(row.result.value == kind for row in rows) for kind in ("moved", "unchanged", "refused")}
        await audit.write(
            conn, who=call.who.name, what="orders.carrier_file", object_id="orders", after=told, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {
        **told,
        "rows": [
            {
                "line": row.line,
                "order_id": row.order_id,
                "result": row.result.value,
                "code": row.code,
                "detail": row.detail,
            }
            for row in rows
        ],
    }


async def _file(call: Call) -> bytes:
    if not call.request.content_type.startswith("multipart/"):
        raise Problem("not_multipart")
    try:
        async for part in await call.request.multipart():
            if getattr(part, "name", None) != "file":
                continue
            data = bytearray()
            while chunk := await part.read_chunk(65_536):  # type: ignore[union-attr]
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise Problem("body_too_large", params={"limit_kb": MAX_FILE_BYTES // 1024})
            return bytes(data)
    except ValueError:
        raise Problem("not_multipart") from None
    raise Problem("upload_incomplete", params={"part": "file"})


async def get_damage(call: Call) -> dict[str, Any]:
    """Reports of damage, oldest first."""
    key = unpack(call.query.cursor, UUID)
    async with reading(call.shell.engine) as conn:
        found = await orders.damage_page(
            conn, state=DamageState(call.query.state) if call.query.state else None, after=key[0] if key else None,
            limit=call.query.limit + 1,
        )  # fmt: skip
    shown, more = found[: call.query.limit], len(found) > call.query.limit
    return {"reports": [_damage(one) for one in shown], "next": pack(shown[-1].report.id) if more else None}


async def get_damage_photo(call: Call) -> web.Response:
    """The photo of a report. A photo of a doorstep is as personal as an address: who looked is in the audit log."""
    async with transaction(call.shell.engine) as conn:
        report = await prizes.find_report(conn, call.path_uuid("report_id"))
        sealed = await prizes.sealed_picture(conn, report.picture_id) if report else None
        if report is not None and sealed is not None:
            await audit.write(
                conn, who=call.who.name, what="damage.look", object_id=report.order_id, now=call.now,
                request_id=call.request[REQUEST_ID],
            )  # fmt: skip
    if report is None or sealed is None:
        raise Problem("not_found")
    try:
        picture = call.shell.vault.open(sealed, about=report.picture_id.bytes)
    except SealBroken:
        raise Problem("not_found") from None
    return web.Response(body=picture, content_type="image/webp", headers={"Cache-Control": "no-store"})


async def post_damage_answer(call: Call) -> dict[str, Any]:
    """Answer a report: another box, the grams back, or no, in words that its player reads."""
    report_id = call.path_uuid("report_id")
    async with transaction(call.shell.engine) as conn:
        answered = await answer_damage(
            conn, report_id=report_id, conclusion=DamageState(call.body.conclusion), answer=call.body.answer.strip(),
            who=call.who.name, economy=call.shell.economy, now=call.now,
        )  # fmt: skip
        if answered is None:
            raise Problem("not_found")
        await audit.write(
            conn, who=call.who.name, what="damage.answer", object_id=answered.order_id,
            before={"state": DamageState.OPEN.value}, after={"state": answered.state.value}, why=call.body.answer.strip(),
            now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
        found = await orders.damage_page(conn, order_id=answered.order_id)
    return _damage(next(one for one in found if one.report.id == report_id))


_AT = "/v1/ops/orders"
ROUTES = (
    Route(method="GET", path=_AT, handler=get_orders, summary="Orders", auth=SEE, query=OrdersQuery, reply=BoxOrdersReply,
          problems=(401, 403, 422, 503)),
    Route(method="POST", path=f"{_AT}/carrier-files", handler=post_carrier_file, summary="Import a carrier's file",
          auth=MOVE, body=CarrierUpload, reply=CarrierFileReply, problems=WRITES, multipart=True,
          max_body_bytes=MAX_FILE_BYTES),
    Route(method="POST", path=f"{_AT}/labels", handler=post_labels, summary="Labels of ordered boxes", auth=ADDRESSES,
          body=LabelsBody, media="text/csv", problems=WRITES),
    Route(method="GET", path=f"{_AT}/{{order_id}}", handler=get_order, summary="An order", auth=SEE,
          reply=OrderFileReply, problems=READS),
    Route(method="POST", path=f"{_AT}/{{order_id}}/moves", handler=post_order_move, summary="Move an order", auth=MOVE,
          body=OrderMoveBody, reply=BoxOrderReply, problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_AT}/{{order_id}}/address", handler=post_address, summary="Look at an address",
          auth=ADDRESSES, body=LookBody, reply=FullAddressReply, problems=WRITES),
    Route(method="GET", path="/v1/ops/damage", handler=get_damage, summary="Reports of damage", auth=SEE,
          query=DamageQuery, reply=DamageReportsReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/damage/{report_id}/photo", handler=get_damage_photo, summary="A report's photo",
          auth=ADDRESSES, media="image/webp", problems=(401, 403, 404, 503)),
    Route(method="POST", path="/v1/ops/damage/{report_id}/answer", handler=post_damage_answer,
          summary="Answer a report of damage", auth=MOVE, body=DamageAnswerBody, reply=DamageReportReply,
          problems=WRITES, idempotent=True),
)  # fmt: skip

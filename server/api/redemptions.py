"""Redemptions over HTTP: where one's boxes of fruit are, the address, a substitute, giving away, reports of damage."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pydantic

from rewards.economy import Economy
from rewards.prizes import DAMAGE_TEXT_MOST, Address, DamageReport, FulfilmentOrder, OrderState, box_kept_until
from server.api.farm import NameReply, VarietyReply, variety_name
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire, wants_english
from server.flows.end_order import end_order
from server.flows.give_address import give_address, open_address
from server.flows.report_damage import report_damage
from server.flows.take_substitute import offered_instead, take_substitute
from server.pictures import MAX_BYTES, PictureRefused, check_picture
from server.secrets import SealBroken, Vault, vault_of
from server.stores import players, prizes
from server.stores.db import reading, transaction

STATE_NAMES = {
    OrderState.ADDRESS_NEEDED: ("请填写地址", "Address needed"),
    OrderState.PENDING: ("等待下单", "Waiting to be ordered"),
    OrderState.ORDERED: ("已下单", "Ordered"),
    OrderState.SHIPPED: ("已发货", "On its way"),
    OrderState.DELIVERED: ("已签收", "Delivered"),
    OrderState.BACK_ORDERED: ("缺货,可换一种", "Out of stock; another fruit can be chosen"),
    OrderState.FAILED: ("派送失败,客服处理中", "Delivery failed; being looked after"),
    OrderState.CANCELLED: ("已赠出", "Given away"),
    OrderState.COMPENSATED: ("已退回肥料", "Fertilizer given back"),
}


class AddressBody(Wire):
    """Where a box is to go. What is wrong with it is said field by field."""

    name: str = ""
    phone: str = ""
    province: str = ""
    city: str = ""
    district: str = ""
    street: str = ""


class SubstituteBody(Wire):
    """The variety to have instead."""

    variety: str = pydantic.Field(min_length=1, max_length=40)


class EndBody(Wire):
    """How to end an order that has not left: give the box away, or (when it is out of stock) take the grams back."""

    how: Literal["give_away", "grams_back"]


class AddressReply(Reply):
    """The address as it was given."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    street: str


class StepReply(Reply):
    """A state that the order came to."""

    state: str
    name: NameReply
    at: datetime


class DamageReply(Reply):
    """A report of damage and its answer."""

    report_id: UUID
    text: str
    state: str
    answer: str | None
    reported_at: datetime


class RedemptionReply(Reply):
    """One box of fruit on its way. Only GET tells the address; `address_given` says whether there is one.

    `box_kept_until`: the box that is set aside waits so long for an address; later the first free one is taken.
    """

    redemption_id: UUID
    variety: str
    variety_name: NameReply
    state: str
    state_name: NameReply
    made_at: datetime
    steps: list[StepReply]
    address_given: bool
    address: AddressReply | None
    address_editable: bool
    box_kept_until: datetime | None
    carrier: str | None
    tracking_no: str | None
    delivered_at: datetime | None
    substitutes: list[VarietyReply]
    damage: list[DamageReply]
    damage_until: datetime | None


class RedemptionsReply(Reply):
    """All boxes of this player, newest first."""

    redemptions: list[RedemptionReply]


async def get_redemptions(call: Any) -> RedemptionsReply:
    """One's boxes of fruit, newest first."""
    async with reading(call.shell.engine) as conn:
        if await players.find(conn, call.who.player_id) is None:
            raise Problem("player_gone")
        orders = await prizes.orders_of(conn, call.who.player_id)
        return RedemptionsReply(
            redemptions=[await _redemption(conn, call, order, with_address=True) for order in orders]
        )


async def put_address(call: Any) -> RedemptionReply:
    """Say where the box is to go; it can be changed until the box is ordered."""
    return await _done(call, give_address, given=call.body.model_dump(), vault=_vault(call))


async def post_substitute(call: Any) -> RedemptionReply:
    """Have another fruit for a box that is out of stock."""
    return await _done(call, take_substitute, variety=call.body.variety)


async def post_end(call: Any) -> RedemptionReply:
    """Give the box away before it is ordered, or take the grams back for one that is out of stock."""
    return await _done(call, end_order, give_away=call.body.how == "give_away")


async def post_damage(call: Any) -> RedemptionReply:
    """Report a box that arrived spoilt: the parts `picture` (a photo) and `text` of a multipart form."""
    parts = await _parts(call, {"picture": MAX_BYTES, "text": 4 * DAMAGE_TEXT_MOST})
    try:
        checked = await asyncio.to_thread(check_picture, parts["picture"], name="picture")
    except PictureRefused as refusal:
        sentence = str(refusal) if wants_english(call.request) else refusal.sentence_zh
        raise Problem("field_invalid", field="picture", params={"field_name": "picture", "problem": sentence}) from None
    return await _done(
        call,
        report_damage,
        text=parts["text"].decode(errors="replace").replace("\x00", "").strip(),
        picture=next(one.data for one in checked.sizes if one.size == "large"),
        vault=_vault(call),
    )


async def _done(call: Any, act: Callable[..., Awaitable[Any]], **given: Any) -> RedemptionReply:
    """The redemption after a flow that acts on it, in one transaction. What is not one's own is not there."""
    order_id = call.path_uuid("redemption_id")
    async with transaction(call.shell.engine) as conn:
        result = await act(
            conn,
            player_id=call.who.player_id,
            order_id=order_id,
            economy=call.shell.economy,
            now=call.now,
            **given,
        )
        order = await prizes.find_order(conn, order_id) if result is not None else None
        if order is None:
            raise Problem("not_found")
        # Without the address: answers to calls with an idempotency key are kept, and an address is kept sealed only.
        return await _redemption(conn, call, order, with_address=False)


async def _parts(call: Any, wanted: dict[str, int]) -> dict[str, bytes]:
    """The parts of a multipart body, each no larger than wanted; others are read over."""
    if not call.request.content_type.startswith("multipart/"):
        raise Problem("not_multipart")
    found: dict[str, bytes] = {}
    try:
        async for part in await call.request.multipart():
            limit = wanted.get(getattr(part, "name", None) or "")
            if limit is None:
                continue
            data = bytearray()
            while chunk := await part.read_chunk(65_536):
                data += chunk
                if len(data) > limit:
                    raise Problem("body_too_large", params={"limit_kb": limit // 1024})
            found[part.name] = bytes(data)
    except ValueError:
        raise Problem("not_multipart") from None
    for name in wanted:
        if name not in found:
            raise Problem("upload_incomplete", params={"part": name})
    return found


def _vault(call: Any) -> Vault:
    return vault_of(call.shell.config)


async def _redemption(conn: Any, call: Any, order: FulfilmentOrder, *, with_address: bool) -> RedemptionReply:
    economy: Economy = call.shell.economy
    sealed = await prizes.sealed_address(conn, order.id)
    address = None
    if sealed is not None and with_address:
        try:
            address = _address(open_address(sealed, order.id, _vault(call)))
        except SealBroken:
            address = None  # its key was retired; the player can give it again
    zh, en = STATE_NAMES[order.state]
    reports = await prizes.reports_of(conn, order.id)
    reported = any(delivered_at == order.delivered_at for _, delivered_at in reports)
    may_report = order.state is OrderState.DELIVERED and order.delivered_at is not None and not reported
    return RedemptionReply(
        redemption_id=order.id,
        variety=order.variety,
        variety_name=variety_name(order.variety, economy),
        state=order.state.value,
        state_name=NameReply(zh=zh, en=en),
        made_at=order.made_at,
        steps=[
            StepReply(state=state.value, name=NameReply(zh=STATE_NAMES[state][0], en=STATE_NAMES[state][1]), at=at)
            for state, at in await prizes.moves_of(conn, order.id)
        ],
        address_given=sealed is not None,
        address=address,
        address_editable=order.state in (OrderState.ADDRESS_NEEDED, OrderState.PENDING, OrderState.BACK_ORDERED),
        box_kept_until=box_kept_until(order, economy),
        carrier=order.carrier,
        tracking_no=order.tracking_no,
        delivered_at=order.delivered_at,
        substitutes=[
            VarietyReply(code=one.code, name=NameReply(zh=one.name_zh, en=one.name_en), requirement_g=one.requirement_g)
            for one in await offered_instead(conn, order, economy=economy, now=call.now)
        ],
        damage=[_damage(report) for report, _ in reports],
        damage_until=order.delivered_at + timedelta(days=economy.damage_report_days)
        if may_report and order.delivered_at is not None
        else None,
    )


def _address(address: Address) -> AddressReply:
    return AddressReply(
        name=address.name,
        phone=address.phone,
        province=address.province,
        city=address.city,
        district=address.district,
        street=address.street,
    )


def _damage(report: DamageReport) -> DamageReply:
    return DamageReply(
        report_id=report.id,
        text=report.text,
        state=report.state.value,
        answer=report.answer,
        reported_at=report.reported_at,
    )


def _verb(
    method: str, path: str, handler: Callable[..., Awaitable[Any]], summary: str, body: type[Wire] | None, **more: Any
) -> Route:
    return Route(
        method=method,
        path=f"/v1/redemptions/{{redemption_id}}/{path}",
        handler=handler,
        summary=summary,
        body=body,
        reply=RedemptionReply,
        problems=(401, 403, 404, 409, 413, 415, 422, 503),
        **more,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/redemptions",
        handler=get_redemptions,
        summary="One's boxes of fruit",
        reply=RedemptionsReply,
        problems=(401, 503),
    ),
    _verb("PUT", "address", put_address, "Say where the box is to go", AddressBody, idempotent=True),
    _verb("POST", "substitute", post_substitute, "Have another fruit instead", SubstituteBody, idempotent=True),
    _verb("POST", "end", post_end, "Give the box away, or take the grams back", EndBody, idempotent=True),
    _verb(
        "POST",
        "damage",
        post_damage,
        "Report a box that arrived spoilt",
        None,
        multipart=True,
        max_body_bytes=MAX_BYTES,
        status=201,
    ),
)

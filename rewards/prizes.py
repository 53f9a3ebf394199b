"""Prizes: boxes of fruit in stock, set aside as trees near ripeness, and the life of an order until it is at the door.

A harvest is never refused for want of stock: the order is then back-ordered, and the player may take a substitute.
Who has paid nine thousand grams for a box gets the box, another one of their choice, or all grams back.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from rewards.days import day_of
from rewards.economy import Economy, Variety
from rewards.errors import (
    AddressIncomplete,
    AddressIsFixed,
    AddressTooLong,
    CarrierFileUnreadable,
    DamageTextTooLong,
    NotASubstitute,
    NothingToReport,
    NotThisMove,
    NotYourMove,
    OutOfStock,
    PhoneUnreadable,
    ReportedBefore,
)

# --- stock ----------------------------------------------------------------------------------------

EVERYWHERE = "*"
"""The region of stock that goes to any address, and of players whose region is not known yet."""


def week_of(day: date) -> str:
    """The ISO week of a day, as stock is kept: `2026-W48`. Sorts as text."""
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Boxes of one variety for one region in one week: how many there are, and how many are set aside or gone."""

    variety: str
    region: str
    week: str
    boxes: int
    taken: int = 0

    @property
    def free(self) -> int:
        return self.boxes - self.taken


def choose_stock(stocks: Iterable[Stock], *, variety: str, region: str, from_week: str) -> Stock:
    """The stock to set a box aside from: the earliest week from `from_week`, the player's own region before everywhere.

    Raises `OutOfStock`.
    """
    fitting = [
        stock
        for stock in stocks
        if stock.variety == variety
        and stock.region in (region, EVERYWHERE)
        and stock.week >= from_week
        and stock.free > 0
    ]
    if not fitting:
        raise OutOfStock(variety=variety, region=region, week=from_week)
    return min(fitting, key=lambda stock: (stock.week, stock.region == EVERYWHERE))


def substitutes(
    stocks: Iterable[Stock],
    *,
    variety: str,
    box_cost_fen: int,
    region: str,
    from_week: str,
    varieties: Iterable[Variety],
) -> tuple[Variety, ...]:
    """What can be offered instead: varieties in stock that are worth no less than what was promised, cheapest first."""
    in_stock = {
        stock.variety
        for stock in stocks
        if stock.region in (region, EVERYWHERE) and stock.week >= from_week and stock.free > 0
    }
    fitting = [
        one for one in varieties if one.code in in_stock and one.code != variety and one.box_cost_fen >= box_cost_fen
    ]
    return tuple(sorted(fitting, key=lambda one: (one.box_cost_fen, one.code)))


# --- orders ---------------------------------------------------------------------------------------


class OrderState(StrEnum):
    """The states of a `FulfilmentOrder`."""

    ADDRESS_NEEDED = "address_needed"
    PENDING = "pending"
    ORDERED = "ordered"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    BACK_ORDERED = "back_ordered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"


class Mover(StrEnum):
    """Who moves an order."""

    PLAYER = "player"
    FULFILMENT = "fulfilment"
    CARRIER = "carrier"  # the rows of a carrier's file
    SYSTEM = "system"


_S = OrderState
_HANDS = frozenset({Mover.FULFILMENT, Mover.SYSTEM})
_ROAD = frozenset({Mover.FULFILMENT, Mover.CARRIER})
_OFFICE = frozenset({Mover.FULFILMENT})
_PLAYER = frozenset({Mover.PLAYER})

MOVES: Mapping[tuple[OrderState, OrderState], frozenset[Mover]] = MappingProxyType(
    {
        (_S.ADDRESS_NEEDED, _S.PENDING): _PLAYER,
        (_S.ADDRESS_NEEDED, _S.BACK_ORDERED): _PLAYER,  # the address is there, the box is not
        (_S.ADDRESS_NEEDED, _S.CANCELLED): _PLAYER,
        (_S.ADDRESS_NEEDED, _S.COMPENSATED): _OFFICE,
        (_S.PENDING, _S.ADDRESS_NEEDED): _OFFICE,
        (_S.PENDING, _S.ORDERED): _HANDS,
        (_S.PENDING, _S.BACK_ORDERED): _HANDS,
        (_S.PENDING, _S.CANCELLED): _PLAYER,
        (_S.BACK_ORDERED, _S.PENDING): _HANDS | _PLAYER,  # stock came, or the player took a substitute
        (_S.BACK_ORDERED, _S.CANCELLED): _PLAYER,
        (_S.BACK_ORDERED, _S.COMPENSATED): _OFFICE | _PLAYER,
        (_S.ORDERED, _S.SHIPPED): _ROAD,
        (_S.ORDERED, _S.FAILED): _ROAD,
        (_S.ORDERED, _S.BACK_ORDERED): _OFFICE,
        (_S.SHIPPED, _S.DELIVERED): _ROAD,
        (_S.SHIPPED, _S.FAILED): _ROAD,
        (_S.FAILED, _S.SHIPPED): _ROAD,  # carriers try again
        (_S.FAILED, _S.DELIVERED): _ROAD,
        (_S.FAILED, _S.ADDRESS_NEEDED): _OFFICE,
        (_S.FAILED, _S.PENDING): _OFFICE,
        (_S.FAILED, _S.COMPENSATED): _OFFICE,
        (_S.DELIVERED, _S.PENDING): _OFFICE,  # arrived spoilt: another box
        (_S.DELIVERED, _S.COMPENSATED): _OFFICE,  # arrived spoilt: the grams back
    }
)
"""Which state becomes which, and by whose hand. Cancelling is the player's alone (the box is given away); the office
compensates instead. What is not here does not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfilmentOrder:
    """One box on its way to one player. `stock_week`, `stock_region`: the stock it was set aside from, if any."""

    id: UUID
    player_id: UUID
    tree_id: UUID
    variety: str
    box_g: int
    box_cost_fen: int
    state: OrderState
    made_at: datetime
    moved_at: datetime
    stock_region: str | None = None
    stock_week: str | None = None
    carrier: str | None = None
    tracking_no: str | None = None
    delivered_at: datetime | None = None


def move(order: FulfilmentOrder, *, target: OrderState, mover: Mover, now: datetime) -> FulfilmentOrder:
    """The order in its next state.

    Raises `NotThisMove` when nobody moves it so (backwards, for instance), `NotYourMove` when others do.
    """
    movers = MOVES.get((order.state, target))
    if movers is None:
        raise NotThisMove(state=order.state, target=target)
    if mover not in movers:
        raise NotYourMove(mover=mover, state=order.state, target=target)
    delivered_at = now if target is OrderState.DELIVERED else order.delivered_at
    if target is OrderState.PENDING:
        delivered_at = None
    return replace(order, state=target, moved_at=now, delivered_at=delivered_at)


def holds_stock(state: OrderState) -> bool:
    """Whether an order in this state keeps the box that was set aside for it."""
    return state in (_S.ADDRESS_NEEDED, _S.PENDING)


def without_box(order: FulfilmentOrder) -> FulfilmentOrder:
    """The same order with no box set aside for it."""
    return replace(order, stock_region=None, stock_week=None)


def box_kept_until(order: FulfilmentOrder, economy: Economy) -> datetime | None:
    """Until when a box is set aside for an order that waits for its address; None where none is, or none needs to be."""
    if order.state is not OrderState.ADDRESS_NEEDED or order.stock_week is None:
        return None
    return order.moved_at + timedelta(days=economy.address_wanted_days)


def substitute(order: FulfilmentOrder, *, chosen: str, offered: tuple[Variety, ...]) -> FulfilmentOrder:
    """A back-ordered order for another variety that was offered. Raises `NotThisMove` and `NotASubstitute`."""
    if order.state is not OrderState.BACK_ORDERED:
        raise NotThisMove(state=order.state, target=OrderState.PENDING)
    variety = next((one for one in offered if one.code == chosen), None)
    if variety is None:
        raise NotASubstitute(variety=chosen[:40])
    return replace(order, variety=variety.code, box_cost_fen=variety.box_cost_fen)


# --- addresses ------------------------------------------------------------------------------------

_LIMITS = MappingProxyType({"name": 30, "phone": 20, "province": 20, "city": 30, "district": 30, "street": 120})
_MOBILE = re.compile(r"(?:\+?86)?1[3-9][0-9]{9}")
_LANDLINE = re.compile(r"(?:\+?86)?0[0-9]{2,3}[0-9]{7,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a box goes. Made only by `read_address`, so that each one on record can be delivered to."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    street: str


def read_address(given: Mapping[str, str]) -> Address:
    """An address from a form: spaces and signs tidied, each field there and short enough for a label.

    Raises `AddressIncomplete`, `AddressTooLong`, `PhoneUnreadable`. District may be empty: some cities have none.
    """
    tidy: dict[str, str] = {}
    for field in fields(Address):
        raw = given.get(field.name, "")
        if len(raw) > 4 * _LIMITS[field.name]:
            raise AddressTooLong(field=field.name, length=len(raw), limit=_LIMITS[field.name])
        text = " ".join("".join(char if char.isprintable() else " " for char in raw).split())
        if not text and field.name != "district":
            raise AddressIncomplete(field=field.name)
        if len(text) > _LIMITS[field.name]:
            raise AddressTooLong(field=field.name, length=len(text), limit=_LIMITS[field.name])
        tidy[field.name] = text
    phone = re.sub(r"[\s()()-]", "", tidy["phone"])
    if not (_MOBILE.fullmatch(phone) or _LANDLINE.fullmatch(phone)):
        raise PhoneUnreadable()
    return Address(**{**tidy, "phone": phone})


def give_address(order: FulfilmentOrder, *, in_stock: bool, now: datetime) -> FulfilmentOrder:
    """The order once its player has given an address, or another one before the box was ordered.

    Raises `AddressIsFixed`.
    """
    if order.state in (OrderState.PENDING, OrderState.BACK_ORDERED):
        return replace(order, moved_at=now)
    if order.state is not OrderState.ADDRESS_NEEDED:
        raise AddressIsFixed(state=order.state)
    target = OrderState.PENDING if in_stock else OrderState.BACK_ORDERED
    return move(order, target=target, mover=Mover.PLAYER, now=now)


def forget_address_at(order: FulfilmentOrder, economy: Economy) -> datetime | None:
    """When the address is deleted: 90 days after the delivery, or after the order came to another end; None before."""
    kept = timedelta(days=economy.address_kept_days)
    if order.delivered_at is not None:
        return order.delivered_at + kept
    if order.state in (OrderState.CANCELLED, OrderState.COMPENSATED):
        return order.moved_at + kept
    return None


# --- the carrier's file ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierRow:
    """One row of a carrier's file: which order became what. `line` counts from 1, the header included."""

    line: int
    order_id: UUID
    target: OrderState
    carrier: str
    tracking_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """A row that cannot be read, with its line, a stable code and the value that it stumbles over."""

    line: int
    code: str
    value: str


class RowResult(StrEnum):
    MOVED = "moved"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


CARRIER_ROWS_MOST = 20_000
_CARRIER_TARGETS = MappingProxyType(
    {"shipped": _S.SHIPPED, "已发货": _S.SHIPPED, "delivered": _S.DELIVERED, "已签收": _S.DELIVERED}
    | {"failed": _S.FAILED, "派送失败": _S.FAILED}
)


def read_carrier_file(content: bytes) -> tuple[CarrierRow | RowProblem, ...]:
    """The rows of a carrier's CSV (`order_id,status,carrier,tracking_no`; UTF-8 or GB 18030), each read by itself.

    Raises `CarrierFileUnreadable` when there are no rows to speak of: wrong encoding, no header, too many rows.
    """
    reader = csv.reader(io.StringIO(_decoded(content), newline=""), strict=True)
    rows: list[CarrierRow | RowProblem] = []
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        for wanted in ("order_id", "status"):
            if header.count(wanted) != 1:
                raise CarrierFileUnreadable(problem=f"its header must have one column {wanted}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) == CARRIER_ROWS_MOST:
                raise CarrierFileUnreadable(problem=f"it has more than {CARRIER_ROWS_MOST} rows")
            rows.append(
                _carrier_row(reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
            )
    except csv.Error as error:
        raise CarrierFileUnreadable(problem=f"line {reader.line_num} is no CSV ({error})") from error
    if not rows:
        raise CarrierFileUnreadable(problem="it has no rows")
    return tuple(rows)


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CarrierFileUnreadable(problem="it is neither UTF-8 nor GB 18030")


def _carrier_row(line: int, cells: Mapping[str, str]) -> CarrierRow | RowProblem:
    order_id, status = cells.get("order_id", ""), cells.get("status", "").lower()
    carrier, tracking_no = cells.get("carrier", ""), cells.get("tracking_no", "")
    try:
        order = UUID(order_id)
    except ValueError:
        return RowProblem(line=line, code="not_an_order_id", value=order_id[:80])
    if status not in _CARRIER_TARGETS:
        return RowProblem(line=line, code="unknown_status", value=status[:80])
    for name, text in (("carrier", carrier), ("tracking_no", tracking_no)):
        if len(text) > 60 or (text and not text.isprintable()):
            return RowProblem(line=line, code=f"{name}_unreadable", value=text[:80])
    return CarrierRow(
        line=line, order_id=order, target=_CARRIER_TARGETS[status], carrier=carrier, tracking_no=tracking_no
    )


def carried(order: FulfilmentOrder, row: CarrierRow, *, now: datetime) -> tuple[FulfilmentOrder, RowResult]:
    """The order after a carrier's row. The same row again changes nothing; a step that was skipped is made up for.

    Raises `NotThisMove` and `NotYourMove`, with which the row is refused and the others go on.
    """
    if order.state is row.target:
        return order, RowResult.UNCHANGED
    if order.state is OrderState.DELIVERED and row.target is OrderState.SHIPPED:
        return order, RowResult.UNCHANGED  # files overlap, and an older line is no step back
    if order.state is OrderState.ORDERED and row.target is OrderState.DELIVERED:
        order = move(order, target=OrderState.SHIPPED, mover=Mover.CARRIER, now=now)
    moved = move(order, target=row.target, mover=Mover.CARRIER, now=now)
    return (
        replace(moved, carrier=row.carrier or order.carrier, tracking_no=row.tracking_no or order.tracking_no),
        RowResult.MOVED,
    )


# --- damage ---------------------------------------------------------------------------------------


class DamageState(StrEnum):
    OPEN = "open"
    RESENT = "resent"
    COMPENSATED = "compensated"
    DECLINED = "declined"


DAMAGE_TEXT_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageReport:
    """What a player says of a box that arrived spoilt, with a picture; and what the office answered."""

    id: UUID
    order_id: UUID
    player_id: UUID
    text: str
    picture_id: UUID
    reported_at: datetime
    state: DamageState = DamageState.OPEN
    answer: str | None = None
    answered_at: datetime | None = None


def report_damage(
    order: FulfilmentOrder,
    *,
    report_id: UUID,
    text: str,
    picture_id: UUID,
    reported_before: bool,
    now: datetime,
    economy: Economy,
) -> DamageReport:
    """A report on a delivered box. `reported_before` is whether this delivery has one already.

    Raises `NothingToReport`, `ReportedBefore`, `DamageTextTooLong`.
    """
    if len(text) > DAMAGE_TEXT_MOST:
        raise DamageTextTooLong(limit=DAMAGE_TEXT_MOST, length=len(text))
    delivered_at = order.delivered_at
    if order.state is not OrderState.DELIVERED or delivered_at is None:
        raise NothingToReport(days=economy.damage_report_days)
    if day_of(now) > day_of(delivered_at) + timedelta(days=economy.damage_report_days):
        raise NothingToReport(days=economy.damage_report_days)
    if reported_before:
        raise ReportedBefore()
    return DamageReport(
        id=report_id, order_id=order.id, player_id=order.player_id, text=text, picture_id=picture_id, reported_at=now
    )


def answer_damage(
    report: DamageReport, order: FulfilmentOrder, *, conclusion: DamageState, answer: str, now: datetime
) -> tuple[DamageReport, FulfilmentOrder]:
    """The office's answer: another box, the grams back, or a refusal in words. Raises `NotThisMove`."""
    assert conclusion is not DamageState.OPEN
    if report.state is not DamageState.OPEN:
        raise NotThisMove(state=report.state, target=conclusion)
    answered = replace(report, state=conclusion, answer=answer, answered_at=now)
    if conclusion is DamageState.RESENT:
        return answered, move(order, target=OrderState.PENDING, mover=Mover.FULFILMENT, now=now)
    if conclusion is DamageState.COMPENSATED:
        return answered, move(order, target=OrderState.COMPENSATED, mover=Mover.FULFILMENT, now=now)
    return answered, order

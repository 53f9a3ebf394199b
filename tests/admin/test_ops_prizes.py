"""Laws of stock and fulfilment behind the door: no promised box is withdrawn, no address is told without a trace."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from admin.roles import Role
from rewards.days import day_of
from rewards.prizes import OrderState, week_of
from server.ids import uuid7
from server.jobs.measure_prizes import MeasurePrizes
from server.stores import audit
from tests.admin.doors import Door, Operator, a_door
from tests.server.builders import Phone, Service
from tests.server.orchard import a_harvest, an_orchard, apply, broken_laws, give, move, plant, stock
from tests.server.test_prizes import ADDRESS, report, send_address

WHY = "供应商确认函"
AT = "/v1/ops/orders"
PHONE = ADDRESS["phone"].replace(" ", "")


@dataclass(slots=True)
class Office:
    """An orchard with its players, and the door of its operators, on one database."""

    service: Service
    door: Door
    packer: Operator

    async def order(self, name: str, *, address: dict | None = None) -> tuple[Phone, UUID]:
        """A harvest with an address."""
        phone = await self.service.phone(name)
        order_id = await a_harvest(self.service, phone)
        status, body = await send_address(phone, order_id, **(address or {}))
        assert status == 200, body
        return phone, order_id

    async def lines(self, what: str) -> list[audit.AuditLine]:
        async with self.door.engine.connect() as conn:
            return [line for line in await audit.lines(conn) if line.what == what]

    async def upload(self, content: bytes) -> tuple[int, dict]:
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(content), filename="carrier.csv", content_type="text/csv")
        return await self.packer.call("POST", f"{AT}/carrier-files", data=form)


@pytest.fixture
async def office(database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with an_orchard(database, tmp_path) as service, a_door(database, tmp_path) as door:
        packer = await door.signed_in(await door.operator(Role.FULFILMENT, login="bao"))
        yield Office(service, door, packer)


async def test_stock_is_added_and_only_what_is_free_withdrawn(office: Office):
    """Boxes come with a reason and a line in the log; who asks for a promised box is told how many may go."""
    week = week_of(day_of(office.door.clock.now))
    body = {"variety": "apple", "region": "*", "week": week, "boxes": 2, "reason": WHY}
    assert (await office.packer.good("POST", "/v1/ops/prizes/stock", body))["boxes"] == 2
    await office.order("甲")
    status, problem = await office.packer.call("POST", "/v1/ops/prizes/stock", {**body, "boxes": -2})
    assert (status, problem["code"]) == (409, "stock_promised")
    assert "at most 1" in problem["detail"]
    assert (await office.packer.good("POST", "/v1/ops/prizes/stock", {**body, "boxes": -1}))["free"] == 0
    assert await office.packer.refused("POST", "/v1/ops/prizes/stock", {**body, "boxes": 0}) == (409, "nothing_changed")
    for wrong in ({"week": "2026-W60"}, {"variety": "mango"}, {"boxes": 10**12}, {"region": ""}, {"reason": ""}):
        assert (await office.packer.refused("POST", "/v1/ops/prizes/stock", {**body, **wrong}))[0] == 422
    (line,) = await office.lines("stock.withdraw")
    assert (line.before["boxes"], line.after["boxes"], line.why) == (2, 1, WHY)
    assert await broken_laws(office.service) == {}


async def test_withdrawals_that_race_leave_every_promised_box(office: Office):
    """Ten who each withdraw one of three free boxes: three are served."""
    await stock(office.service, 4)
    await office.order("甲")
    week = week_of(day_of(office.door.clock.now))
    body = {"variety": "apple", "region": "*", "week": week, "boxes": -1, "reason": WHY}
    answers = await asyncio.gather(*(office.packer.call("POST", "/v1/ops/prizes/stock", body) for _ in range(10)))
    assert sorted(status for status, _ in answers) == [200] * 3 + [409] * 7
    assert await broken_laws(office.service) == {}


async def test_stock_stands_against_what_growing_trees_ask_for(office: Office):
    """A half-grown tree is half a box, rounded up; who waits for a box counts whole."""
    phone = await office.service.phone("甲")
    await plant(phone)
    await give(office.service, phone, 200)
    await apply(phone, 4)
    await office.order("乙")
    await MeasurePrizes(office.door.engine).run(office.door.clock.now)
    shown = await office.packer.good("GET", "/v1/ops/prizes")
    apple = next(one for one in shown["varieties"] if one["code"] == "apple")
    assert (apple["growing"], apple["growing_boxes"], apple["waiting"], apple["short"]) == (1, 1, 1, 2)
    assert apple["liability_fen"] == 650


async def test_an_order_is_moved_as_the_rules_allow_by_whom_they_allow(office: Office):
    """Step by step, with a reason; not by jumps; the second of two hands is told what the first one did."""
    await stock(office.service, 1)
    _, order_id = await office.order("甲")
    path = f"{AT}/{order_id}"
    assert (await office.packer.good("GET", path))["may_become"] == ["address_needed", "ordered", "back_ordered"]
    body = {"to": "delivered", "seen": "pending", "reason": WHY}
    assert await office.packer.refused("POST", f"{path}/moves", body) == (409, "not_this_move")
    assert await office.packer.refused("POST", f"{path}/moves", {**body, "to": "cancelled"}) == (403, "not_your_move")
    moved = await office.packer.good("POST", f"{path}/moves", {**body, "to": "ordered"})
    assert moved["state"] == "ordered"
    status, problem = await office.packer.call("POST", f"{path}/moves", {**body, "to": "back_ordered"})
    assert (status, problem["code"]) == (409, "order_moved")
    assert "ordered now" in problem["detail"]
    (line,) = await office.lines("order.move")
    assert (line.before, line.after, line.who) == ({"state": "pending"}, {"state": "ordered"}, "bao")
    told = await office.packer.good("GET", path)
    assert told["history"][-1]["note"] == WHY
    assert await broken_laws(office.service) == {}


async def test_a_carriers_file_moves_what_it_can_and_answers_each_row(office: Office):
    """GB 18030 and UTF-8, unknown orders, wrong states, broken rows: each row by itself; the same file changes nothing."""
    await stock(office.service, 3)
    orders = [(await office.order(name))[1] for name in ("甲", "乙", "丙")]
    for order_id in orders[:2]:
        await move(office.service, order_id, OrderState.ORDERED)
    text = (
        "order_id,status,carrier,tracking_no\n"
        f"{orders[0]},已发货,顺丰,SF001\n"
        f"{orders[1]},已签收,中通,ZT002\n"
        f"{orders[2]},已发货,顺丰,SF003\n"
        f"{uuid7()},已发货,顺丰,SF004\n"
        "不是编号,已发货,,\n"
        f"{orders[0]},丢了,,\n"
    )
    status, told = await office.upload(text.encode("gb18030"))
    assert status == 200, told
    assert [row["code"] for row in told["rows"]] == [
        None, None, "not_this_move", "unknown_order", "not_an_order_id", "unknown_status",
    ]  # fmt: skip
    assert (told["moved"], told["refused"]) == (2, 4)
    again = (await office.upload(text.encode()))[1]
    assert (again["moved"], again["unchanged"]) == (0, 2)
    shown = await office.packer.good("GET", f"{AT}/{orders[0]}")
    assert (shown["state"], shown["carrier"], shown["tracking_no"]) == ("shipped", "顺丰", "SF001")
    for content in (b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"order_id,status\n"):
        status, problem = await office.upload(content)
        assert (status, problem["code"]) == (422, "carrier_file_unreadable")
    assert (await office.upload(b"x" * (4 * 1024 * 1024 + 1)))[0] == 413
    assert (await office.packer.refused("POST", f"{AT}/carrier-files", {"file": "x"}))[0] == 415
    assert await broken_laws(office.service) == {}


async def test_labels_hold_addresses_for_those_who_may_see_them_and_leave_a_trace(office: Office):
    """Of ordered boxes only; no cell is a formula; nobody else gets them; the log says who took which."""
    await stock(office.service, 2)
    _, first = await office.order("甲", address={"name": "=HYPERLINK(1)", "street": "人民路1号, 二楼"})
    await office.order("乙")
    await move(office.service, first, OrderState.ORDERED)
    status, text = await office.packer.call("POST", f"{AT}/labels", {"reason": "今日发货贴单"})
    assert status == 200
    (row,) = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert (row["order_id"], row["name"], row["street"]) == (str(first), "'=HYPERLINK(1)", "人民路1号, 二楼")
    assert row["phone"] == PHONE
    (line,) = await office.lines("labels.export")
    assert (line.who, line.why, line.after["labels"]) == ("bao", "今日发货贴单", 1)
    assert PHONE not in str(line)
    treasurer = await office.door.signed_in(await office.door.operator(Role.TREASURER, login="qian"))
    assert (await treasurer.refused("POST", f"{AT}/labels", {"reason": "只是看看"}))[0] == 403


async def test_an_address_is_looked_at_for_a_reason_and_stands_nowhere_else(office: Office):
    """Neither lists nor the order itself tell it; one look is one line in the log."""
    _, order_id = await office.order("甲")
    for path in (AT, f"{AT}/{order_id}", "/ops/orders", f"/ops/orders/{order_id}"):
        _, body = await office.packer.call("GET", path)
        assert ADDRESS["street"] not in str(body)
        assert PHONE not in str(body)
    assert (await office.packer.refused("POST", f"{AT}/{order_id}/address", {}))[0] == 422
    told = await office.packer.good("POST", f"{AT}/{order_id}/address", {"reason": "玩家来电改地址"})
    assert (told["street"], told["phone"]) == (ADDRESS["street"], PHONE)
    (line,) = await office.lines("address.look")
    assert (line.object_id, line.who) == (str(order_id), "bao")
    auditor = await office.door.signed_in(await office.door.operator(Role.AUDITOR, login="shen"))
    assert (await auditor.refused("POST", f"{AT}/{order_id}/address", {"reason": "只是看看"}))[0] == 403


async def test_damage_is_seen_with_its_photo_and_answered_once(office: Office):
    """The grams come back to the player; the second answer is told that it is late."""
    await stock(office.service, 1)
    phone, order_id = await office.order("甲")
    for state in (OrderState.ORDERED, OrderState.SHIPPED, OrderState.DELIVERED):
        await move(office.service, order_id, state)
    assert (await report(phone, order_id, text="<script>alert(1)</script>"))[0] == 201
    (one,) = (await office.packer.good("GET", "/v1/ops/damage"))["reports"]
    async with office.packer.client.request(
        "GET", f"/v1/ops/damage/{one['report_id']}/photo", headers={"Cookie": f"xk_console={office.packer.cookie}"}
    ) as reply:
        assert (reply.status, reply.content_type, (await reply.read())[:4]) == (200, "image/webp", b"RIFF")
    _, page = await office.packer.call("GET", f"/ops/orders/{order_id}")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    path = f"/v1/ops/damage/{one['report_id']}/answer"
    told = await office.packer.good("POST", path, {"conclusion": "compensated", "answer": "抱歉,肥料已退回"})
    assert (told["state"], told["order_state"]) == ("compensated", "compensated")
    late = await office.packer.refused("POST", path, {"conclusion": "declined", "answer": "不行"})
    assert late == (409, "not_this_move")
    assert (await office.packer.good("GET", "/v1/ops/damage"))["reports"] == []
    assert await broken_laws(office.service) == {}


async def test_pages_of_orders_filter_and_go_on(office: Office):
    """By state, variety, region and age; each order once."""
    await stock(office.service, 2)
    made = [await office.order(name) for name in ("甲", "乙", "丙")]
    ids = [order_id for _, order_id in made]
    of_player = f"player={made[1][0].player['player_id']}"
    seen, cursor = [], ""
    while True:
        page = await office.packer.good("GET", f"{AT}?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        seen += [one["order_id"] for one in page["orders"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == [str(one) for one in ids]
    for query, n in (("state=back_ordered", 1), ("state=pending", 2), ("variety=pear", 0), ("region=*", 2),
                     (of_player, 1), ("older_than_days=1", 0), ("older_than_days=0", 3)):  # fmt: skip
        if query == "older_than_days=0":
            office.door.clock.forward(hours=1)  # an order is dated by its number, which knows the true time
        assert len((await office.packer.good("GET", f"{AT}?{query}"))["orders"]) == n, query
    assert (await office.packer.refused("GET", f"{AT}?older_than_days=-1"))[0] == 422
    assert (await office.packer.refused("GET", f"{AT}?state=lost"))[0] == 422

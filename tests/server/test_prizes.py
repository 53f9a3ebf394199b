"""Prizes over HTTP and on the real database: no box twice, no address readable, no order lost on the way."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from PIL import Image

from rewards import ledger as books
from rewards.errors import NotThisMove, NotYourMove, OutOfStock
from rewards.prizes import DamageState, Mover, OrderState, RowResult
from server.flows.answer_damage import answer_damage
from server.flows.give_address import open_address
from server.flows.import_carrier_file import ImportedRow, import_carrier_file
from server.ids import uuid7
from server.jobs.expire_addresses import ExpireAddresses
from server.jobs.fill_back_orders import FillBackOrders
from server.jobs.free_boxes import FreeBoxes
from server.secrets import SealBroken, Vault
from server.stores import ledger, prizes
from server.stores.db import transaction
from tests.rewards.builders import ADDRESS
from tests.server.books import as_attacker
from tests.server.builders import Phone, Service
from tests.server.orchard import (
    SMALL,
    a_harvest,
    an_orchard,
    apply,
    broken_laws,
    give,
    move,
    plant,
    refused,
    stock,
    view,
)

S = OrderState


@pytest.fixture
async def orchard(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """The service with trees that eight applications ripen."""
    async with an_orchard(database, tmp_path) as service:
        yield service


async def redemptions(phone: Phone) -> list[dict]:
    status, body = await phone.call("GET", "/v1/redemptions")
    assert status == 200, body
    return body["redemptions"]


async def the_redemption(phone: Phone) -> dict:
    [only] = await redemptions(phone)
    return only


async def send_address(phone: Phone, redemption_id, /, **fields) -> tuple[int, dict]:
    return await phone.call("PUT", f"/v1/redemptions/{redemption_id}/address", ADDRESS | fields)


async def a_delivery(service: Service, phone: Phone):
    """A harvest that was sent and has arrived."""
    redemption_id = await a_harvest(service, phone)
    assert (await send_address(phone, redemption_id))[0] == 200
    await move(service, redemption_id, S.ORDERED)
    await move(service, redemption_id, S.SHIPPED)
    await move(service, redemption_id, S.DELIVERED)
    return redemption_id


# --- from the tree to the door --------------------------------------------------------------------


async def test_a_harvest_before_it_is_ripe_is_refused(orchard: Service) -> None:
    phone = await orchard.phone()
    assert await refused(phone, "POST", "/v1/farm/harvests", {}) == (404, "no_tree")
    await plant(phone)
    await give(orchard, phone, 350)
    await apply(phone, 7)
    assert await refused(phone, "POST", "/v1/farm/harvests", {}) == (409, "not_ripe")


async def test_a_ripe_tree_becomes_a_box_at_the_door(orchard: Service) -> None:
    await stock(orchard, 3)
    phone = await orchard.phone()
    redemption_id = await a_delivery(orchard, phone)
    seen = await the_redemption(phone)
    assert seen["redemption_id"] == str(redemption_id)
    assert seen["state"] == "delivered"
    assert [step["state"] for step in seen["steps"]] == ["pending", "ordered", "shipped", "delivered"]
    assert (await view(phone))["tree"] is None
    await plant(phone)  # the next tree
    async with orchard.engine.connect() as conn:
        assert await ledger.balance(conn, books.REDEEMED) == 400
        assert await ledger.balance(conn, books.SUPPLIERS) == 1_300
    assert await broken_laws(orchard) == {}


async def test_thirty_racing_harvests_make_one_order(orchard: Service) -> None:
    phone = await orchard.phone()
    await plant(phone)
    await give(orchard, phone, 400)
    await apply(phone, 8)
    replies = await asyncio.gather(*(phone.call("POST", "/v1/farm/harvests", {}) for _ in range(30)))
    assert [status for status, _ in replies].count(200) == 1
    assert {body.get("code") for status, body in replies if status != 200} <= {"no_tree", "harvested_before"}
    assert len(await redemptions(phone)) == 1
    assert await broken_laws(orchard) == {}


async def test_a_donation_is_no_order_and_gives_its_box_back(orchard: Service) -> None:
    await stock(orchard, 1)
    phone = await orchard.phone()
    await plant(phone)
    await give(orchard, phone, 400)
    assert (await apply(phone, 8))["farm"]["tree"]["prize_set_aside"] is True
    status, body = await phone.call("POST", "/v1/farm/harvests", {"donate": True})
    assert (status, body["donated"], body["redemption_id"]) == (200, True, None)
    async with orchard.engine.connect() as conn:
        [shelf] = await prizes.stock_from(conn, "2000-W01")
    assert shelf.free == 1
    assert await broken_laws(orchard) == {}


# --- stock ----------------------------------------------------------------------------------------


async def test_a_box_is_set_aside_at_eighty_percent_and_the_last_one_only_once(orchard: Service) -> None:
    await stock(orchard, 1)
    phones = [await orchard.phone(f"玩家{number}") for number in range(4)]
    for phone in phones:
        await plant(phone)
        await give(orchard, phone, 400)
        assert (await apply(phone, 6))["farm"]["tree"]["prize_set_aside"] is False
    replies = await asyncio.gather(*(apply(phone) for phone in phones))
    assert sorted(reply["farm"]["tree"]["prize_set_aside"] for reply in replies) == [False] * 3 + [True]
    assert await broken_laws(orchard) == {}


async def test_stock_is_never_set_below_what_is_promised(orchard: Service) -> None:
    await stock(orchard, 2)
    phone = await orchard.phone()
    await plant(phone)
    await give(orchard, phone, 400)
    await apply(phone, 7)
    async with transaction(orchard.engine) as conn:
        [shelf] = await prizes.stock_from(conn, "2000-W01")
        assert not await prizes.set_stock(conn, variety=shelf.variety, region=shelf.region, week=shelf.week, boxes=0)
        assert await prizes.stock_from(conn, "2000-W01") == [shelf]


async def test_a_box_waits_thirty_days_for_an_address_and_the_order_for_ever(orchard: Service) -> None:
    await stock(orchard, 1)
    slow, quick = await orchard.phone("慢"), await orchard.phone("快")
    first = await a_harvest(orchard, slow)
    assert (await the_redemption(slow))["box_kept_until"] is not None
    job = FreeBoxes(orchard.engine, lambda: SMALL)
    orchard.clock.forward(days=29)
    assert await job.run(orchard.clock()) == 0
    orchard.clock.forward(days=2)
    assert [await job.run(orchard.clock()) for _ in range(2)] == [1, 0]
    await stock(orchard, 1)
    for phone in (slow, quick):
        await phone.log_in()
    assert (await the_redemption(slow))["state"] == "address_needed"
    second = await a_harvest(orchard, quick)
    assert (await send_address(quick, second))[1]["state"] == "pending"
    assert (await send_address(slow, first))[1]["state"] == "back_ordered"
    assert await broken_laws(orchard) == {}


async def test_when_stock_runs_out_a_substitute_is_offered(orchard: Service) -> None:
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    status, seen = await send_address(phone, redemption_id)
    assert (status, seen["state"], seen["substitutes"]) == (200, "back_ordered", [])
    await stock(orchard, 1, variety="pear")
    seen = await the_redemption(phone)
    assert [one["code"] for one in seen["substitutes"]] == ["pear"]
    path = f"/v1/redemptions/{redemption_id}/substitute"
    assert (await phone.call("POST", path, {"variety": "mandarin"}))[1]["code"] == "not_a_substitute"
    status, seen = await phone.call("POST", path, {"variety": "pear"})
    assert (status, seen["state"], seen["variety"]) == (200, "pending", "pear")
    assert (await phone.call("POST", path, {"variety": "pear"}))[1]["code"] == "not_this_move"
    assert await broken_laws(orchard) == {}


async def test_new_stock_goes_to_those_who_wait_longest(orchard: Service) -> None:
    first, second = await orchard.phone("先"), await orchard.phone("后")
    for phone in (first, second):
        redemption_id = await a_harvest(orchard, phone)
        assert (await send_address(phone, redemption_id))[1]["state"] == "back_ordered"
        with pytest.raises(OutOfStock):
            await move(orchard, redemption_id, S.PENDING)
    await stock(orchard, 1)
    assert await FillBackOrders(orchard.engine, lambda: SMALL).run(orchard.clock()) == 1
    assert (await the_redemption(first))["state"] == "pending"
    assert (await the_redemption(second))["state"] == "back_ordered"
    assert await broken_laws(orchard) == {}


async def test_who_cannot_get_a_box_takes_the_grams_back_once(orchard: Service) -> None:
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    path = f"/v1/redemptions/{redemption_id}/end"
    assert (await phone.call("POST", path, {"how": "grams_back"}))[1]["code"] == "not_your_move"
    await send_address(phone, redemption_id)
    before = (await view(phone))["available_g"]
    replies = await asyncio.gather(*(phone.call("POST", path, {"how": "grams_back"}) for _ in range(5)))
    assert sorted(status for status, _ in replies) == [200, 409, 409, 409, 409]
    assert (await view(phone))["available_g"] == before + 400
    assert await broken_laws(orchard) == {}


async def test_a_player_can_give_the_box_away_until_it_is_ordered(orchard: Service) -> None:
    await stock(orchard, 1)
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    await send_address(phone, redemption_id)
    status, seen = await phone.call("POST", f"/v1/redemptions/{redemption_id}/end", {"how": "give_away"})
    assert (status, seen["state"]) == (200, "cancelled")
    async with orchard.engine.connect() as conn:
        [shelf] = await prizes.stock_from(conn, "2000-W01")
    assert shelf.free == 1
    assert await broken_laws(orchard) == {}


# --- addresses ------------------------------------------------------------------------------------


async def test_bad_addresses_are_named_by_field_and_change_nothing(orchard: Service) -> None:
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    for fields, code, field in (
        ({"street": "长" * 10_000}, "address_too_long", "street"),
        ({"phone": ""}, "address_incomplete", "phone"),
        ({"phone": "call me"}, "phone_unreadable", None),
        ({"name": "\u0007"}, "address_incomplete", "name"),
        ({"country": "CN"}, "field_invalid", "country"),
    ):
        status, problem = await send_address(phone, redemption_id, **fields)
        assert (status, problem["code"], problem.get("field")) == (422, code, field)
    seen = await the_redemption(phone)
    assert (seen["state"], seen["address"]) == ("address_needed", None)


async def test_somebody_elses_redemption_looks_like_none(orchard: Service) -> None:
    redemption_id = await a_harvest(orchard, await orchard.phone())
    stranger = await orchard.phone("路人")
    assert (await send_address(stranger, redemption_id))[1]["code"] == "not_found"
    assert (await send_address(stranger, uuid7()))[1]["code"] == "not_found"
    assert (await send_address(stranger, "x"))[1]["code"] == "not_found"
    assert await redemptions(stranger) == []


async def test_an_address_is_sealed_and_only_in_its_own_row(orchard: Service) -> None:
    await stock(orchard, 2)
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    _, told = await send_address(phone, redemption_id)
    assert (told["address_given"], told["address"]) == (True, None)
    assert (await the_redemption(phone))["address"] == ADDRESS | {"phone": "13800138000"}
    await phone.call(
        "PUT",
        f"/v1/redemptions/{redemption_id}/address",
        ADDRESS | {"street": "文一路 2 号"},
        headers=phone.headers | {"Idempotency-Key": "address-0002"},
    )
    assert (await the_redemption(phone))["address"]["street"] == "文一路 2 号"
    vault = Vault(orchard.shell.config.vault_keys)
    async with orchard.engine.connect() as conn:
        sealed = await prizes.sealed_address(conn, redemption_id)
        assert sealed is not None
        everything = b"".join(
            [
                bytes(row[0])
                for row in await conn.execute(
                    sa.text("select sealed from order_addresses union all select body from idempotency_keys")
                )
            ]
        )
    assert "文一路".encode() not in everything
    assert open_address(sealed, redemption_id, vault).street == "文一路 2 号"
    with pytest.raises(SealBroken):
        open_address(sealed, uuid7(), vault)
    await move(orchard, redemption_id, S.ORDERED)
    assert (await send_address(phone, redemption_id))[1]["code"] == "address_is_fixed"


async def test_a_rotated_key_seals_anew_and_the_old_one_can_go(orchard: Service) -> None:
    redemption_id = await a_harvest(orchard, phone := await orchard.phone())
    await send_address(phone, redemption_id)
    keys = dict(orchard.shell.config.vault_keys)
    both = keys | {9: b"a newer key than all the others, long enough"}
    assert await ExpireAddresses(orchard.engine, lambda: SMALL, Vault(both)).run(orchard.clock()) == 1
    assert await ExpireAddresses(orchard.engine, lambda: SMALL, Vault(both)).run(orchard.clock()) == 0
    async with orchard.engine.connect() as conn:
        sealed = await prizes.sealed_address(conn, redemption_id)
    assert sealed is not None
    assert open_address(sealed, redemption_id, Vault({9: both[9]})).name == "林小美"
    with pytest.raises(SealBroken):
        open_address(sealed, redemption_id, Vault(keys))
    assert (await the_redemption(phone))["address"] is None  # this process has not got the new key yet


async def test_an_address_is_deleted_ninety_days_after_delivery(orchard: Service) -> None:
    await stock(orchard, 1)
    phone = await orchard.phone()
    redemption_id = await a_delivery(orchard, phone)
    job = ExpireAddresses(orchard.engine, lambda: SMALL, Vault(orchard.shell.config.vault_keys))
    orchard.clock.forward(days=89)
    await job.run(orchard.clock())
    async with orchard.engine.connect() as conn:
        assert await prizes.sealed_address(conn, redemption_id) is not None
    orchard.clock.forward(days=1, seconds=1)
    assert await job.run(orchard.clock()) == 1
    async with orchard.engine.connect() as conn:
        assert await prizes.sealed_address(conn, redemption_id) is None


# --- the office -----------------------------------------------------------------------------------


async def test_an_order_is_not_moved_backwards_or_by_the_wrong_hand(orchard: Service) -> None:
    await stock(orchard, 1)
    redemption_id = await a_delivery(orchard, await orchard.phone())
    with pytest.raises(NotThisMove):
        await move(orchard, redemption_id, S.SHIPPED)
    with pytest.raises(NotYourMove):
        await move(orchard, redemption_id, S.COMPENSATED, mover=Mover.CARRIER)
    assert await broken_laws(orchard) == {}


async def test_a_supplier_who_cannot_deliver_is_not_paid(orchard: Service) -> None:
    await stock(orchard, 1)
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    await send_address(phone, redemption_id)
    await move(orchard, redemption_id, S.ORDERED)
    await move(orchard, redemption_id, S.BACK_ORDERED)
    async with orchard.engine.connect() as conn:
        assert await ledger.balance(conn, books.SUPPLIERS) == 0
    await stock(orchard, 2)
    assert await move(orchard, redemption_id, S.PENDING) is S.PENDING
    await move(orchard, redemption_id, S.ORDERED)
    async with orchard.engine.connect() as conn:
        assert await ledger.balance(conn, books.SUPPLIERS) == 1_300
    assert await broken_laws(orchard) == {}


async def test_a_carriers_file_moves_what_it_can_and_says_why_not(orchard: Service) -> None:
    await stock(orchard, 2)
    orders = []
    for name in ("一", "二"):
        phone = await orchard.phone(name)
        orders.append(await a_harvest(orchard, phone))
        await send_address(phone, orders[-1])
    await move(orchard, orders[0], S.ORDERED)
    unknown = uuid7()
    content = "\n".join(
        ["order_id,status,carrier,tracking_no", f"{unknown},shipped,,", f"{orders[0]},已签收,顺丰,SF1", "x,shipped,,",
         f"{orders[1]},shipped,顺丰,SF2", f"{orders[0]},已发货,顺丰,SF1"]
    ).encode("gb18030")  # fmt: skip

    async def load() -> list[tuple[int, RowResult, str | None]]:
        async with transaction(orchard.engine) as conn:
            rows: list[ImportedRow] = list(await import_carrier_file(conn, content, who="test", now=orchard.clock()))
        return [(row.line, row.result, row.code) for row in rows]

    refusals = [(2, RowResult.REFUSED, "unknown_order"), (4, RowResult.REFUSED, "not_an_order_id")]
    first = await load()
    assert first == [
        refusals[0],
        (3, RowResult.MOVED, None),
        refusals[1],
        (5, RowResult.REFUSED, "not_this_move"),
        (6, RowResult.UNCHANGED, None),
    ]
    assert [row for row in await load() if row[1] is RowResult.MOVED] == []
    async with orchard.engine.connect() as conn:
        order = await prizes.find_order(conn, orders[0])
    assert order is not None
    assert (order.state, order.carrier, order.tracking_no) == (S.DELIVERED, "顺丰", "SF1")


# --- damage ---------------------------------------------------------------------------------------


def a_photo() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((600, 800), 80).convert("RGB").save(data, "JPEG")
    return data.getvalue()


async def report(phone: Phone, redemption_id, *, text: str = "烂了三个", picture: bytes | None = None):
    form = aiohttp.FormData()
    form.add_field("picture", a_photo() if picture is None else picture, filename="p.jpg", content_type="image/jpeg")
    form.add_field("text", text)
    async with phone.client.post(f"/v1/redemptions/{redemption_id}/damage", data=form, headers=phone.headers) as reply:
        return reply.status, json.loads(await reply.read())


async def test_damage_is_reported_with_a_photo_and_answered_with_another_box(orchard: Service) -> None:
    await stock(orchard, 2)
    phone = await orchard.phone()
    redemption_id = await a_delivery(orchard, phone)
    assert (await report(phone, redemption_id, picture=b"no picture"))[0] == 422
    assert (await report(phone, redemption_id, text="长" * 501))[1]["code"] == "damage_text_too_long"
    status, seen = await report(phone, redemption_id)
    assert (status, seen["damage"][0]["state"], seen["damage_until"]) == (201, "open", None)
    assert (await report(phone, redemption_id))[1]["code"] == "reported_before"
    async with transaction(orchard.engine) as conn:
        [opened] = await prizes.open_reports(conn)
        sealed = await prizes.sealed_picture(conn, opened.picture_id)
        assert sealed is not None
        assert Vault(orchard.shell.config.vault_keys).open(sealed, about=opened.picture_id.bytes)[:4] == b"RIFF"
        await answer_damage(
            conn, report_id=opened.id, conclusion=DamageState.RESENT, answer="抱歉,再寄一箱", who="test", economy=SMALL,
            now=orchard.clock(),
        )  # fmt: skip
    seen = await the_redemption(phone)
    assert (seen["state"], seen["damage"][0]["answer"]) == ("pending", "抱歉,再寄一箱")
    for state in (S.ORDERED, S.SHIPPED, S.DELIVERED):
        orchard.clock.forward(seconds=1)
        await move(orchard, redemption_id, state)
    assert (await report(phone, redemption_id))[0] == 201  # of the second delivery
    async with transaction(orchard.engine) as conn:
        [opened] = await prizes.open_reports(conn)
        await answer_damage(
            conn, report_id=opened.id, conclusion=DamageState.COMPENSATED, answer="退回", who="test", economy=SMALL,
            now=orchard.clock(),
        )  # fmt: skip
    assert (await view(phone))["available_g"] == 400 + 7
    assert await broken_laws(orchard) == {}


async def test_damage_is_not_reported_before_delivery_or_a_week_after(orchard: Service) -> None:
    await stock(orchard, 2)
    phone = await orchard.phone()
    waiting = await a_harvest(orchard, phone)
    assert (await report(phone, waiting))[1]["code"] == "nothing_to_report"
    late = await orchard.phone("晚")
    delivered = await a_delivery(orchard, late)
    orchard.clock.now += timedelta(days=9)
    await late.log_in()
    assert (await report(late, delivered))[1]["code"] == "nothing_to_report"


# --- the audit ------------------------------------------------------------------------------------


async def test_a_box_too_many_is_found_and_named(orchard: Service) -> None:
    await stock(orchard, 5)
    phone = await orchard.phone()
    redemption_id = await a_harvest(orchard, phone)
    await send_address(phone, redemption_id)
    await move(orchard, redemption_id, S.ORDERED)
    assert await broken_laws(orchard) == {}
    await as_attacker(orchard.engine, "update prize_stock set taken = taken + 1")
    await as_attacker(orchard.engine, "update fulfilment_orders set times_ordered = 2")
    await as_attacker(orchard.engine, "update tree_members set donated = true")
    assert {
        "stock_counts_its_boxes",
        "supplier_is_paid_for_what_was_ordered",
        "harvest_is_an_order_or_a_donation",
    } <= set(await broken_laws(orchard))

"""Laws of the merchant's calls: whose they are, what is refused and how, and that a repeat does nothing twice."""

import asyncio
import hashlib
import hmac
import io
import json
import zipfile
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from admin.app import CALLS
from server.jobs.deliver_webhooks import DELAYS_S, DeliverWebhooks, is_public, signature
from server.jobs.tell_choosers import TellChoosers
from server.stores import farm
from tests.admin.doors import Door, Merchant, a_picture

TESTS = "/v1/merchant/tests"


def test_nothing_private_is_a_public_address():
    """Webhooks never lead into this machine or its network, however the address is written."""
    for address in ("127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "::1", "fe80::1%eth0", "0.0.0.0"):
        assert not is_public(address), address
    assert is_public("1.1.1.1")


async def test_another_merchants_test_is_not_there(door: Door, merchant: Merchant):
    """Reading or changing what is not one's own is 404, by every address, as if it did not exist."""
    other = await door.merchant("别家")
    test = await merchant.running()
    path = f"{TESTS}/{test['test_id']}"
    style = f"{path}/styles/{test['styles'][0]['style_id']}"
    plan, told = {"units": 5}, {"sales": [{"style": "款式1", "units": 1}]}
    for method, where, body in [
        ("GET", path, None), ("PATCH", path, {"title": "我的"}), ("DELETE", path, None), ("DELETE", style, None),
        ("PATCH", style, {"title": "我的"}), ("POST", f"{path}/quote", None), ("POST", f"{path}/launch", None),
        ("POST", f"{path}/pause", None), ("POST", f"{path}/stop", None), ("GET", f"{path}/ranking", None),
        ("GET", f"{path}/decision", None), ("GET", f"{path}/events", None), ("GET", f"{path}/votes.csv", None),
        ("GET", f"{path}/report.html", None), ("GET", f"{path}/report.json", None), ("GET", f"{path}/plan", None),
        ("PUT", f"{path}/plan", plan), ("POST", f"{path}/order", plan), ("PUT", f"{path}/sales", told),
        ("PUT", f"{path}/produced", {"styles": [test["styles"][0]["style_id"]]}),
    ]:  # fmt: skip
        assert (await other.refused(method, where, body))[:2] == (404, "not_found"), (method, where)
    assert [one["test_id"] for one in (await other.good("GET", TESTS))["tests"]] == []
    assert (await merchant.good("GET", path))["state"] == "running"


async def test_a_key_that_may_only_read_changes_nothing(door: Door):
    """The scope `read` opens every GET and nothing else; a revoked key opens nothing."""
    reader = await door.merchant("只读", scopes=("read",))
    assert (await reader.good("GET", TESTS))["tests"] == []
    assert (await reader.refused("POST", TESTS, {"title": "新"}))[:2] == (403, "role_lacks_permission")
    stranger = Merchant(door.client, reader.merchant_id, "no such key")
    assert (await stranger.refused("GET", TESTS))[:2] == (401, "unauthenticated")
    writer = await door.merchant("读写")
    assert (await writer.refused("POST", "/v1/merchant/keys", {"name": "更多"}))[:2] == (403, "keys_need_a_person")


async def test_the_same_call_with_the_same_key_happens_once(door: Door, merchant: Merchant):
    """Twenty racing repeats make one draft; another body under the key is refused; a refusal frees the key."""
    key = {"Idempotency-Key": "draft-1"}
    body = {"title": "一次就好"}
    replies = await asyncio.gather(*(merchant.call("POST", TESTS, body, headers=key) for _ in range(20)))
    made = {reply["test_id"] for status, reply in replies if status == 201}
    assert len(made) == 1
    assert {status for status, _ in replies} <= {201, 409}
    assert (await merchant.good("POST", TESTS, body, headers=key))["test_id"] in made
    assert len((await merchant.good("GET", TESTS))["tests"]) == 1
    assert (await merchant.refused("POST", TESTS, {"title": "别的"}, headers=key))[1] == "idempotency_mismatch"
    other = await door.merchant("别家")
    assert (await other.good("POST", TESTS, {"title": "别的"}, headers=key))["test_id"] not in made
    free = {"Idempotency-Key": "draft-2"}
    assert (await merchant.refused("POST", TESTS, {"title": "  "}, headers=free))[0] == 422
    assert (await merchant.good("POST", TESTS, {"title": "好了"}, headers=free))["title"] == "好了"


async def test_pages_of_tests_hold_each_test_once(door: Door, merchant: Merchant):
    """Following `next` visits every test, newest first, none twice; a broken cursor is refused by name."""
    made = [(await merchant.good("POST", TESTS, {"title": f"第 {number} 个"}))["test_id"] for number in range(7)]
    seen, cursor = [], ""
    while True:
        page = await merchant.good("GET", f"{TESTS}?limit=3{cursor}")
        seen += [one["test_id"] for one in page["tests"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]
    assert (await merchant.refused("GET", f"{TESTS}?cursor=bm9uc2Vuc2U"))[:2] == (422, "field_invalid")


async def test_what_is_wrong_with_a_draft_is_one_clear_sentence(door: Door, merchant: Merchant):
    """Each bad input names itself and its field, and nothing of it is kept."""
    past = (door.clock.now - timedelta(hours=1)).isoformat()
    for body, field in [
        ({"title": ""}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"title": "好", "ends_at": past}, "ends_at"),
        ({"title": "好", "budget_fen": -1}, "budget_fen"),
        ({"title": "好", "goal": {"keep": 0}}, "goal.keep"),
        ({"title": "好", "colour": "red"}, "colour"),
        ({"title": "零\x00"}, "body"),
    ]:
        status, reply = await merchant.call("POST", TESTS, body)
        assert (status, reply["field"]) == (422, field), reply
    twice = [{"name": "女"}, {"name": "女"}]
    assert (await merchant.refused("POST", TESTS, {"title": "好", "audience": twice}))[:2] == (422, "segment_invalid")
    assert (await merchant.good("GET", TESTS))["tests"] == []


async def test_pictures_that_cannot_be_shown_are_refused_by_name(door: Door, merchant: Merchant):
    """Too heavy, no picture at all, cut short, or there already: a sentence each, and no half style."""
    draft = await merchant.draft(styles=1)
    for picture, code in [
        (b"\x89PNG\r\n\x1a\n" + bytes(20 * 2**20), "body_too_large"),
        (b"MZ" + bytes(600), "picture_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture_format"),
        (a_picture(1)[:900], "picture_truncated"),
        (a_picture(0), "test_field_invalid"),
        (b"", "picture_empty"),
    ]:
        status, reply = await merchant.upload(draft["test_id"], picture, title="新款")
        assert (status in (413, 422), reply["code"]) == (True, code), reply
    status, reply = await merchant.upload(draft["test_id"], a_picture(2), title="新款", attributes={"袖常": "短袖"})
    assert (status, reply["code"]) == (422, "test_field_invalid")
    assert "袖长" in reply["detail"]
    status, reply = await merchant.upload(draft["test_id"], a_picture(2), title="新款", attributes={"袖长": "短袖子袖"})
    assert status == 422
    assert len((await merchant.good("GET", f"{TESTS}/{draft['test_id']}"))["styles"]) == 1


async def test_a_twin_of_a_picture_is_warned_of(door: Door, merchant: Merchant):
    """Nearly the same picture splits the votes: allowed, and said at once and whenever the draft is read."""
    draft = await merchant.draft(styles=1)
    status, reply = await merchant.upload(draft["test_id"], a_picture(0, kind="WEBP"), title="双胞胎")
    assert status == 201, reply
    assert any("款式1" in said for said in reply["warnings"])
    again = await merchant.good("GET", f"{TESTS}/{draft['test_id']}")
    assert any("款式1" in said for style in again["styles"] for said in style["warnings"])


async def test_a_draft_starts_only_when_its_check_list_is_empty(door: Door, merchant: Merchant):
    """One style, k of k, too little money: the list says each in words, and launching is refused with the same words."""
    lone = await merchant.draft(styles=1, budget_fen=100)
    assert len(lone["missing"]) == 2
    status, code, detail = await merchant.refused("POST", f"{TESTS}/{lone['test_id']}/launch")
    assert (status, code) == (409, "test_incomplete")
    assert all(point in detail for point in lone["missing"])
    all_kept = await merchant.draft(styles=3, keep=3)
    assert (await merchant.refused("POST", f"{TESTS}/{all_kept['test_id']}/quote"))[:2] == (422, "quote_refused")
    assert (await merchant.refused("POST", f"{TESTS}/{all_kept['test_id']}/launch"))[1] == "test_incomplete"
    poor = await door.merchant("没钱", fen=0)
    test = await poor.draft()
    assert (await poor.refused("POST", f"{TESTS}/{test['test_id']}/launch"))[0] in (402, 409, 422)
    assert (await poor.good("GET", f"{TESTS}/{test['test_id']}"))["state"] == "draft"


async def test_a_quote_names_range_price_and_what_the_ceiling_buys(door: Door, merchant: Merchant):
    """Low is not above expected nor expected above high, and a surer promise never costs less."""
    draft = await merchant.draft(styles=6, keep=2)
    quote = await merchant.good("POST", f"{TESTS}/{draft['test_id']}/quote")
    assert quote["low_fen"] <= quote["expected_fen"] <= quote["high_fen"]
    likely = [one["expected_fen"] for one in quote["beside"] if one["certainty"] == "likely"]
    assert likely == sorted(likely)
    assert 0 < quote["chance_within_budget"] <= 1
    assert quote["expected_days"] is None


async def test_a_zip_becomes_a_draft_whole_or_not_at_all(door: Door, merchant: Merchant):
    """A GBK table is accepted; a broken line is named with its number, and leaves nothing behind."""

    def a_zip(table: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("styles.csv", table.encode("gbk"))
            for number in range(3):
                archive.writestr(f"{number}.png", a_picture(number))
        return out.getvalue()

    async def send(data: bytes) -> tuple[int, dict]:
        form = aiohttp.FormData()
        form.add_field("folder", data, filename="夏装.zip", content_type="application/zip")
        return await merchant.call("POST", f"{TESTS}/import", data=form)

    good = "名称,图片,颜色\n白裙,0.png,白色\n红裙,1.png,红色\n蓝裙,2.png,蓝色\n"
    status, reply = await send(a_zip(good))
    assert status == 201, reply
    assert [style["title"] for style in reply["styles"]] == ["白裙", "红裙", "蓝裙"]
    status, reply = await send(a_zip(good.replace("红裙,1.png,红色", "红裙,1.png")))
    assert (status, reply["code"]) == (422, "folder_refused")
    assert "line 3" in reply["detail"]
    status, reply = await send(b"no zip")
    assert (status, reply["code"]) == (422, "folder_refused")
    assert len((await merchant.good("GET", TESTS))["tests"]) == 1


async def test_sales_are_taken_whole_or_not_at_all(door: Door, merchant: Merchant):
    """Unknown styles, negative pieces and broken lines are named; before the end there is nothing to tell."""
    test = await merchant.running(styles=4)
    path = f"{TESTS}/{test['test_id']}"
    early = {"sales": [{"style": "款式1", "units": 5}]}
    assert (await merchant.refused("PUT", f"{path}/sales", early))[:2] == (409, "test_state")
    await door.vote(test["test_id"], voters=60, each=10)
    unknown = {"sales": [{"style": "款式1", "units": 5}, {"style": "别的款", "units": 5}]}
    assert (await merchant.refused("PUT", f"{path}/sales", unknown))[:2] == (422, "test_field_invalid")
    assert (await merchant.refused("PUT", f"{path}/sales", {"sales": [{"style": "款式1", "units": -5}]}))[0] == 422
    bad = "款式,销量\n款式1,10\n款式2,十\n".encode("gbk")
    status, code, detail = await merchant.refused("PUT", f"{path}/sales.csv", data=bad)
    assert (status, code) == (422, "sales_refused")
    assert "line 3" in detail
    assert (await merchant.good("GET", f"{path}/sales"))["sales"] == []
    good = "款式,销量\n款式1,300\n款式2,200\n款式3,150\n款式4,20\n".encode("gbk")
    told = await merchant.good("PUT", f"{path}/sales.csv", data=good)
    assert [one["units"] for one in told["sales"]] == [300, 200, 150, 20]
    assert told["hindsight"]["rank_correlation"] == pytest.approx(1.0)
    rate = await merchant.good("GET", "/v1/merchant/hit-rate")
    assert (rate["top_overlap"], rate["top_of"]) == (1, 1)


async def test_who_chose_a_style_that_was_made_is_told_once(door: Door, merchant: Merchant):
    """Each player who chose it gets one award, however often the merchant says it."""
    test = await merchant.running(styles=4)
    await door.vote(test["test_id"], voters=60, each=10)
    best = test["styles"][0]["style_id"]
    job = TellChoosers(door.engine, lambda: door.shell.economy)
    for _ in range(2):
        await merchant.good("PUT", f"{TESTS}/{test['test_id']}/produced", {"styles": [best]})
        await job.run(door.clock.now)
    async with door.engine.connect() as conn:
        awards = (await conn.execute(farm.awards.select().where(farm.awards.c.kind == "produced"))).all()
    assert 30 < len(awards) <= 60
    assert len({award.player_id for award in awards}) == len(awards)


async def test_a_webhook_is_signed_tried_again_and_given_up_in_the_open(door: Door, merchant: Merchant):
    """What a receiver gets can be checked with the secret; what never arrives ends dead, is shown, and can be revived."""
    got: list[tuple[dict, bytes]] = []
    answers = [500]

    async def receive(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=answers[-1])

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as server:
        made = await merchant.good("POST", "/v1/merchant/webhooks", {"url": str(server.make_url("/hook"))})
        test = await merchant.running()
        job = DeliverWebhooks(door.engine, door.shell.vault, private_too=True)
        now = door.clock.now
        for delay_s in (*DELAYS_S, 0):
            assert await job.run(now) == 1
            assert await job.run(now) == 0
            now += timedelta(seconds=delay_s)
        path = f"/v1/merchant/webhooks/{made['webhook_id']}/deliveries"
        (dead,) = (await merchant.good("GET", path))["deliveries"]
        assert (dead["state"], dead["last_status"], dead["event"]) == ("dead", 500, "test.running")
        answers.append(200)
        await merchant.good("POST", f"{path}/{dead['delivery_id']}/again")
        assert await job.run(now) == 1
        (done,) = (await merchant.good("GET", path))["deliveries"]
        assert done["state"] == "delivered"
    headers, body = got[-1]
    timestamp = int(headers["Xuankuan-Signature"].split(",")[0].removeprefix("t="))
    told = hmac.new(made["secret"].encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert (
        headers["Xuankuan-Signature"]
        == f"t={timestamp},v1={told}"
        == signature(made["secret"].encode(), body, timestamp)
    )
    assert json.loads(body)["data"]["test_id"] == test["test_id"]
    assert json.loads(body)["id"] == dead["delivery_id"]


async def test_the_bill_adds_up_to_the_fen(door: Door, merchant: Merchant):
    """What was set aside is charged, returned, or at work; the rest is the balance."""
    before = (await merchant.good("GET", "/v1/merchant/billing"))["balance_fen"]
    test = await merchant.running(budget_fen=30_000)
    await merchant.good("POST", f"{TESTS}/{test['test_id']}/stop")
    bill = await merchant.good("GET", "/v1/merchant/billing")
    (line,) = bill["bills"]
    assert line["paid_fen"] == line["charged_fen"] + line["returned_fen"] + line["at_work_fen"] == 30_000
    assert bill["balance_fen"] == before - 30_000 + line["returned_fen"]


async def test_who_calls_too_fast_is_told_how_long_to_wait(door: Door, merchant: Merchant):
    """Beyond the burst a call is 429 with Retry-After, and another merchant is not slowed down."""
    statuses = [(await merchant.call("GET", "/v1/merchant/webhooks"))[0] for _ in range(CALLS.burst + 1)]
    assert statuses == [200] * CALLS.burst + [429]
    door.clock.forward(seconds=1)
    assert (await merchant.call("GET", "/v1/merchant/webhooks"))[0] == 200
    other = await door.merchant("别家")
    assert (await other.call("GET", TESTS))[0] == 200

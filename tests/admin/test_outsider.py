"""The contract as somebody outside keeps to it: one API key, every call of a merchant in the order of a test's life."""

import io
import json
from pathlib import Path

import aiohttp
from click.testing import CliRunner

from server.cli import cli
from tests.admin.doors import Door, Merchant, a_picture

TESTS = "/v1/merchant/tests"


async def sent_style(merchant: Merchant, test_id: str, key: str, picture: bytes, **style: object) -> tuple[int, dict]:
    """(status, body) of a style sent under an idempotency key; each time with a boundary of its own."""
    form = aiohttp.FormData()
    form.add_field("style", json.dumps(style), content_type="application/json")
    form.add_field("picture", io.BytesIO(picture), filename="p.png", content_type="image/png")
    return await merchant.call(
        "POST", f"{TESTS}/{test_id}/styles", data=form, headers={"Idempotency-Key": key}
    )  # fmt: skip


async def test_a_style_sent_twice_under_one_key_is_one_style(door: Door, merchant: Merchant):
    """A phone that lost the answer sends the same picture again; another picture under that key is refused."""
    test = await merchant.good("POST", TESTS, {"title": "夏装"})
    first = await sent_style(merchant, test["test_id"], "style-1", a_picture(0), title="白裙")
    again = await sent_style(merchant, test["test_id"], "style-1", a_picture(0), title="白裙")
    assert first[0] == again[0] == 201
    assert first[1]["style_id"] == again[1]["style_id"]
    for picture, title in ((a_picture(1), "白裙"), (a_picture(0), "红裙")):
        status, reply = await sent_style(merchant, test["test_id"], "style-1", picture, title=title)
        assert (status, reply["code"]) == (422, "idempotency_mismatch")
    assert len((await merchant.good("GET", f"{TESTS}/{test['test_id']}"))["styles"]) == 1


async def test_a_table_of_sales_is_taken_once_under_its_key(door: Door, merchant: Merchant):
    """The table arrives whole with a key as without one, and its answer is given again."""
    test = await merchant.running(styles=3)
    await door.vote(test["test_id"], voters=60, each=10)
    path, table = f"{TESTS}/{test['test_id']}/sales.csv", "款式,销量\n款式1,30\n款式2,20\n".encode("gbk")
    key = {"Idempotency-Key": "sales-1"}
    told = await merchant.good("PUT", path, data=table, headers=key)
    assert [one["units"] for one in told["sales"]] == [30, 20]
    assert await merchant.good("PUT", path, data=table, headers=key) == told
    other = "款式,销量\n款式1,31\n".encode()
    assert (await merchant.refused("PUT", path, data=other, headers=key))[1] == "idempotency_mismatch"


async def test_every_call_of_a_merchant_in_the_order_of_a_tests_life(door: Door, merchant: Merchant, tmp_path: Path):
    """Draft to hindsight with a key alone; the raw votes give `xuankuan rank` the ranking that the service shows."""
    audience = [
        {"name": "女 18-29", "gender": "female", "age_min": 18, "age_max": 29, "share_permille": 600},
        {"name": "女 30-45", "gender": "female", "age_min": 30, "age_max": 45, "share_permille": 400},
    ]
    goal = {"keep": 2, "certainty": "likely", "confidence": 0.95, "indifference": 0.1}
    draft = await merchant.draft(styles=5, keep=2, audience=audience, goal=goal, question="哪件更想穿?")
    path = f"{TESTS}/{draft['test_id']}"
    assert draft["goal"] == goal
    assert [one["name"] for one in draft["audience"]] == ["女 18-29", "女 30-45"]
    assert (await merchant.good("PATCH", path, {"title": "夏装二"}))["title"] == "夏装二"
    quote = await merchant.good("POST", f"{path}/quote")
    assert {"expected_votes", "low_votes", "high_votes", "expected_fen", "expected_days"} <= quote.keys()
    launched = await merchant.good("POST", f"{path}/launch", headers={"Idempotency-Key": "go"})
    assert launched["state"] == "running"
    assert await merchant.good("POST", f"{path}/launch", headers={"Idempotency-Key": "go"}) == launched
    assert (await merchant.good("POST", f"{path}/pause"))["state"] == "paused"
    assert (await merchant.refused("POST", f"{path}/pause"))[:2] == (409, "test_state")
    assert (await merchant.good("POST", f"{path}/resume"))["state"] == "running"
    await door.vote(draft["test_id"], voters=80, each=6, segments=2)
    ranking = await merchant.good("GET", f"{path}/ranking")
    part = await merchant.good("GET", f"{path}/ranking", params={"segment": "女 30-45"})
    assert part["segment"] == "女 30-45"
    assert part["items"] != ranking["items"]
    assert (await merchant.refused("GET", f"{path}/ranking", params={"segment": "男"}))[0] == 404
    decision = await merchant.good("GET", f"{path}/decision")
    assert decision["status"] in ("collecting", "ready")
    assert decision["words"]["zh"]
    if ranking["state"] == "running":
        assert (await merchant.good("POST", f"{path}/stop"))["state"] == "stopped"
    events = await merchant.good("GET", f"{path}/events")
    assert events.startswith(b"id: ")
    assert events.rstrip().endswith(b"data: {}"), "a test that has ended ends its stream"
    raw = await merchant.good("GET", f"{path}/votes.csv")
    (tmp_path / "votes.csv").write_bytes(raw)
    said = CliRunner().invoke(cli, ["rank", str(tmp_path / "votes.csv"), "--top", "2", "--json", "-"])
    assert said.exit_code == 0, said.output
    alone = json.loads(said.stdout)
    assert len(raw.splitlines()) - 1 == ranking["votes"] == 480
    assert alone["voters"] == 80
    assert alone["votes"] <= 480, "lines that are alike in every column count once there"
    best = {item["name"] for item in ranking["items"] if item["rank"] <= 2}
    assert {item["name"] for item in alone["items"] if item["rank"] <= 2} == best
    for kind in ("html", "json", "csv", "xlsx"):
        assert len(await merchant.good("GET", f"{path}/report.{kind}")) > 20
    told = {"sales": [{"style": style["style_id"], "units": 10 * n} for n, style in enumerate(draft["styles"], 1)]}
    assert len((await merchant.good("PUT", f"{path}/sales", told))["sales"]) == 5
    made = {"styles": [draft["styles"][0]["style_id"]]}
    assert await merchant.good("PUT", f"{path}/produced", made) == made
    assert (await merchant.good("GET", "/v1/merchant/hit-rate"))["tests"][0]["test_id"] == draft["test_id"]
    assert (await merchant.good("GET", "/v1/merchant/billing"))["bills"][0]["test_id"] == draft["test_id"]
    await merchant.good("DELETE", path)
    assert (await merchant.good("GET", path))["state"] == "archived", (
        "votes are facts: an ended test is put away, not deleted"
    )

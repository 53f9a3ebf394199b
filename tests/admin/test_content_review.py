"""Laws of content review: nothing that was not looked at, and nothing that was refused, is ever shown to players."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from admin.roles import Role
from server.gateways.content import looks_of
from server.gateways.stand_ins import DOUBTFUL_WORD, RISKY_WORD, AlipayStandIn
from server.ids import uuid7
from server.jobs.check_content import CheckContent
from server.platforms import platforms_of
from server.stores import audit, tests
from server.stores.db import transaction
from tests.admin.doors import Door, Merchant, a_door


@pytest.fixture
async def reviewed(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    """A door where people look at everything first."""
    async with a_door(database, tmp_path, content_review="people") as door:
        yield door


async def an_operator(door: Door, *roles: Role) -> Merchant:
    """A key of operators with these roles, who calls as merchants do."""
    key = f"xk-{uuid7()}"
    async with transaction(door.engine) as conn:
        await tests.add_api_key(
            conn, key_id=uuid7(), digest=hashlib.sha256(key.encode()).digest(), merchant_id=None, name="ops",
            scopes=[*(role.value for role in roles), "read", "write"], now=door.clock.now,
        )  # fmt: skip
    return Merchant(door.client, uuid7(), key)


async def the_queue(operator: Merchant, state: str = "review") -> list[dict]:
    return (await operator.good("GET", f"/v1/ops/content?state={state}&limit=100"))["contents"]


async def test_a_test_waits_until_a_person_has_passed_all_of_it_and_then_starts_by_itself(reviewed: Door):
    """Launch, wait, judge each piece, and it runs; the second test of the same pictures waits for its own words alone."""
    merchant = await reviewed.merchant()
    operator = await an_operator(reviewed, Role.MERCHANT_MANAGER)
    test = await merchant.draft(styles=3)
    path = f"/v1/merchant/tests/{test['test_id']}"
    assert (await merchant.good("POST", f"{path}/launch"))["state"] == "review"
    assert (await merchant.good("POST", f"{path}/launch"))["state"] == "review", "asked again, it still waits"
    assert (await merchant.refused("PATCH", path, {"title": "x"}))[1] == "test_state", (
        "what is looked at stays as it is"
    )
    queue = await the_queue(operator)
    assert len(queue) == 4, "the words of the test and three styles"
    assert {one["merchant"] for one in queue} == {"春山女装"}
    assert [bool(one["picture_url"]) for one in queue] == [False, True, True, True]
    for one in queue[:-1]:
        await operator.good("POST", f"/v1/ops/content/{one['content_id']}/judge", {"verdict": "pass"})
        assert (await merchant.good("GET", path))["state"] == "review"
    await operator.good("POST", f"/v1/ops/content/{queue[-1]['content_id']}/judge", {"verdict": "pass"})
    assert (await merchant.good("GET", path))["state"] == "running"
    async with transaction(reviewed.engine) as conn:
        lines = [line for line in await audit.lines(conn) if line.what == "content.judged"]
    assert len(lines) == 4
    assert (await operator.refused("POST", f"/v1/ops/content/{queue[0]['content_id']}/judge", {"verdict": "pass"}))[
        1
    ] == ("content_judged")
    again = await merchant.draft(styles=3, title="第二次")
    assert (await merchant.good("POST", f"/v1/merchant/tests/{again['test_id']}/launch"))["state"] == "review"
    assert [one["title"] for one in await the_queue(operator)] == ["第二次"]


async def test_what_was_refused_never_starts_and_its_merchant_reads_why(reviewed: Door):
    """Refused, the test is a draft again with the reason on its list; the same piece is refused at once next time."""
    merchant = await reviewed.merchant()
    operator = await an_operator(reviewed, Role.MERCHANT_MANAGER)
    test = await merchant.draft(styles=3)
    path = f"/v1/merchant/tests/{test['test_id']}"
    await merchant.good("POST", f"{path}/launch")
    queue = await the_queue(operator)
    bad = next(one for one in queue if one["title"] == "款式2")
    status, _, detail = await operator.refused(
        "POST", f"/v1/ops/content/{bad['content_id']}/judge", {"verdict": "risky"}
    )
    assert status == 422
    assert "note" in detail, "a refusal has a reason"
    await operator.good(
        "POST", f"/v1/ops/content/{bad['content_id']}/judge", {"verdict": "risky", "note": "图中有别家的商标。"}
    )
    draft = await merchant.good("GET", path)
    assert draft["state"] == "draft"
    assert any("款式2" in point and "商标" in point for point in draft["missing"])
    for one in await the_queue(operator):
        await operator.good("POST", f"/v1/ops/content/{one['content_id']}/judge", {"verdict": "pass"})
    assert (await merchant.refused("POST", f"{path}/launch"))[1] == "content_refused"
    style = next(one for one in draft["styles"] if one["title"] == "款式2")
    await merchant.good("DELETE", f"{path}/styles/{style['style_id']}")
    assert (await merchant.good("POST", f"{path}/launch"))["state"] == "running", "the rest was passed before"


async def test_what_waits_can_be_taken_back_and_what_cannot_start_any_more_comes_back(reviewed: Door):
    """A merchant may withdraw; a deadline that passes in the queue sends the test back instead of starting it late."""
    merchant = await reviewed.merchant()
    operator = await an_operator(reviewed, Role.MERCHANT_MANAGER)
    ends_at = (reviewed.clock.now + timedelta(hours=2)).isoformat()
    test = await merchant.draft(styles=2, ends_at=ends_at)
    path = f"/v1/merchant/tests/{test['test_id']}"
    await merchant.good("POST", f"{path}/launch")
    assert (await merchant.good("POST", f"{path}/withdraw"))["state"] == "draft"
    await merchant.good("POST", f"{path}/launch")
    reviewed.clock.now += timedelta(hours=3)
    for one in await the_queue(operator):
        await operator.good("POST", f"/v1/ops/content/{one['content_id']}/judge", {"verdict": "pass"})
    assert (await merchant.good("GET", path))["state"] == "draft"
    assert (await merchant.good("GET", "/v1/merchant/billing"))["balance_fen"] == 1_000_000, "nothing was set aside"


async def test_only_those_whose_work_it_is_review_content(reviewed: Door):
    """A merchant, and an operator of another trade, see no queue and judge nothing."""
    merchant = await reviewed.merchant()
    treasurer = await an_operator(reviewed, Role.TREASURER)
    for caller in (merchant, treasurer):
        assert (await caller.refused("GET", "/v1/ops/content"))[0] == 403
        assert (await caller.refused("POST", f"/v1/ops/content/{uuid7()}/judge", {"verdict": "pass"}))[0] == 403
    manager = await an_operator(reviewed, Role.MERCHANT_MANAGER)
    assert (await manager.refused("POST", f"/v1/ops/content/{uuid7()}/judge", {"verdict": "pass"}))[0] == 404


OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIRS = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def a_check(door, http: aiohttp.ClientSession) -> CheckContent:
    platforms = platforms_of(door.shell.config, http)
    return CheckContent(
        door.engine, lambda: door.shell.economy, looks_of(door.shell.config, platforms.alipay, platforms.wechat)
    )


async def test_a_platform_passes_refuses_or_leaves_it_to_a_person(database: str, tmp_path: Path):
    """Alipay's word goes where it is sure; where it doubts a person looks, and while it is away nothing starts."""
    stand_in = AlipayStandIn(app_id="2021", app_public_key=_public(OURS), private_key=_private(THEIRS))
    async with TestServer(stand_in.app) as server, aiohttp.ClientSession() as http:
        config = {
            "content_review": "platform", "public_url": "https://xk.example", "alipay_app_id": "2021",
            "alipay_private_key": _private(OURS), "alipay_public_key": _public(THEIRS),
            "gateway_urls": {"alipay": str(server.make_url("/gateway.do"))},
        }  # fmt: skip
        async with a_door(database, tmp_path, **config) as door:
            merchant, job = await door.merchant(), a_check(door, http)
            operator = await an_operator(door, Role.MERCHANT_MANAGER)
            states = {}
            for title in ("夏装", f"夏装{RISKY_WORD}", f"夏装{DOUBTFUL_WORD}"):
                test = await merchant.draft(styles=2, title=title)
                path = f"/v1/merchant/tests/{test['test_id']}"
                assert (await merchant.good("POST", f"{path}/launch"))["state"] == "review"
                await job.run(door.clock.now)
                states[title] = (await merchant.good("GET", path))["state"]
            assert list(states.values()) == ["running", "draft", "review"]
            [doubted] = await the_queue(operator)
            assert DOUBTFUL_WORD in doubted["words"]
        away = dict(config, gateway_urls={"alipay": "http://127.0.0.1:1/gateway.do"})
        async with a_door(database, tmp_path, **away) as door:
            job = a_check(door, http)
            merchant.client, door.clock.now = door.client, door.clock.now + timedelta(days=1)
            test = await merchant.draft(styles=2, title="冬装")
            path = f"/v1/merchant/tests/{test['test_id']}"
            await merchant.good("POST", f"{path}/launch")
            assert await job.run(door.clock.now) == 0
            assert (await merchant.good("GET", path))["state"] == "review"
            await job.run(door.clock.now + timedelta(minutes=20))
            operator.client = door.client
            assert "冬装" in [one["title"] for one in await the_queue(operator)], "after a while a person looks instead"

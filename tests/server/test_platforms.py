"""Laws of log-in by platform, over HTTP against stand-ins of both: errors in words, risk asked beside the game."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.api.sessions import platform_problem
from server.config import Config, ConfigRefused
from server.edge.callers import address_block, caller_address
from server.edge.words import CATALOGUE
from server.gateways import GatewayError
from server.gateways import alipay as alipay_gateway
from server.gateways import wechat as wechat_gateway
from server.gateways.stand_ins import DOUBTFUL_WORD, RISKY_WORD, AlipayStandIn, WechatStandIn
from server.platforms import platforms_of
from server.stores import standings
from tests.server.builders import Phone, Service, a_service

OUR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_text(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_text(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@dataclass(slots=True)
class World:
    """A service that is set up for both platforms, and the platforms."""

    service: Service
    wechat: WechatStandIn
    alipay: AlipayStandIn

    async def log_in(self, platform: str, code: str, *, device: str = "a phone", language: str = "zh"):
        """(status, body, headers) of a log-in."""
        reply = await self.service.client.post(
            "/v1/sessions",
            json={"platform": platform, "code": code, "device": device},
            headers={"Accept-Language": language},
        )
        return reply.status, await reply.json(), reply.headers

    async def phone(self, platform: str, code: str, *, device: str = "a phone") -> Phone:
        status, body, _ = await self.log_in(platform, code, device=device)
        assert status == 201, body
        return Phone(self.service.client, code, device, body["token"], body["player"])


@asynccontextmanager
async def a_world(database: str, tmp_path: Path, **config: object) -> AsyncIterator[World]:
    wechat = WechatStandIn(app_id="wx-app", secret="the-secret", push_token="push")
    alipay = AlipayStandIn(
        app_id="2021000000000001", app_public_key=public_text(OUR_KEY), private_key=private_text(THEIR_KEY)
    )
    async with TestServer(wechat.app) as wechat_server, TestServer(alipay.app) as alipay_server:
        fields: dict[str, object] = {
            "wechat_app_id": "wx-app",
            "wechat_secret": "the-secret",
            "alipay_app_id": "2021000000000001",
            "alipay_private_key": private_text(OUR_KEY),
            "alipay_public_key": public_text(THEIR_KEY),
            "gateway_urls": {
                "wechat": str(wechat_server.make_url("")),
                "alipay": str(alipay_server.make_url("/gateway.do")),
            },
        }
        async with a_service(database, tmp_path, **{**fields, **config}) as service:
            yield World(service, wechat, alipay)


@pytest.fixture
async def world(database: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database, tmp_path) as made:
        yield made


def knows(world: World, platform: str, code: str, user: str) -> None:
    (world.wechat if platform == "wechat" else world.alipay).users[code] = user


@pytest.mark.parametrize("platform", ["alipay", "wechat"])
async def test_a_player_of_a_platform_logs_in_plays_and_comes_back_as_himself(world: World, platform: str) -> None:
    """A code is a use; the next code of the same user is the same player, on the web he would be another."""
    await world.service.test()
    knows(world, platform, "code-1", "user-lin")
    knows(world, platform, "code-2", "user-lin")
    phone = await world.phone(platform, "code-1")
    assert phone.player["new"]
    matchup = (await phone.round())["matchups"][0]
    receipt = (await phone.answer((matchup["ticket"], "left")))["receipts"][0]
    assert receipt["status"] == "counted"
    again = await world.phone(platform, "code-2")
    assert (again.player["player_id"], again.player["new"]) == (phone.player["player_id"], False)
    assert (await world.phone("guest", "user-lin")).player["player_id"] != phone.player["player_id"]


async def test_the_two_platforms_name_users_apart(world: World) -> None:
    """The same words from another platform are another person."""
    knows(world, "wechat", "c", "2088-1")
    knows(world, "alipay", "c", "2088-1")
    one, other = await world.phone("wechat", "c"), await world.phone("alipay", "c")
    assert one.player["player_id"] != other.player["player_id"]


async def test_nothing_readable_of_a_user_is_stored(world: World) -> None:
    """The platform's id stands as a keyed hash and sealed, never as itself."""
    knows(world, "wechat", "c", "openid-that-is-easy-to-find")
    await world.phone("wechat", "c", device="device-that-is-easy-to-find")
    async with world.service.engine.connect() as conn:
        for table in ("platform_identities", "player_sessions", "players"):
            rows = (await conn.execute(sa.text(f"select t::text from {table} t"))).scalars().all()
            assert rows
            text = " ".join(rows)
            for secret in (b"openid-that-is-easy-to-find", b"device-that-is-easy-to-find"):
                assert secret.decode() not in text
                assert secret.hex() not in text


SCRIPTED = [("wechat", code) for code in sorted(wechat_gateway.MEANINGS)]
SCRIPTED += [("alipay", code) for code in sorted(alipay_gateway.MEANINGS)]


async def test_every_documented_error_of_a_log_in_is_a_problem_in_words(world: World) -> None:
    """Whatever a platform says, the player is told in his language what to do, and never the platform's own text."""
    for number, (platform, code) in enumerate(SCRIPTED):
        for language in ("zh", "en"):
            if platform == "wechat":
                world.wechat.next_errors["/sns/jscode2session"] = [code]
            else:
                gateway_code = code if str(code).isdigit() else "40002"
                world.alipay.next_errors = [(gateway_code, "" if str(code).isdigit() else str(code))]
            status, body, headers = await world.log_in(platform, "c", device=f"phone {number}", language=language)
            assert body["code"] in CATALOGUE, (platform, code, body)
            assert status == CATALOGUE[body["code"]].status in (401, 403, 422, 503), (platform, code, body)
            assert body["detail"], body
            assert "{" not in body["detail"]
            assert any("一" <= letter <= "鿿" for letter in body["detail"]) == (language == "zh"), body
            assert (status == 503) == ("Retry-After" in headers), (platform, code, body)
    assert not world.service.shell.risk_desk._tasks, "who did not log in is nobody to ask about"


@pytest.mark.parametrize("platform", ["alipay", "wechat"])
async def test_a_code_that_was_used_asks_to_open_the_app_again(world: World, platform: str) -> None:
    knows(world, platform, "once", "user")
    await world.phone(platform, "once")
    status, body, _ = await world.log_in(platform, "once")
    assert (status, body["code"]) == (401, "login_code_refused")
    assert "重新打开" in body["detail"]


async def test_a_forged_answer_is_not_believed(world: World) -> None:
    """Alipay's signature is over the answer's own bytes."""
    knows(world, "alipay", "c", "2088-1")
    world.alipay.forge_next = True
    status, body, _ = await world.log_in("alipay", "c")
    assert (status, body["code"]) == (503, "platform_signature_wrong")


async def test_a_platform_that_is_away_says_when_to_come_back_and_stops_nobody_else(
    database: str, tmp_path: Path
) -> None:
    """Guests and those who are logged in play on."""
    async with a_world(database, tmp_path, gateway_urls={"wechat": "http://127.0.0.1:9"}) as world:
        status, body, headers = await world.log_in("wechat", "c")
        assert (status, body["code"]) == (503, "platform_unreachable")
        assert int(headers["Retry-After"]) > 0
        assert "127.0.0.1" not in body["detail"]
        await world.phone("guest", "小美")


async def test_a_platform_that_is_not_set_up_is_named(database: str, tmp_path: Path) -> None:
    async with a_service(database, tmp_path) as service:
        reply = await service.client.post("/v1/sessions", json={"platform": "alipay", "code": "c", "device": "d"})
        assert (reply.status, (await reply.json())["code"]) == (401, "platform_not_set_up")


def below(cls: type) -> list[type]:
    return [cls, *(each for sub in cls.__subclasses__() for each in below(sub))]


@pytest.mark.parametrize("error", below(GatewayError), ids=lambda cls: cls.__name__)
def test_every_way_of_failing_has_a_row_and_both_sentences(error: type[GatewayError]) -> None:
    for platform in ("alipay", "wechat"):
        problem = platform_problem(error(platform=platform, words="w", platform_code="1", timeout_s=5))
        for english in (True, False):
            assert "{" not in problem.detail(english=english)
        assert (problem.retry_after_s is None) == (problem.status != 503)


# --- what platforms think of a player


async def risks(world: World, phone: Phone) -> dict[str, tuple[str, int | None]]:
    await world.service.shell.risk_desk.settled()
    async with world.service.engine.connect() as conn:
        kept = await standings.risks_of(conn, [UUID(phone.player["player_id"])])
    return {risk.platform: (risk.level, risk.rank) for found in kept.values() for risk in found}


async def test_a_log_in_leaves_the_platforms_opinion_as_evidence(world: World) -> None:
    world.wechat.risk_ranks["o-1"], world.alipay.farming_ranks["2088-1"] = 4, 2
    knows(world, "wechat", "w", "o-1")
    knows(world, "alipay", "a", "2088-1")
    one, other = await world.phone("wechat", "w"), await world.phone("alipay", "a")
    assert await risks(world, one) == {"wechat": ("high", 4)}
    assert await risks(world, other) == {"alipay": ("medium", 2)}
    for phone in (one, other):
        status, me = await phone.call("GET", "/v1/me")
        assert (status, me["standing"]) == (200, "trusted"), "an opinion of somebody else's judges nobody"


async def test_who_plays_is_asked_about_once_a_day(world: World) -> None:
    """At the next round of another day, before what he earns there is settled; not with every round."""
    await world.service.test(styles=12)
    knows(world, "wechat", "w", "o-1")
    phone = await world.phone("wechat", "w")
    for _ in range(3):
        await phone.round()
    await risks(world, phone)
    assert world.wechat.calls["/wxa/getuserriskrank"] == 1
    world.service.clock.forward(days=1)
    world.wechat.risk_ranks["o-1"] = 3
    await phone.round()
    assert await risks(world, phone) == {"wechat": ("medium", 3)}
    assert world.wechat.calls["/wxa/getuserriskrank"] == 2


@pytest.mark.parametrize("errcode", [61010, -1, 45009, 40001, 12345])
async def test_a_platform_without_an_opinion_stops_nobody(world: World, errcode: int) -> None:
    await world.service.test()
    world.wechat.next_errors["/wxa/getuserriskrank"] = [errcode] * 9
    knows(world, "wechat", "w", "o-1")
    phone = await world.phone("wechat", "w")
    assert (await phone.round())["matchups"]
    assert await risks(world, phone) == {}


# --- what players write


@pytest.mark.parametrize("platform", ["alipay", "wechat"])
async def test_a_name_that_the_platform_refuses_is_refused(world: World, platform: str) -> None:
    knows(world, platform, "c", "user")
    phone = await world.phone(platform, "c")
    status, body = await phone.call("PATCH", "/v1/me", {"nickname": f"我是{RISKY_WORD}"})
    assert (status, body["code"]) == (422, "text_refused")
    for name in ("小林", f"我是{DOUBTFUL_WORD}"):
        status, body = await phone.call("PATCH", "/v1/me", {"nickname": name})
        assert (status, body["nickname"]) == (200, name)


async def test_a_check_that_does_not_answer_lets_the_name_stand(world: World) -> None:
    knows(world, "wechat", "c", "user")
    phone = await world.phone("wechat", "c")
    world.wechat.next_errors["/wxa/msg_sec_check"] = [-1]
    assert (await phone.call("PATCH", "/v1/me", {"nickname": "小林"}))[0] == 200


# --- the set-up, and from where one calls


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"wechat_app_id": "wx"}, "WECHAT_SECRET"),
        ({"alipay_app_id": "a", "alipay_private_key": "x"}, "ALIPAY_PUBLIC_KEY"),
        (
            {"alipay_app_id": "a", "alipay_private_key": "no key", "alipay_public_key": public_text(THEIR_KEY)},
            "ALIPAY_PRIVATE_KEY cannot be read",
        ),
        (
            {"alipay_app_id": "a", "alipay_private_key": private_text(OUR_KEY), "alipay_public_key": "no key"},
            "ALIPAY_PUBLIC_KEY cannot be read",
        ),
        (
            {
                "wechat_app_id": "wx", "wechat_secret": "s", "mode": "production",
                "gateway_urls": {"wechat": "http://127.0.0.1:1"},
            },
            "must be https",
        ),
    ],
)  # fmt: skip
def test_a_platform_that_is_set_up_by_half_stops_the_start_in_words(fields: dict, words: str) -> None:
    with pytest.raises(ConfigRefused, match=words):
        platforms_of(Config(**fields), None)  # type: ignore[arg-type]


def test_only_trusted_proxies_are_believed_about_the_caller() -> None:
    """Whoever writes an X-Forwarded-For himself changes nothing; the nearest address that is no proxy counts."""
    proxies = Config.from_environment({"XUANKUAN_MODE": "demo", "XUANKUAN_PROXIES": "10.0.0.0/8, 2001:db8::1"}).proxies
    for remote, forwarded, caller in [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, nonsense", "10.1.2.3"),
        ("2001:db8::1", "2001:db8:1::5", "2001:db8:1::5"),
        ("::ffff:10.1.2.3", "::ffff:198.51.100.1", "198.51.100.1"),
        (None, "", ""),
    ]:
        assert caller_address(remote, forwarded, proxies) == caller
    assert caller_address("10.1.2.3", "198.51.100.1", ()) == "10.1.2.3"
    assert address_block("198.51.100.77") == "198.51.100.0/24"
    assert address_block("2001:db8:1:2::5") == "2001:db8:1::/48"
    assert address_block("") == ""
    with pytest.raises(ConfigRefused, match="XUANKUAN_PROXIES"):
        Config.from_environment({"XUANKUAN_MODE": "demo", "XUANKUAN_PROXIES": "my-proxy"})

"""Laws of prevention: staff never judge their own tests, check pairs look like all others, telephones have limits."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from game.dealing import is_gold
from game.matchup import read
from server.api.answers import DEVICE_ANSWERS
from server.api.rounds import DEVICE_ROUNDS, ROUNDS
from server.api.sessions import DEVICE_LOG_INS
from server.flows.check_platform_risk import check_platform_risk
from server.gateways import PlatformUnreachable, RiskVerdict
from server.ids import uuid7
from server.secrets import Vault
from server.stores import standings
from server.stores.db import transaction
from tests.server.builders import Service, SteppingClock, a_service


def staff_digest(service: Service, device: str) -> bytes:
    return Vault(service.shell.config.vault_keys).digest(f"device:{device}")


async def test_a_merchants_staff_is_never_dealt_its_own_tests(service: Service):
    """Known by the telephone, whatever account is on it; another merchant's test is open to the same person."""
    own = await service.test(title="自家的款")
    async with transaction(service.engine) as conn:
        assert await standings.link_staff(
            conn,
            own.merchant_id,
            kind="device",
            digest=staff_digest(service, "shop phone"),
            added_by="test",
            now=service.clock.now,
        )
    clerk = await service.phone("店员", device="shop phone")
    assert (await clerk.round())["reason"] == "no_test_open"
    shopper = await service.phone("顾客", device="own phone")
    assert len((await shopper.round())["matchups"]) == 5
    other = await service.test(title="别家的款")
    dealt = (await clerk.round())["matchups"]
    styles = {str(style.style_id) for style in other.styles}
    assert dealt
    assert {matchup["left"]["style_id"] for matchup in dealt} <= styles


@pytest.mark.parametrize("kind", ["payee", "phone", "player"])
async def test_staff_is_known_by_payee_phone_or_account(service: Service, kind: str):
    own = await service.test()
    clerk = await service.phone("店员")
    player_id = clerk.player["player_id"]
    digest = UUID(player_id).bytes if kind == "player" else b"digest of it"
    async with transaction(service.engine) as conn:
        if kind != "player":
            await standings.link_player(conn, UUID(player_id), kind=kind, digest=digest, now=service.clock.now)
        await standings.link_staff(
            conn, own.merchant_id, kind=kind, digest=digest, added_by="test", now=service.clock.now
        )
    assert (await clerk.round())["reason"] == "no_test_open"


def shape(value: object) -> object:
    """What can be told of a value without looking at a picture: its kind, its keys, and how long its text is."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return len(value) if isinstance(value, str) else type(value).__name__


async def test_nothing_on_the_wire_tells_a_check_pair_from_others(service: Service):
    """Same fields of the same lengths, the same offer, and in the readable ticket no field that only check pairs have."""
    test = await service.test(styles=6, decoys=2)
    test = next(table.test for table in service.shell.dealer.tables if table.test.test_id == test.test_id)
    seen: dict[bool, list[dict]] = {True: [], False: []}
    for number in range(14):
        phone = await service.phone(f"玩家{number:02}")
        for matchup in (await phone.round(size=20))["matchups"]:
            ticket = read(matchup["ticket"], service.shell.config.ticket_keys)
            seen[is_gold(test, ticket.left, ticket.right)].append(matchup)
    assert len(seen[True]) >= 3, "one pair in twenty is a check pair"
    shapes = {
        gold: {json.dumps(shape({**one, "left": {**one["left"], "title": ""}, "right": {**one["right"], "title": ""}}))
               for one in matchups}
        for gold, matchups in seen.items()
    }  # fmt: skip
    assert shapes[True] == shapes[False]
    assert {one["offer_g"] for one in seen[True]} == {one["offer_g"] for one in seen[False]}
    for offset in range(len(raw(seen[True][0]["ticket"])) - 16):
        of_gold = {raw(one["ticket"])[offset] for one in seen[True]}
        of_others = {raw(one["ticket"])[offset] for one in seen[False]}
        assert len(of_gold) > 1 or of_gold <= of_others, f"byte {offset} is {of_gold} in check pairs only"


def raw(ticket: str) -> bytes:
    return base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))


async def test_a_ticket_is_its_players_on_his_telephone_in_whatever_session(service: Service):
    """Dealt before a lift, answered after the log-in was renewed: counted. On another telephone, or by another: refused."""
    await service.test(styles=8)
    before = await service.phone("小美", device="her phone")
    one, two, three = (matchup["ticket"] for matchup in (await before.round(size=3))["matchups"])
    renewed = await service.phone("小美", device="her phone")
    assert renewed.token != before.token
    assert (await renewed.answer((one, "left")))["receipts"][0]["status"] == "counted"
    assert (await before.answer((one, "left")))["receipts"][0]["status"] == "repeated"
    tablet = await service.phone("小美", device="her tablet")
    assert (await tablet.answer((two, "left")))["receipts"][0]["code"] == "ticket_other_device"
    friend = await service.phone("小丽", device="her phone")
    assert (await friend.answer((three, "left")))["receipts"][0]["code"] == "ticket_foreign"
    assert [each["status"] for each in (await renewed.answer((two, "left"), (three, "right")))["receipts"]] == [
        "counted", "counted",
    ]  # fmt: skip


async def test_many_accounts_on_one_telephone_meet_its_limit(service: Service):
    """A family logs in freely; the forty-first account in a row waits, and is told how long."""
    for number in range(DEVICE_LOG_INS.burst):
        await service.phone(f"号{number}", device="one phone")
    reply = await service.client.post(
        "/v1/sessions", json={"platform": "guest", "code": "one more", "device": "one phone"}
    )
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0
    service.clock.forward(minutes=1)
    await service.phone("one more", device="one phone")


async def test_accounts_of_one_telephone_share_its_rounds(service: Service):
    """Each account has its own limit, and the telephone has one for all of them."""
    phones = [await service.phone(f"号{number}", device="one phone") for number in range(3)]
    statuses = []
    for phone in phones:
        for _ in range(ROUNDS.burst):
            status, _ = await phone.call("POST", "/v1/rounds", {"size": 1})
            statuses.append(status)
    assert statuses.count(200) == DEVICE_ROUNDS.burst < 3 * ROUNDS.burst
    assert set(statuses) == {200, 429}
    assert DEVICE_ANSWERS.burst > 0


class Platform:
    """A stand-in for what a platform's gateway says of a user."""

    def __init__(self, verdict: RiskVerdict | Exception, slow: bool = False) -> None:
        self.verdict, self.slow, self.asked = verdict, slow, []

    async def __call__(self, open_id: str, client_ip: str) -> RiskVerdict:
        self.asked.append((open_id, client_ip))
        if self.slow:
            await asyncio.sleep(60)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


async def test_a_platforms_opinion_is_asked_once_a_day_and_kept(engine):
    platform = Platform(RiskVerdict("high", 4, "many devices"))
    clock, player_id = SteppingClock(), uuid7()
    for _ in range(3):
        risk = await check_platform_risk(
            engine, platform, player_id=player_id, platform="wechat", open_id="o-1", client_ip="10.0.0.1",
            now=clock.now,
        )  # fmt: skip
        assert risk is not None
        assert (risk.level, risk.rank) == ("high", 4)
    assert platform.asked == [("o-1", "10.0.0.1")]
    await check_platform_risk(
        engine, platform, player_id=player_id, platform="wechat", open_id="o-1", client_ip="10.0.0.1",
        now=clock.now + timedelta(days=1),
    )  # fmt: skip
    assert len(platform.asked) == 2
    async with engine.connect() as conn:
        kept = await standings.risks_of(conn, [player_id])
        columns = (await conn.execute(sa.text("select * from platform_risks"))).one()._asdict()
    assert [risk.level for risk in kept[player_id]] == ["high"]
    assert "10.0.0.1" not in str(columns.values()), "an address is asked about and never kept"


@pytest.mark.parametrize(
    "platform",
    [
        Platform(PlatformUnreachable(platform="wechat", timeout_s=5, words="away")),
        Platform(RiskVerdict("low", 0, ""), slow=True),
    ],
    ids=["away", "slow"],
)
async def test_a_platform_that_does_not_answer_keeps_nobody_out(engine, platform):
    said = await check_platform_risk(
        engine, platform, player_id=uuid7(), platform="wechat", open_id="o", client_ip="::1", now=SteppingClock().now
    )
    assert said is None


async def test_a_log_in_through_a_platform_leaves_its_opinion_as_evidence(database: str, tmp_path: Path):
    async with a_service(database, tmp_path) as service:

        async def exchange(code: str) -> str:
            return f"open id of {code}"

        platform = Platform(RiskVerdict("medium", 2, ""))
        service.shell.platforms.log_ins["wechat"] = exchange
        service.shell.platforms.risk_checks["wechat"] = platform
        reply = await service.client.post("/v1/sessions", json={"platform": "wechat", "code": "c", "device": "d"})
        body = await reply.json()
        assert reply.status == 201
        await service.shell.risk_desk.settled()
        async with service.engine.connect() as conn:
            kept = await standings.risks_of(conn, [UUID(body["player"]["player_id"])])
        assert [risk.rank for risks in kept.values() for risk in risks] == [2]
        assert platform.asked[0][0] == "open id of c"

"""Laws of players at an operator's desk: found nameless, seen for a reason, taken along and forgotten as in the app."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from admin.roles import Role
from server.ids import uuid7
from server.secrets import keyed_hash
from server.stores import audit, cases, players, standings
from server.stores.db import transaction
from tests.admin.doors import Door, Operator

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
async def reviewer(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.REVIEWER, login="shenhe"))


async def a_player(door: Door, *, subject: str = OPENID, nickname: str = "小桃") -> UUID:
    """A player of WeChat with facts, a session and an appeal."""
    shell, now, player_id = door.shell, door.clock.now, uuid7()
    hashed = keyed_hash(shell.config.vault_keys[min(shell.config.vault_keys)], f"wechat:{subject}")
    async with transaction(door.engine) as conn:
        await players.identify(
            conn, platform="wechat", subject=hashed, new_player_id=player_id, hold_s=600, now=now,
            sealed_subject=shell.vault.seal(subject.encode(), about=hashed),
        )  # fmt: skip
        facts = {
            "nickname": nickname,
            "gender": "female",
            "birth_year": 1999,
            "region": "浙江",
            "consent": {"gender": True},
        }
        await players.update_facts(conn, player_id, facts)
        await players.open_session(
            conn, session_id=uuid7(), player_id=player_id, device=b"d" * 16, address_block=b"a" * 16, now=now,
            expires_at=now + timedelta(days=1),
        )  # fmt: skip
        await cases.add_appeal(conn, appeal_id=uuid7(), player_id=player_id, case_id=None, text="我住在翠苑", now=now)
    return player_id


async def test_a_player_is_found_by_whatever_names_him(door: Door, reviewer: Operator):
    """By id, by the platform's own user id, and by its keyed hash; anything else finds nobody and is no error."""
    player_id, other = await a_player(door), await a_player(door, subject="another")
    async with door.engine.connect() as conn:
        (identity,) = await players.identities_of(conn, player_id)
    for text in (str(player_id), player_id.hex, OPENID, identity.subject.hex(), f" {OPENID} "):
        found = await reviewer.good("GET", "/v1/ops/players", params={"text": text})
        assert [one["player_id"] for one in found["players"]] == [str(player_id)], text
    for text in ("nobody", "'; drop table players", str(uuid7()), "%", "😀" * 40, "a\0b"):
        assert (await reviewer.good("GET", "/v1/ops/players", params={"text": text}))["players"] == []
    first = await reviewer.good("GET", "/v1/ops/players", params={"limit": 1})
    rest = await reviewer.good("GET", "/v1/ops/players", params={"limit": 1, "cursor": first["next"]})
    assert [one["player_id"] for one in (*first["players"], *rest["players"])] == [str(other), str(player_id)]
    assert rest["next"] is None
    assert await reviewer.refused("GET", "/v1/ops/players", params={"cursor": "made up"}) == (422, "field_invalid")


async def test_personal_data_are_shown_for_a_reason_that_stays_on_record(door: Door, reviewer: Operator):
    """Without a reason nothing of a person is in any answer or page; each look is a line with who and why."""
    player_id = await a_player(door)
    path = f"/v1/ops/players/{player_id}"
    _, page = await reviewer.call("GET", f"/ops/players/{player_id}")
    told = str(await reviewer.good("GET", path)) + page
    for secret in ("小桃", "1999", "浙江", OPENID):
        assert secret not in told, secret
    assert (await reviewer.refused("POST", f"{path}/reveal", {"reason": ""}))[1] == "field_invalid"
    shown = await reviewer.good("POST", f"{path}/reveal", {"reason": "来电核实身份"}, headers={"Idempotency-Key": "k"})
    assert (shown["nickname"], shown["birth_year"], shown["platform_ids"][0]["user_id"]) == ("小桃", 1999, OPENID)
    async with door.engine.connect() as conn:
        (line,) = await audit.lines(conn, object_id=player_id)
        kept = await conn.scalar(sa.text("select count(*) from idempotency_keys where body is not null"))
    assert (line.who, line.what, line.why) == ("shenhe", "player.reveal", "来电核实身份")
    assert "小桃" not in str(line)
    assert kept == 0, "personal data are in no kept answer"
    auditor = await door.signed_in(await door.operator(Role.AUDITOR, login="shenji"))
    await auditor.good("GET", path)
    assert (await auditor.refused("POST", f"{path}/reveal", {"reason": "只是好奇"}))[0] == 403


async def test_a_request_at_the_desk_does_what_the_app_does(door: Door, reviewer: Operator):
    """The export holds all facts; forgetting takes identity, facts, links and words, wants the id again, and stays."""
    player_id = await a_player(door)
    async with transaction(door.engine) as conn:
        await standings.link_player(conn, player_id, kind="payee", digest=b"p" * 16, now=door.clock.now)
    path = f"/v1/ops/players/{player_id}"
    document = await reviewer.good("POST", f"{path}/export", {"reason": "本人书面申请"})
    assert document["player"]["nickname"] == "小桃"
    wrong = {"confirm": "00000000", "reason": "本人书面申请"}
    assert await reviewer.refused("POST", f"{path}/forget", wrong) == (422, "confirm_differs")
    await reviewer.good("POST", f"{path}/forget", {"confirm": player_id.hex[-8:].upper(), "reason": "本人书面申请"})
    assert await reviewer.refused("GET", path) == (404, "not_found")
    assert await reviewer.refused("POST", f"{path}/forget", {"confirm": player_id.hex[-8:], "reason": "再来一次"}) == (
        404,
        "not_found",
    )
    async with door.engine.connect() as conn:
        row = (await conn.execute(sa.select(players.players).where(players.players.c.player_id == player_id))).one()
        left = [
            await players.identities_of(conn, player_id),
            (await standings.whereabouts(conn, [player_id])).device,
            await conn.scalar(sa.select(sa.func.count()).select_from(standings.player_links)),
        ]
        (appeal,) = await cases.appeals_of(conn, player_id)
        acts = [line.what for line in await audit.lines(conn, object_id=player_id)]
    assert (row.nickname, row.gender, row.birth_year, row.region) == ("", None, None, None)
    assert left == [[], [b""], 0]
    assert appeal.text == cases.FORGOTTEN
    assert acts == ["player.forget", "player.export"]


async def test_what_players_write_is_text_on_every_page(door: Door, reviewer: Operator):
    """A nickname, an appeal, a note and a name that are written as HTML stand there as they were written."""
    player_id = await a_player(door, nickname=EVIL)
    boss = await door.signed_in(await door.operator(Role.ADMINISTRATOR, Role.REVIEWER, login="boss"))
    merchant = await boss.good("POST", "/v1/ops/merchants", {"name": EVIL, "reason": EVIL})
    merchant_path = f"/ops/merchants/{merchant['merchant_id']}"
    await boss.good("POST", f"/v1{merchant_path}/people", {"login": "lin", "name": EVIL, "reason": EVIL})
    await boss.good("POST", f"/v1{merchant_path}/keys", {"name": EVIL, "reason": EVIL})
    person = await boss.good(
        "POST", "/v1/ops/staff", {"login": "wang", "name": EVIL, "roles": ["auditor"], "reason": EVIL}
    )
    case = await boss.good(
        "POST", "/v1/ops/cases", {"player_ids": [str(player_id)], "reasons": ["random"], "note": EVIL}
    )
    async with transaction(door.engine) as conn:
        await conn.execute(sa.update(cases.appeals).values(text=EVIL))
    (appeal,) = (await reviewer.good("GET", "/v1/ops/appeals"))["appeals"]
    pages = [
        f"/ops/players/{player_id}", f"/ops/cases/{case['case_id']}", "/ops/cases", "/ops/appeals", merchant_path,
        "/ops/merchants", "/ops/staff", f"/ops/staff/{person['user_id']}", "/ops/audit", f"/ops/players?text={EVIL}",
        f"/ops/merchants?text={EVIL}",
    ]  # fmt: skip
    for path in pages:
        status, page = await boss.call("GET", path)
        assert status == 200, path
        assert EVIL not in page, path
    body = {"outcome": "lifted", "answer": EVIL}
    await boss.good("POST", f"/v1/ops/appeals/{appeal['appeal_id']}/answer", body)
    for path in ("/ops/appeals?state=all", f"/ops/players/{player_id}", f"/ops/cases/{case['case_id']}"):
        _, page = await boss.call("GET", path)
        assert EVIL not in page, path
        assert "&lt;img src=x" in page, path

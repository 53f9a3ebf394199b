"""Laws of people behind the door: how they come in, what stops guessing, what ends at once, and who must remain."""

import asyncio
import base64
import os
import subprocess
import sys

import pytest

from admin.__main__ import shut_out_demo_people
from admin.flows.sign_in import LOCK_AFTER, TOTP_STEP_S, totp
from admin.passwords import one_time, weakness
from admin.roles import Role
from server.ids import uuid7
from server.secrets import Vault
from server.stores import audit, staff
from tests.admin.doors import Door, Merchant, Operator, a_door

NEW = {"login": "xiaowang", "name": "小王", "roles": ["reviewer"], "reason": "新同事入职"}
OWN = "一株还没有开花的果树 42"


async def administrator(door: Door, login: str = "guanli") -> Operator:
    return await door.signed_in(await door.operator(Role.ADMINISTRATOR, login=login))


def test_a_password_is_long_and_not_a_name():
    """Short, repeated, common and personal ones are named as such; a phrase in any script will do."""
    for bad in ("short", "aaaaaaaaaaaaaa", "password1234", "xiaowang1234", "123456123456a"):
        assert weakness(bad, about=("xiaowang", "小王")) is not None, bad
    assert weakness(OWN, about=("xiaowang", "小王")) is None
    given = one_time(bytes(range(20)))
    assert (len(given), given.count("-")) == (23, 3)


async def test_a_new_person_chooses_a_password_before_anything_else(door: Door):
    """The one-time password opens only one's own account; after the change the role's work is open, and others not."""
    boss = await administrator(door)
    made = await boss.good("POST", "/v1/ops/staff", NEW)
    assert made["password_is_initial"] is True
    assert await boss.refused("POST", "/v1/ops/staff", NEW) == (409, "login_taken")
    new = await door.signed_in("xiaowang", made["password"])
    assert await new.refused("GET", "/v1/ops/cases") == (403, "password_is_initial")
    assert (await new.call("GET", "/ops/cases"))[0] in (303, 404)
    assert (await new.call("GET", "/ops"))[0] == 303
    wrong = {"old": "no", "new": OWN}
    assert await new.refused("POST", "/v1/ops/me/password", wrong) == (422, "password_wrong")
    weak = {"old": made["password"], "new": "xiaowang1234"}
    assert await new.refused("POST", "/v1/ops/me/password", weak) == (422, "password_weak")
    await new.good("POST", "/v1/ops/me/password", {"old": made["password"], "new": OWN})
    await new.good("GET", "/v1/ops/cases")
    assert (await new.refused("GET", "/v1/ops/staff"))[1] == "role_lacks_permission"
    with pytest.raises(AssertionError, match="sign_in_failed"):
        await door.signed_in("xiaowang", made["password"])
    async with door.engine.connect() as conn:
        told = [line.what for line in await audit.lines(conn, object_id=made["user_id"])]
        everything = str(await audit.lines(conn))
    assert told == ["staff.own_password", "staff.sign_in", "staff.add"]
    assert made["password"] not in everything


async def test_production_asks_operators_for_a_second_factor(database: str, tmp_path):
    """Without one an operator may do nothing but set it up; the code that proved it opens no second session."""
    async with a_door(database, tmp_path, mode="production") as door:
        person = await door.signed_in(await door.operator(Role.AUDITOR))
        assert await person.refused("GET", "/v1/ops/cases") == (403, "second_factor_needed")
        wrong = await person.refused("POST", "/v1/ops/me/second-factor", {"old": "not mine"})
        assert wrong == (422, "password_wrong")
        assert (await person.refused("POST", "/v1/ops/me/second-factor/proof", {"code": "123456"}))[1] == (
            "second_factor_not_offered"
        )
        offered = await person.good("POST", "/v1/ops/me/second-factor", {"old": "a long password"})
        assert offered["qr_svg"].startswith("<svg")
        secret = base64.b32decode(offered["secret"])
        step = int(door.clock.now.timestamp()) // TOTP_STEP_S
        wrong_code = "000000" if totp(secret, step) != "000000" else "111111"
        assert (await person.refused("POST", "/v1/ops/me/second-factor/proof", {"code": wrong_code}))[1] == "code_wrong"
        await person.good("POST", "/v1/ops/me/second-factor/proof", {"code": totp(secret, step)})
        await person.good("GET", "/v1/ops/cases")
        for code, refusal in (("", "second_factor_wanted"), (totp(secret, step), "sign_in_failed")):
            with pytest.raises(AssertionError, match=refusal):
                await door.signed_in(person.login, code=code)
        door.clock.forward(seconds=TOTP_STEP_S)
        again = await door.signed_in(person.login, code=totp(secret, step + 1))
        await again.good("GET", "/v1/ops/cases")


async def test_a_second_factor_whose_key_is_gone_is_said_so(door: Door):
    """Not a bug's 500: the person is told whom to ask, and nothing is opened."""
    login = await door.operator(Role.AUDITOR)
    async with door.engine.begin() as conn:
        person = await staff.by_login(conn, login)
        assert person is not None
        sealed = Vault({9: b"a key that was taken out of the configuration"}).seal(
            b"0" * 20, about=person.user_id.bytes
        )
        await staff.change(conn, person.user_id, sealed_totp=sealed)
    with pytest.raises(AssertionError, match="second_factor_lost"):
        await door.signed_in(login, code="123456")


async def test_guessing_locks_out_however_it_is_spread(door: Door):
    """So many wrong passwords, all at once or as a change of one's own: then even the right one must wait."""
    login = await door.operator(Role.AUDITOR)

    async def guess(number: int) -> int:
        body = {"login": login, "password": f"wrong {number}"}
        async with door.client.request("POST", "/sign-in", json=body) as reply:
            return reply.status

    assert set(await asyncio.gather(*(guess(number) for number in range(LOCK_AFTER)))) == {401}
    with pytest.raises(AssertionError, match="locked_out"):
        await door.signed_in(login)
    async with door.engine.connect() as conn:
        assert "staff.locked_out" in [line.what for line in await audit.lines(conn)]
    door.clock.forward(minutes=16)
    inside = await door.signed_in(login)
    body = {"old": "not it", "new": OWN}
    codes = [(await inside.refused("POST", "/v1/ops/me/password", body))[1] for _ in range(LOCK_AFTER + 1)]
    assert codes == ["password_wrong"] * LOCK_AFTER + ["locked_out"]


async def test_what_is_taken_away_is_gone_at_once(door: Door):
    """Losing a role, the way in or a password ends the open sessions; one's own other sessions can be ended."""
    boss = await administrator(door)
    for change in ({"roles": ["auditor"]}, {"disabled": True}):
        login = await door.operator(Role.REVIEWER, login=f"r{len(str(change))}")
        person = await door.signed_in(login)
        user_id = (await person.good("GET", "/v1/ops/me"))["user_id"]
        await boss.good("PATCH", f"/v1/ops/staff/{user_id}", {**change, "reason": "岗位调整"})
        assert await person.refused("GET", "/v1/ops/me") == (401, "unauthenticated")
    with pytest.raises(AssertionError, match="sign_in_failed"):
        await door.signed_in(login)
    again = await boss.good("PATCH", f"/v1/ops/staff/{user_id}", {"disabled": False, "reason": "回来了,欢迎"})
    assert again["disabled_at"] is None
    reset = await boss.good("POST", f"/v1/ops/staff/{user_id}/password", {"reason": "忘记密码"})
    one, two = await door.signed_in(login, reset["password"]), await door.signed_in(login, reset["password"])
    open_now = (await one.good("GET", "/v1/ops/me"))["sessions"]
    assert [session["present"] for session in open_now] == [False, True]
    await one.good("DELETE", f"/v1/ops/me/sessions/{open_now[0]['session_id']}")
    assert await two.refused("GET", "/v1/ops/me") == (401, "unauthenticated")
    mine = (await boss.good("GET", "/v1/ops/me"))["sessions"][0]["session_id"]
    assert await one.refused("DELETE", f"/v1/ops/me/sessions/{mine}") == (404, "not_found")
    assert (await boss.good("POST", f"/v1/ops/staff/{user_id}/sessions/end", {"reason": "设备丢失"}))["ended"] == 1
    assert await one.refused("GET", "/v1/ops/me") == (401, "unauthenticated")


async def test_an_administrator_remains(door: Door):
    """Two administrators who shut each other out at the same moment leave one; nobody is the last to go."""
    one, two = await administrator(door, "one"), await administrator(door, "two")
    ids = [(await each.good("GET", "/v1/ops/me"))["user_id"] for each in (one, two)]
    out = {"disabled": True, "reason": "互相停用"}
    replies = await asyncio.gather(
        one.call("PATCH", f"/v1/ops/staff/{ids[1]}", out), two.call("PATCH", f"/v1/ops/staff/{ids[0]}", out)
    )
    assert sorted(status for status, _ in replies) in ([200, 401], [200, 409])
    left = one if replies[0][0] == 200 else two
    mine = ids[0] if left is one else ids[1]
    for change in ({"disabled": True}, {"roles": ["auditor"]}):
        refused = await left.refused("PATCH", f"/v1/ops/staff/{mine}", {**change, "reason": "不干了不干了"})
        assert refused == (409, "last_administrator")
    merchants = await left.refused("POST", "/v1/ops/staff", {**NEW, "roles": ["merchant"]})
    assert merchants == (422, "field_invalid")


async def test_a_program_gets_a_key_with_roles_and_no_persons_rights(door: Door):
    """It calls as its roles, reads only unless it may write, manages nobody, and ends at once."""
    boss = await administrator(door)
    body = {"name": "报表", "roles": ["administrator"], "write": True, "reason": "自动化对账"}
    made = await boss.good("POST", "/v1/ops/keys", body)
    program = Merchant(door.client, uuid7(), made["key"])
    assert [one["login"] for one in (await program.good("GET", "/v1/ops/staff"))["people"]] == ["guanli"]
    assert (await program.refused("POST", "/v1/ops/staff", NEW))[:2] == (403, "keys_need_a_person")
    assert (await program.refused("POST", "/v1/ops/keys", body))[:2] == (403, "keys_need_a_person")
    reader = await boss.good("POST", "/v1/ops/keys", {**body, "roles": ["merchant_manager"], "write": False})
    reading = Merchant(door.client, uuid7(), reader["key"])
    await reading.good("GET", "/v1/ops/merchants")
    taken_on = {"name": "春山", "reason": "合同已签"}
    assert (await reading.refused("POST", "/v1/ops/merchants", taken_on))[:2] == (403, "role_lacks_permission")
    assert await boss.refused("POST", "/v1/ops/keys", {**body, "roles": ["merchant"]}) == (422, "field_invalid")
    await boss.good("POST", f"/v1/ops/keys/{made['key_id']}/revoke", {"reason": "用完收回"})
    assert (await program.refused("GET", "/v1/ops/staff"))[:2] == (401, "unauthenticated")


async def test_whom_a_demo_let_in_stays_out_of_anything_else(door: Door):
    """On a database that a demo has used its people are shut out; such a login with a password of its own is not."""
    await door.operator(login="demo", password="demo")
    await door.operator(login="operator", password="a long password")
    await shut_out_demo_people(door.shell)
    with pytest.raises(AssertionError, match="sign_in_failed"):
        await door.signed_in("demo", "demo")
    await door.signed_in("operator")


def test_the_first_administrator_comes_from_the_command_line(database: str, tmp_path):
    """`xuankuan staff add` on an empty database prints a password that opens the console; the last one stays."""

    def staff(*options: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": database, "XUANKUAN_DATA_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "server", "staff", *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    made = staff("add", "boss", "--name", "老板")
    assert made.returncode == 0, made.stderr
    password = made.stdout.splitlines()[-1]
    again = staff("add", "boss")
    assert (again.returncode, 'The login "boss" is taken' in again.stderr) == (2, True)
    strange = staff("add", "Bad Login!")
    assert (strange.returncode, "is no login" in strange.stderr) == (2, True)
    assert "boss" in staff("list").stdout
    alone = staff("disable", "boss")
    assert (alone.returncode, "must remain" in alone.stderr) == (2, True)

    async def comes_in() -> None:
        async with a_door(database, tmp_path) as door:
            person = await door.signed_in("boss", password)
            assert (await person.good("GET", "/v1/ops/me"))["roles"] == ["administrator"]

    asyncio.run(comes_in())

"""Laws of merchants at an operator's desk: their people come in, keys change under load, and their own are kept out."""

import asyncio
from uuid import UUID

import pytest

from admin.roles import Role
from server.stores import audit, standings
from tests.admin.doors import Door, Merchant, Operator
from tests.admin.test_ops_players import a_player

WHY = "合同已签"


@pytest.fixture
async def manager(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.MERCHANT_MANAGER, login="jingli"))


async def taken_on(manager: Operator) -> str:
    made = await manager.good("POST", "/v1/ops/merchants", {"name": "春山女装", "reason": WHY})
    return f"/v1/ops/merchants/{made['merchant_id']}"


async def test_a_merchants_person_comes_in_by_a_manager(door: Door, manager: Operator):
    """With a one-time password, to that merchant's tests alone, until shut out; another merchant has no such person."""
    path = await taken_on(manager)
    made = await manager.good("POST", f"{path}/people", {"login": "lin", "name": "小林", "reason": WHY})
    person = await door.signed_in("lin", made["password"])
    assert (await person.call("GET", "/"))[0] == 303
    own = {"old": made["password"], "new": "春天的山上有十二种花"}
    assert (await person.refused("POST", "/v1/ops/me/password", own))[1] == "password_weak"
    await person.good("POST", "/v1/ops/me/password", {**own, "new": "春天的山上开着十二种野花"})
    assert (await person.call("GET", "/"))[0] == 200
    assert await person.refused("GET", "/v1/ops/merchants") == (403, "role_lacks_permission")
    user = f"{path}/people/{made['user_id']}"
    other = await taken_on(manager)
    out = {"disabled": True, "reason": "已经离职"}
    assert await manager.refused("PATCH", user.replace(path, other), out) == (404, "not_found")
    await manager.good("PATCH", user, out)
    assert await person.refused("GET", "/session") == (401, "unauthenticated")
    boss = await door.signed_in(await door.operator(login="boss"))
    assert await boss.refused("PATCH", f"/v1/ops/staff/{made['user_id']}", out) == (404, "not_found")


async def test_a_key_changes_under_load_without_a_dropped_call(door: Door, manager: Operator):
    """Who calls all the time meets no refusal while the key is rotated; the old one opens nothing after its grace."""
    path = await taken_on(manager)
    merchant_id = UUID(path.rsplit("/", 1)[1])
    issued = await manager.good("POST", f"{path}/keys", {"name": "ERP", "scopes": ["write"], "reason": WHY})
    assert issued["scopes"] == ["read", "write"]
    old = Merchant(door.client, merchant_id, issued["key"])
    done = asyncio.Event()

    async def keep_calling() -> set[int]:
        met = set()
        for number in range(24):
            met.add((await old.call("GET", "/v1/merchant/tests"))[0])
            if number == 6:
                done.set()
        return met

    async def rotate() -> dict:
        await done.wait()
        body = {"grace_hours": 2, "reason": "例行轮换"}
        first, second = await asyncio.gather(
            *(manager.call("POST", f"{path}/keys/{issued['key_id']}/rotate", body) for _ in range(2))
        )
        assert sorted((first[0], second[0])) == [201, 404], "a key is rotated once"
        return first[1] if first[0] == 201 else second[1]

    *met, rotated = await asyncio.gather(keep_calling(), keep_calling(), keep_calling(), rotate())
    assert set.union(*met) == {200}
    new = Merchant(door.client, merchant_id, rotated["key"])
    await new.good("POST", "/v1/merchant/tests", {"title": "新钥匙能写"})
    await old.good("GET", "/v1/merchant/tests")
    door.clock.forward(hours=2, seconds=1)
    assert (await old.refused("GET", "/v1/merchant/tests"))[:2] == (401, "unauthenticated")
    await new.good("GET", "/v1/merchant/tests")
    await manager.good("POST", f"{path}/keys/{rotated['key_id']}/revoke", {"reason": "泄露了钥匙"})
    assert (await new.refused("GET", "/v1/merchant/tests"))[:2] == (401, "unauthenticated")
    async with door.engine.connect() as conn:
        assert issued["key"] not in str(await audit.lines(conn))


async def test_a_merchants_own_people_are_noted_and_forgotten(door: Door, manager: Operator):
    """A player who is noted is barred from that merchant's tests; the link is listed by a hash, and can be taken away."""
    path = await taken_on(manager)
    player_id = await a_player(door)
    body = {"merchant_id": path.rsplit("/", 1)[1], "kind": "player", "value": str(player_id)}
    await manager.good("POST", "/v1/ops/staff-links", body)
    (link,) = (await manager.good("GET", path))["links"]
    async with door.engine.connect() as conn:
        assert await standings.barred_merchants(conn, player_id) == {UUID(body["merchant_id"])}
    gone = {"kind": link["kind"], "digest": link["digest"], "reason": "已经离职"}
    await manager.good("POST", f"{path}/links/remove", gone)
    assert await manager.refused("POST", f"{path}/links/remove", gone) == (404, "not_found")
    async with door.engine.connect() as conn:
        assert await standings.barred_merchants(conn, player_id) == frozenset()


async def test_merchants_are_found_renamed_and_turned_over(manager: Operator):
    """By a part of the name, page by page; a new name leaves the old one in the audit log."""
    paths = [await taken_on(manager) for _ in range(3)]
    await manager.good("PATCH", paths[0], {"name": "100%_棉", "reason": "商家改名"})
    found = await manager.good("GET", "/v1/ops/merchants", params={"text": "0%_"})
    assert [one["name"] for one in found["merchants"]] == ["100%_棉"]
    first = await manager.good("GET", "/v1/ops/merchants", params={"limit": 2})
    rest = await manager.good("GET", "/v1/ops/merchants", params={"limit": 2, "cursor": first["next"]})
    assert [f"/v1/ops/merchants/{one['merchant_id']}" for one in (*first["merchants"], *rest["merchants"])] == paths[
        ::-1
    ]
    assert await manager.refused("PATCH", paths[0].replace(paths[0][-4:], "0000"), {"name": "别", "reason": WHY}) == (
        404,
        "not_found",
    )

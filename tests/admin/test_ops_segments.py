"""Laws of named segments: the count is that of the rules, a version is never rewritten, a running test keeps its own."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin.roles import Role
from game.segments import GENDERS, INTERESTS, Segment
from server.ids import uuid7
from server.stores import players, segments
from server.stores.db import IntegrityError, transaction
from tests.admin.doors import Door, Operator
from tests.server.books import in_a_loop_of_its_own

AT = "/v1/ops/segments"
WHY = "商家常问的人群"
YOUNG = {"name": "年轻女性", "gender": "female", "age_min": 18, "age_max": 29, "reason": WHY}


@pytest.fixture
async def manager(door: Door) -> Operator:
    return await door.signed_in(await door.operator(Role.MERCHANT_MANAGER, login="guan"))


def a_player(now: Any, **facts: Any) -> dict[str, Any]:
    return {
        "player_id": uuid7(), "created_at": now, "gender": None, "birth_year": None, "interests": [], "region": None,
        "consent": {}, **facts,
    }  # fmt: skip


CONSENT = st.fixed_dictionaries({}, optional={name: st.booleans() for name in ("gender", "age", "interests", "region")})
PLAYERS = st.lists(
    st.fixed_dictionaries(
        {
            "gender": st.sampled_from([None, *GENDERS]), "birth_year": st.sampled_from([None, 1900, 1980, 1999, 2008]),
            "interests": st.lists(st.sampled_from(INTERESTS[:3]), unique=True),
            "region": st.sampled_from([None, "上海", "四川"]), "consent": CONSENT,
        }
    ),
    max_size=30,
)  # fmt: skip
PREDICATES = st.builds(
    Segment, name=st.just("s"), gender=st.sampled_from([None, *GENDERS]), age_min=st.sampled_from([None, 18, 27]),
    age_max=st.sampled_from([None, 29, 46]), interests=st.frozensets(st.sampled_from(INTERESTS[:3])),
    region=st.sampled_from([None, "上海"]),
)  # fmt: skip


def test_the_count_in_sql_is_that_of_the_rules(database: str):
    """For any players and any predicate the database counts whom `Segment.holds` holds, consent included."""
    now = datetime.now(UTC)
    with in_a_loop_of_its_own(database) as (run, engine):

        async def counted(crowd: list[dict], segment: Segment) -> tuple[int, int]:
            async with engine.connect() as conn:
                rows = [a_player(now, **one) for one in crowd]
                if rows:
                    await conn.execute(players.players.insert(), rows)
                found = await segments.headcount(conn, segment, now=now)
                known = [await players.find(conn, row["player_id"]) for row in rows]
                await conn.rollback()
            assert found.exact
            return found.players, sum(segment.holds(one.facts(now)) for one in known if one is not None)

        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(crowd=PLAYERS, segment=PREDICATES)
        def law(crowd: list[dict], segment: Segment) -> None:
            in_sql, by_rule = run(counted(crowd, segment))
            assert in_sql == by_rule

        law()


async def test_a_segment_is_made_changed_and_retired_and_every_version_stays(door: Door, manager: Operator):
    """Merchants pick from what is offered; versions are facts that not even the database's owner rewrites."""
    made = await manager.good("POST", AT, YOUNG)
    merchant = await door.merchant()
    offered = await merchant.good("GET", "/v1/merchant/segments")
    assert [one["name"] for one in offered["segments"]] == ["年轻女性"]
    assert await manager.refused("POST", AT, YOUNG) == (409, "segment_name_taken")
    path = f"{AT}/{made['segment_id']}"
    changed = await manager.good("PUT", path, {**YOUNG, "age_max": 34, "seen": 1})
    assert (changed["version"], changed["age_max"]) == (2, 34)
    await manager.good("POST", f"{path}/retire", {"seen": 2, "reason": "没有商家用"})
    assert (await merchant.good("GET", "/v1/merchant/segments"))["segments"] == []
    told = await manager.good("GET", path)
    assert [(one["version"], one["age_max"], one["retires"]) for one in told["versions"]] == [
        (3, 34, True), (2, 34, False), (1, 29, False),
    ]  # fmt: skip
    assert (await manager.good("POST", AT, YOUNG))["version"] == 1  # the name is free again
    with pytest.raises(IntegrityError, match="append-only"):
        async with transaction(door.engine) as conn:
            await conn.execute(segments.segment_versions.update().values(who="nobody"))


async def test_a_running_test_keeps_the_version_that_it_was_written_with(door: Door, manager: Operator):
    """The predicate is copied into the test: editing or retiring the segment changes no audience."""
    made = await manager.good("POST", AT, YOUNG)
    merchant = await door.merchant()
    (picked,) = (await merchant.good("GET", "/v1/merchant/segments"))["segments"]
    audience = [{key: value for key, value in picked.items() if value not in (None, [])}]
    test = await merchant.running(audience=audience)
    path = f"{AT}/{made['segment_id']}"
    assert [one["test_id"] for one in (await manager.good("GET", path))["in_use"]] == [test["test_id"]]
    await manager.good("PUT", path, {**YOUNG, "gender": None, "seen": 1})
    kept = (await door.test(test["test_id"])).audience.quotas[0].segment
    assert (kept.gender, kept.age_min, kept.age_max) == ("female", 18, 29)


async def test_of_two_editors_the_second_is_told_who_was_first(door: Door, manager: Operator):
    """One new version, one refusal that names the first."""
    made = await manager.good("POST", AT, YOUNG)
    path = f"{AT}/{made['segment_id']}"
    answers = await asyncio.gather(
        *(manager.call("PUT", path, {**YOUNG, "age_max": age, "seen": 1}) for age in (30, 31, 32))
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409]
    assert all("guan" in body["detail"] for status, body in answers if status == 409)


async def test_a_predicate_that_cannot_be_is_named(door: Door, manager: Operator):
    """Ages upside down, unknown interests, names of markup: refused, or shown as text."""
    for wrong in ({"age_min": 40, "age_max": 20}, {"age_min": -1}, {"gender": "robot"}, {"interests": ["guns"]},
                  {"name": "  "}, {"name": "长" * 41}, {"reason": ""}):  # fmt: skip
        status, code = await manager.refused("POST", AT, {**YOUNG, **wrong})
        assert (status, code) in ((422, "segment_invalid"), (422, "field_invalid")), wrong
    assert (await manager.refused("POST", AT, {**YOUNG, "name": "everyone"}))[1] == "segment_name_taken"
    await manager.good("POST", AT, {**YOUNG, "name": '"><script>alert(1)</script>'})
    _, page = await manager.call("GET", "/ops/segments")
    assert "<script>alert(1)" not in page
    async with transaction(door.engine) as conn:
        await conn.execute(
            players.players.insert(),
            [a_player(door.clock.now, gender="female", birth_year=2000, consent={"gender": True, "age": True}),
             a_player(door.clock.now, gender="female", birth_year=2000, consent={"gender": True})],
        )  # fmt: skip
    counted = await manager.good("POST", f"{AT}/headcount", {"gender": "female", "age_min": 18, "age_max": 60})
    assert counted == {"players": 1, "exact": True}

"""Laws of the watch's calls: switches say what they stop, the log is searched and taken along, alarms are looked after."""

import asyncio
import csv
import io
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from admin.app import every_route
from admin.console.pages import COOKIE
from admin.roles import Role
from server.flows.judge_alarms import judge_alarms
from server.ids import uuid7
from server.jobs.seal_books import SealBooks
from server.jobs.watch_votes import WINDOW, WatchVotes
from server.metrics import Metrics
from server.stores import audit, health
from server.stores.db import transaction
from server.stores.rights import statements
from tests.admin.doors import Door, Operator
from tests.server.builders import a_service


@pytest.fixture
async def boss(door: Door) -> Operator:
    """An administrator with a session."""
    return await door.signed_in(await door.operator(Role.ADMINISTRATOR))


@pytest.fixture
async def auditor(door: Door) -> Operator:
    """An auditor with a session."""
    return await door.signed_in(await door.operator(Role.AUDITOR, login="shenji"))


async def late_job(door: Door) -> None:
    async with transaction(door.engine) as conn:
        await health.job_ended(conn, "settle_grants", now=door.clock.now - timedelta(minutes=9), every_s=1.0)
        await judge_alarms(conn, window=WINDOW, now=door.clock.now)


# --- switches ------------------------------------------------------------------------------------


async def test_a_switch_says_what_it_stops_and_every_process_obeys_while_tickets_stay_honoured(
    door: Door, boss: Operator, database, tmp_path
):
    """Two player processes: one has dealt five tickets; after the flip neither deals, and the five are counted."""
    async with a_service(database, tmp_path / "one") as one, a_service(database, tmp_path / "two") as two:
        test = await one.test()
        await two.shell.dealer.refresh()
        phone, other = await one.phone(), await two.phone("小林")
        dealt = await phone.round(5)
        assert len(dealt["matchups"]) == 5
        for each in (one, two):
            await each.shell.budget_desk.look()
        path = f"/v1/ops/switches/reach?scope=test&target={test.test_id}"
        reach = await boss.good("GET", path)
        assert (reach["tests"], reach["titles"], reach["open_tickets"]) == (1, [test.title], 5)
        assert "5 open tickets stay honoured" in reach["en"]
        body = {"scope": "test", "target": str(test.test_id), "stops": True, "reason": "votes are being bought"}
        flipped = await boss.good("POST", "/v1/ops/switches", body)
        assert flipped["reach"]["open_tickets"] == 5
        for each in (one, two):
            await each.shell.budget_desk.look()
        assert (await phone.round(5))["matchups"] == []
        assert (await other.round(5))["matchups"] == []
        answered = await phone.answer(*((each["ticket"], "left") for each in dealt["matchups"]))
        assert [each["status"] for each in answered["receipts"]] == ["counted"] * 5
        assert sum(each["grant_g"] for each in answered["receipts"]) == 50
        await boss.good("POST", "/v1/ops/switches", {**body, "stops": False, "reason": "the votes were real"})
        for each in (one, two):
            await each.shell.budget_desk.look()
        async with asyncio.timeout(60):
            while not (await other.round(5))["matchups"]:  # a desk that found nothing asks again after some seconds
                await asyncio.sleep(0.2)
    lines = (await boss.good("GET", "/v1/ops/audit?what=switch"))["lines"]
    assert [line["what"] for line in lines] == ["switch.resume", "switch.stop"]
    assert lines[1]["why"] == "votes are being bought"
    assert lines[1]["after"]["reach"]["tests"] == 1
    assert lines[1]["request_id"]


async def test_of_two_who_flip_at_once_the_second_is_told_who_was_first_and_why(door: Door, boss: Operator):
    second = await door.signed_in(await door.operator(Role.ADMINISTRATOR, login="second"))
    body = {"scope": "all", "stops": True, "reason": "the books do not balance"}
    told = await asyncio.gather(*(who.call("POST", "/v1/ops/switches", body) for who in (boss, second)))
    (good,) = [data for status, data in told if status == 200]
    (late,) = [data for status, data in told if status == 409]
    assert late["code"] == "switch_stands"
    assert good["who"] in late["detail"]
    assert "the books do not balance" in late["detail"]


async def test_what_is_no_switch_is_refused_by_name_and_nothing_is_flipped(door: Door, boss: Operator):
    for scope, target in (("kind", "stage_award"), ("kind", "nothing"), ("test", "nothing"), ("test", str(uuid7()))):
        body = {"scope": scope, "target": target, "stops": True, "reason": "for some reason"}
        assert await boss.refused("POST", "/v1/ops/switches", body) == (422, "switch_unknown")
        assert (await boss.refused("GET", f"/v1/ops/switches/reach?scope={scope}&target={target}"))[0] == 422
    short = {"scope": "all", "stops": True, "reason": "no"}
    assert await boss.refused("POST", "/v1/ops/switches", short) == (422, "field_invalid")
    assert not any(each["stops"] for each in (await boss.good("GET", "/v1/ops/switches"))["switches"])


async def test_who_may_not_flip_sees_the_switches_and_cannot_move_them(auditor: Operator):
    assert (await auditor.good("GET", "/v1/ops/switches"))["switches"]
    body = {"scope": "all", "stops": True, "reason": "because I can"}
    assert (await auditor.refused("POST", "/v1/ops/switches", body))[0] == 403


# --- the log ---------------------------------------------------------------------------------------


async def written(door: Door, number: int, **fields: object) -> None:
    async with transaction(door.engine) as conn:
        for each in range(number):
            named = {
                "who": "operator",
                "what": "budget.cap",
                "object_id": f"b{each % 3}",
                "now": door.clock.now,
                **fields,
            }
            await audit.write(conn, **named)  # type: ignore[arg-type]


async def test_the_log_is_looked_through_by_who_what_object_request_and_time(door: Door, auditor: Operator):
    await written(door, 6)
    await written(door, 2, who="林", what="case.lift", why="<script>alert(1)</script>", request_id="req-12345678")
    door.clock.forward(hours=1)
    since = door.clock.now.isoformat().replace("+", "%2B")
    await written(door, 1, what="budget.move")

    async def found(query: str) -> int:
        return len((await auditor.good("GET", f"/v1/ops/audit?{query}"))["lines"])

    assert await found("who=林") == 2
    assert await found("what=budget") == 7
    assert await found("what=budget.cap") == 6
    assert await found("what=budg") == 0
    assert await found("object_id=b1&what=budget") == 2
    assert await found("request_id=req-12345678") == 2
    assert await found(f"what=budget&since={since}") == 1
    assert await found(f"what=budget&until={since}") == 6
    assert await found("who=") > 8


async def test_pages_of_the_log_meet_without_gap_or_overlap_while_lines_are_added(door: Door, auditor: Operator):
    await written(door, 25)
    seen, cursor = [], ""
    while True:
        page = await auditor.good("GET", f"/v1/ops/audit?what=budget&limit=10{cursor}")
        seen += [line["line_id"] for line in page["lines"]]
        await written(door, 3)
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


async def test_the_log_is_taken_along_whole_and_a_text_like_a_formula_stays_a_text(door: Door, auditor: Operator):
    await written(door, 1005)
    await written(door, 1, why='=HYPERLINK("x")', after={"字": "预算"})
    status, text = await auditor.call("GET", "/v1/ops/audit.csv?what=budget")
    assert status == 200
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 1006
    assert rows[0]["why"] == '\'=HYPERLINK("x")'
    headers = {"Cookie": f"{COOKIE}={auditor.cookie}"}
    async with auditor.client.request("GET", "/v1/ops/audit.jsonl?what=budget", headers=headers) as reply:
        lines = [json.loads(line) for line in (await reply.text()).splitlines()]
    assert len(lines) == 1006
    assert lines[0]["after"] == {"字": "预算"}


async def test_a_strange_search_is_refused_by_name(auditor: Operator):
    for query in ("who=%00", "since=yesterday", "since=0001-01-01T00:00:00", "cursor=x", "limit=0", "nonsense=1"):
        assert (await auditor.refused("GET", f"/v1/ops/audit?{query}"))[0] == 422, query


async def test_no_call_and_no_role_of_the_service_can_change_the_log(door: Door, auditor: Operator, database):
    """The owner is refused by triggers, the service's role by its rights; there is no call at all but for reading."""
    await written(door, 3)
    await SealBooks(door.engine).seal_all(door.clock.now)
    page = await auditor.good("GET", "/v1/ops/audit")
    assert all(line["sealed"] for line in page["lines"])
    changes = (
        "update audit_lines set who = 'x'",
        "delete from audit_lines",
        "truncate audit_lines",
        "update seals set at = now()",
    )
    for statement in changes:
        with pytest.raises(sa.exc.DBAPIError):
            async with transaction(door.engine) as conn:
                await conn.execute(sa.text(statement))
    role = f"service_{uuid7().hex[:12]}"
    async with transaction(door.engine) as conn:
        await conn.execute(sa.text(f'create role "{role}"'))
        for statement in statements(role):
            await conn.execute(sa.text(statement))

    async def as_the_service(statement: str) -> None:
        async with transaction(door.engine) as conn:
            await conn.execute(sa.text(f'set local role "{role}"'))
            await conn.execute(sa.text(statement))

    try:
        for statement in (*changes, "alter table audit_lines disable trigger all", "delete from alarm_events"):
            with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|must be owner"):
                await as_the_service(statement)
    finally:
        async with transaction(door.engine) as conn:
            await conn.execute(sa.text(f'drop owned by "{role}"'))
            await conn.execute(sa.text(f'drop role "{role}"'))
    writers = [route.name for route in every_route() if "/audit" in route.path and route.method != "GET"]
    assert writers == []


# --- alarms and the dashboard ------------------------------------------------------------------------


async def test_an_alarm_is_looked_after_by_one_and_the_second_is_told_by_whom(door: Door, boss: Operator):
    await late_job(door)
    (alarm,) = (await boss.good("GET", "/v1/ops/alarms"))["open"]
    assert "settle_grants" in alarm["zh"]["meaning"]
    path = f"/v1/ops/alarms/{alarm['alarm_id']}/acknowledge"
    taken = await boss.good("POST", path, {"reason": "I restart the worker"})
    assert taken["acknowledged_by"] == boss.login
    second = await door.signed_in(await door.operator(Role.REVIEWER, login="second"))
    status, told = await second.call("POST", path, {"reason": "I look at it"})
    assert (status, told["code"]) == (409, "alarm_taken")
    assert boss.login in told["detail"]
    events = (await boss.good("GET", f"/v1/ops/alarms/{alarm['alarm_id']}"))["events"]
    assert [(each["event"], each["who"], each["note"]) for each in events] == [
        ("raised", "watch", ""), ("acknowledged", boss.login, "I restart the worker"),
    ]  # fmt: skip


async def test_thresholds_are_data_and_the_next_judgement_goes_by_them(door: Door, boss: Operator):
    changed = {"thresholds": {"job_late_least_s": 600}, "reason": "the nightly backup takes a while"}
    told = await boss.good("PATCH", "/v1/ops/alarms/thresholds", changed)
    assert told["thresholds"]["job_late_least_s"] == 600
    await late_job(door)
    assert (await boss.good("GET", "/v1/ops/alarms"))["open"] == []
    back = {"thresholds": {"job_late_least_s": None}, "reason": "the backup is quick now"}
    assert (await boss.good("PATCH", "/v1/ops/alarms/thresholds", back))["thresholds"] == told["defaults"]
    await late_job(door)
    assert [each["code"] for each in (await boss.good("GET", "/v1/ops/alarms"))["open"]] == ["job_late"]
    for wrong in ({"no_such": 5}, {"no_such": None}, {"refit_late_s": 0}, {"refit_late_s": 10**12}):
        status, code = await boss.refused(
            "PATCH", "/v1/ops/alarms/thresholds", {"thresholds": wrong, "reason": "trying"}
        )
        assert (status, code) == (422, "threshold_refused")


async def test_the_operators_own_webhook_is_not_a_merchants(door: Door, boss: Operator, merchant):
    made = await boss.good("POST", "/v1/ops/alarms/webhooks", {"url": "http://127.0.0.1:1/x", "reason": "our pager"})
    assert made["secret"]
    assert made["events"] == ["alarm.raised", "alarm.cleared"]
    assert (await merchant.good("GET", "/v1/merchant/webhooks"))["webhooks"] == []
    assert (await merchant.refused("DELETE", f"/v1/merchant/webhooks/{made['webhook_id']}"))[0] == 404
    await late_job(door)
    path = f"/v1/ops/alarms/webhooks/{made['webhook_id']}"
    (waiting,) = (await boss.good("GET", f"{path}/deliveries"))["deliveries"]
    assert waiting["event"] == "alarm.raised"
    await boss.good("DELETE", path)
    assert (await boss.good("GET", "/v1/ops/alarms/webhooks"))["webhooks"] == []


async def test_the_dashboard_tells_votes_money_queues_jobs_and_alarms_of_one_moment(
    door: Door, boss: Operator, merchant
):
    test = await merchant.running(styles=3)
    await door.vote(test["test_id"], voters=10, each=3)
    door.clock.forward(minutes=1)
    await WatchVotes(door.engine, Metrics().registry).run(door.clock.now)
    await late_job(door)
    seen = await boss.good("GET", "/v1/ops/dashboard")
    assert seen["votes"]["last_hour"] == 30
    assert seen["votes"]["valid_share"] == 1.0
    assert seen["votes"]["per_s"] == round(30 / 300, 2)
    assert seen["waiting"]["running_tests"] == 1
    (job,) = seen["jobs"]
    assert (job["name"], job["late_s"] > 400) == ("settle_grants", True)
    assert [each["code"] for each in seen["alarms"]] == ["job_late"]
    assert seen["measured"]["at"] is None

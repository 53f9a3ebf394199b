"""Laws of the watch: what sounds is raised once, heard while it lasts, cleared when it is quiet, and told outside."""

import asyncio
import contextlib
import dataclasses
import json
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from rewards.economy import Economy
from rewards.errors import BudgetExhausted
from server.alarms import (
    WORDS,
    JobSeen,
    MachineThresholds,
    OpenAlarm,
    Seen,
    Sounding,
    ThresholdRefused,
    Thresholds,
    job_is_late,
    moves,
    sounding,
    thresholds_from,
    told,
)
from server.flows.judge_alarms import judge_alarms
from server.flows.reserve_block import reserve_block
from server.ids import uuid7
from server.jobs.check_invariants import CheckInvariants
from server.jobs.deliver_webhooks import DeliverWebhooks, signature
from server.jobs.measure_programme import MeasureProgramme
from server.jobs.sound_alarms import SoundAlarms
from server.jobs.watch_votes import WINDOW, WatchVotes
from server.metrics import Metrics
from server.secrets import Vault
from server.stores import alarms, health, watch, webhooks
from server.stores.db import transaction
from server.worker import Job, Worker
from tests.server.books import as_attacker
from tests.server.builders import Service, SteppingClock, a_running_test

VAULT = Vault({1: b"a key for these tests only"})
T = Thresholds()


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


async def judged(engine, now) -> tuple[list[str], list[str]]:
    async with transaction(engine) as conn:
        done = await judge_alarms(conn, window=WINDOW, now=now)
    return [each.code for each in done.raised], [each.code for each in done.cleared]


async def ended(engine, job: str, at, *, every_s: float = 10.0, failure: str | None = None) -> None:
    async with transaction(engine) as conn:
        await health.job_ended(conn, job, now=at, every_s=every_s, failure=failure)


def test_every_alarm_says_in_two_languages_what_it_means_and_what_to_do():
    for code, words in WORDS.items():
        for english in (False, True):
            assert all(told(code, "something", {}, english=english)), code
        assert words.zh.meaning != words.en.meaning


def test_a_job_is_late_after_three_of_its_pauses_and_never_within_a_minute():
    late = MachineThresholds()
    assert not job_is_late(JobSeen("fast", 59.0, 0.5), late)
    assert job_is_late(JobSeen("fast", 61.0, 0.5), late)
    assert not job_is_late(JobSeen("slow", 10_000.0, 3600.0), late)
    assert job_is_late(JobSeen("only_fails", None, 5.0, "ValueError"), late)


def test_what_still_sounds_is_one_alarm_and_what_flickers_does_not_clear(clock):
    known = OpenAlarm(uuid7(), "job_late", "settle_grants", clock.now)
    again = Sounding("job_late", "settle_grants", {})
    assert moves([known], [again], clock.now).hear == ((known.alarm_id, again),)
    assert moves([known], [], clock.now + timedelta(seconds=60)).clear == ()
    assert moves([known], [], clock.now + timedelta(seconds=120)).clear == (known,)


def test_nothing_sounds_where_nothing_is_seen():
    assert sounding(Seen(window=WINDOW), T) == []


def test_a_threshold_is_a_whole_number_with_a_known_name():
    assert thresholds_from({"refit_late_s": 90}).play.refit_late_s == 90
    for figures in ({"refit_late": 90}, {"refit_late_s": 0}, {"refit_late_s": True}, {"refit_late_s": 10**9}):
        with pytest.raises(ThresholdRefused):
            thresholds_from(figures)


async def test_a_job_that_stops_raises_one_alarm_which_clears_when_it_runs_again(engine, clock):
    await ended(engine, "settle_grants", clock.now)
    assert await judged(engine, clock.now) == ([], [])
    clock.forward(seconds=90)
    assert await judged(engine, clock.now) == (["job_late"], [])
    assert await judged(engine, clock.now) == ([], [])
    await ended(engine, "settle_grants", clock.now)
    assert await judged(engine, clock.now) == ([], [])
    clock.forward(seconds=121)
    await ended(engine, "settle_grants", clock.now)
    assert await judged(engine, clock.now) == ([], ["job_late"])


async def test_two_judges_at_once_raise_one_alarm(engine, clock):
    await ended(engine, "settle_grants", clock.now - timedelta(minutes=9))
    both = await asyncio.gather(*(judged(engine, clock.now) for _ in range(4)))
    assert sorted(len(raised) for raised, _ in both) == [0, 0, 0, 1]


async def test_of_two_who_acknowledge_at_once_one_has_it(engine, clock):
    await ended(engine, "settle_grants", clock.now - timedelta(minutes=9))
    await judged(engine, clock.now)
    async with transaction(engine) as conn:
        (alarm,) = await alarms.still_open(conn)

    async def take(who: str) -> bool:
        async with transaction(engine) as conn:
            return await alarms.acknowledge(conn, alarm.alarm_id, who=who, note="I look", now=clock.now) is not None

    assert sorted(await asyncio.gather(*(take(f"operator {n}") for n in range(4)))) == [False, False, False, True]
    async with transaction(engine) as conn:
        assert [each.event for each in await alarms.events_of(conn, alarm.alarm_id)] == ["raised", "acknowledged"]


async def test_what_happened_to_an_alarm_cannot_be_rewritten(engine, clock):
    await ended(engine, "settle_grants", clock.now - timedelta(minutes=9))
    await judged(engine, clock.now)
    for statement in ("update alarm_events set who = 'nobody'", "delete from alarm_events", "truncate alarm_events"):
        with pytest.raises(sa.exc.DBAPIError, match=r"append-only|refuse|never"):
            async with transaction(engine) as conn:
                await conn.execute(sa.text(statement))


async def test_an_alarm_is_told_outside_signed_and_in_words(engine, clock):
    got: list[tuple[dict[str, str], bytes]] = []

    async def hook(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with TestServer(app) as server:
        webhook_id = uuid7()
        async with transaction(engine) as conn:
            hooked = webhooks.Webhook(
                webhook_id, None, str(server.make_url("/hook")), ("alarm.raised", "alarm.cleared"), clock.now
            )
            await webhooks.add(conn, hooked, VAULT.seal(b"secret", about=webhook_id.bytes))
        await ended(engine, "settle_grants", clock.now - timedelta(minutes=9))
        await judged(engine, clock.now)
        assert await DeliverWebhooks(engine, VAULT, private_too=True).run(clock.now) == 1
    headers, body = got[0]
    assert headers["Xuankuan-Signature"] == signature(b"secret", body, int(clock.now.timestamp()))
    said = json.loads(body)
    assert (said["event"], said["data"]["code"]) == ("alarm.raised", "job_late")
    assert "settle_grants" in said["data"]["zh"]["meaning"]
    assert "settle_grants" in said["data"]["en"]["meaning"]


async def test_a_broken_law_sounds_after_the_check_and_is_counted(engine, clock):
    registry = CollectorRegistry()
    await a_running_test(engine)
    await as_attacker(engine, "update accounts set balance = balance + 1 where kind = 'merchant'")
    await CheckInvariants(engine).run(clock.now)
    await SoundAlarms(engine, registry).run(clock.now)
    async with transaction(engine) as conn:
        sounds = {(each.code, each.subject) for each in await alarms.still_open(conn)}
    assert ("invariant_broken", "balance_is_fold_of_transfers") in sounds
    assert registry.get_sample_value("xuankuan_alarms_open", {"code": "invariant_broken"}) >= 1
    assert registry.get_sample_value("xuankuan_alarms_raised_total", {"code": "invariant_broken"}) >= 1


async def test_liability_above_stock_and_a_spent_budget_sound(service: Service):
    now = service.clock.now
    test = await service.test(budget_fen=300)
    phone, economy = await service.phone(), Economy()
    dealt = await phone.round(5)
    await phone.answer(*((each["ticket"], "left") for each in dealt["matchups"]))
    with contextlib.suppress(BudgetExhausted):
        while True:
            async with transaction(service.engine) as conn:
                await reserve_block(
                    conn, budget_id=test.test_id, process_id=uuid7(), wanted_g=10, ticket_life=timedelta(minutes=10),
                    kind="per_vote", economy=economy, now=now,
                )  # fmt: skip
    await MeasureProgramme(service.engine, lambda: economy, CollectorRegistry()).run(now)
    raised, _ = await judged(service.engine, now)
    assert sorted(set(raised)) == ["budget_nearly_spent", "liability_above_stock"]
    async with transaction(service.engine) as conn:
        spent = next(each for each in await alarms.still_open(conn) if each.code == "budget_nearly_spent")
    assert UUID(spent.subject) == test.test_id


async def test_votes_are_counted_by_minute_test_and_address_and_a_late_refit_sounds(service: Service):
    test = await service.test()
    start = service.clock.now = service.clock.now.replace(second=5)
    for name in ("小美", "小林"):
        phone = await service.phone(name)
        dealt = await phone.round(5)
        await phone.answer(*((each["ticket"], "left") for each in dealt["matchups"]))
    service.clock.forward(minutes=2)
    now = service.clock.now
    registry = CollectorRegistry()
    await WatchVotes(service.engine, registry).run(now)
    async with transaction(service.engine) as conn:
        assert await watch.votes_by_minute(conn, since=start - timedelta(minutes=1)) == [
            (start.replace(second=0), 10, 10)
        ]
        (seen,) = await watch.tests_seen(conn, now=now, window=WINDOW)
        assert (seen.test_id, seen.votes) == (test.test_id, 10)
        (block,) = await watch.addresses_seen(conn, now=now, window=WINDOW, least=10)
        assert block.votes == 10
        await conn.execute(
            sa.text("update players set weight = 0 where player_id = :id"), {"id": UUID(phone.player["player_id"])}
        )
    await WatchVotes(service.engine, CollectorRegistry()).run(now)
    async with transaction(service.engine) as conn:
        assert (await watch.counted(conn, since=start - timedelta(minutes=1), until=now)).valid == 5
    assert registry.get_sample_value("xuankuan_valid_share") == 1.0
    assert "refit_late" in (await judged(service.engine, now))[0]


async def test_a_worker_that_was_just_started_is_not_late_and_an_older_versions_job_is_forgotten(engine, clock):
    """A minute is what it gets; then what is late is late."""
    await ended(engine, "settle_grants", clock.now - timedelta(hours=3))
    await ended(engine, "a_job_of_last_year", clock.now - timedelta(days=300))
    job = SoundAlarms(engine, CollectorRegistry())

    async def sounding_now() -> set[str]:
        await job.run(clock.now)
        async with transaction(engine) as conn:
            return {each.subject for each in await alarms.still_open(conn)}

    assert await sounding_now() == set()
    async with transaction(engine) as conn:
        await health.forget_others(conn, ["settle_grants"])
    clock.forward(seconds=61)
    assert await sounding_now() == {"settle_grants"}


async def test_a_worker_says_how_often_each_of_its_jobs_should_run(engine, clock):
    async def nothing(_) -> int:
        return 0

    worker = Worker(engine, [], Metrics(), clock)
    await worker.once(Job("a_job", nothing, 7.5))
    async with transaction(engine) as conn:
        (seen,) = await health.jobs_seen(conn, clock.now)
    assert dataclasses.astuple(seen) == ("a_job", 0.0, 7.5, "")

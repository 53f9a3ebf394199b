"""Laws of what is seen from outside: a call's id is in its answer, its lines and the job's line that acts on it."""

import json
from datetime import timedelta
from pathlib import Path

import aiohttp
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from server import tracing
from server.jobs.deliver_webhooks import DeliverWebhooks
from server.running import watched
from server.secrets import vault_of
from server.stores import health
from server.stores.db import transaction
from server.tracing import Tracer, tracer_from_environment
from server.worker import Job, Worker
from tests.admin.doors import a_door
from tests.server.builders import Service, a_service
from tests.server.test_privacy import the_log


async def test_the_id_of_a_call_is_in_its_answer_its_audit_line_and_the_workers_line(database: str, tmp_path: Path):
    """A merchant launches a test with an id of his own: the notice that it causes is logged with that id."""

    async def hook(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with TestServer(app) as receiver, a_door(database, tmp_path) as door:
        merchant = await door.merchant()
        await merchant.good("POST", "/v1/merchant/webhooks", {"url": str(receiver.make_url("/hook"))})
        draft = await merchant.draft()
        merchant.headers["X-Request-Id"] = "launch-0190-abcdef"
        await merchant.good("POST", f"/v1/merchant/tests/{draft['test_id']}/launch")
        vault = vault_of(door.shell.config)
        with the_log() as log:
            assert await DeliverWebhooks(door.engine, vault, private_too=True).run(door.clock.now) >= 1
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        (line,) = [each for each in lines if each["event"] == "webhook_delivered"]
        assert line["request_id"] == "launch-0190-abcdef"
        async with door.engine.connect() as conn:
            ids = await conn.scalars(
                sa.text("select request_id from audit_lines where what = 'test.launch' and object_id = :id"),
                {"id": draft["test_id"]},
            )
            assert list(ids) == ["launch-0190-abcdef"]


async def test_a_bugs_line_and_its_answer_carry_the_same_id(service: Service):
    async with transaction(service.engine) as conn:
        await conn.execute(sa.text("alter table appeals rename to appeals_gone"))
    phone = await service.phone()
    with the_log() as log:
        status, told = await phone.call("GET", "/v1/me", headers={**phone.headers, "X-Request-Id": "find-me-please"})
    assert (status, told["request_id"]) == (500, "find-me-please")
    (line,) = [json.loads(each) for each in log.getvalue().splitlines()]
    assert (line["event"], line["request_id"]) == ("bug", "find-me-please")


async def test_readiness_tells_how_late_each_job_is(service: Service):
    now = service.clock.now
    async with transaction(service.engine) as conn:
        await health.job_ended(conn, "settle_grants", now=now - timedelta(seconds=100), every_s=1.0)
        await health.job_ended(conn, "expire_addresses", now=now - timedelta(seconds=5000), every_s=3600.0)
    async with service.client.get("/health/ready") as reply:
        told = await reply.json()
    assert told["jobs"] == {"settle_grants": 100.0, "expire_addresses": 5000.0}
    assert told["late"] == {"settle_grants": 40.0}


async def test_the_worker_has_an_address_of_its_own_for_health_and_metrics(database: str, tmp_path: Path):
    async def nothing(_: object) -> int:
        return 0

    async with a_service(database, tmp_path, worker_port=unused_port()) as service:
        worker = Worker(service.engine, [], service.shell.metrics, service.clock)
        await worker.once(Job("a_job", nothing, 5.0))
        async with watched(service.shell) as port, aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/metrics") as reply:
                text = await reply.text()
            async with http.get(f"http://127.0.0.1:{port}/health/ready") as reply:
                assert (await reply.json())["jobs"] == {"a_job": 0.0}
            async with http.get(f"http://127.0.0.1:{port}/v1/me") as reply:
                assert reply.status == 404
    assert 'xuankuan_job_seconds_count{job="a_job"} 1.0' in text


def test_without_a_collector_there_are_no_spans_and_with_one_each_call_is_a_span(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert not tracer_from_environment("x").on
    seen: list[tuple[str, dict[str, str]]] = []

    class Collector:
        """What the OpenTelemetry package would hand us."""

        def start_as_current_span(self, name: str, attributes: dict[str, str]):
            seen.append((name, attributes))
            return tracing.contextlib.nullcontext()

    with Tracer(Collector()).span("GET /v1/me", request_id="r-1"):
        pass
    assert seen == [("GET /v1/me", {"request_id": "r-1"})]

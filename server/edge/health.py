"""Is it alive, is it ready, what has it counted, and what can it do: the addresses that machines ask."""

from typing import Any

from aiohttp import web

from server.alarms import MachineThresholds, allowed_s
from server.edge.wire import Reply, Route, json_bytes
from server.stores import health
from server.stores.db import reading


class LiveReply(Reply):
    """The process runs."""

    status: str


class ReadyReply(Reply):
    """The process can serve.

    `jobs`: how many seconds ago each background job last ended well; `late`: of those that are late, by how many
    seconds (a job is late after three of its own pauses, and not before a minute).
    """

    status: str
    database: bool
    jobs: dict[str, float]
    late: dict[str, float]


async def get_live(_: Any) -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


async def get_ready(call: Any) -> dict[str, Any]:
    """The database answers, too; and how late each job is."""
    async with reading(call.shell.engine) as conn:
        seen = await health.jobs_seen(conn, call.now)
    ages = {job.name: job.age_s for job in seen if job.age_s is not None}
    usual = MachineThresholds()
    late = {job.name: ages[job.name] - allowed_s(job.every_s, usual) for job in seen if job.name in ages}
    return {
        "status": "ready",
        "database": True,
        "jobs": {name: round(age_s, 1) for name, age_s in ages.items()},
        "late": {name: round(by_s, 1) for name, by_s in late.items() if by_s > 0},
    }


async def get_metrics(call: Any) -> web.Response:
    """Everything counted, for Prometheus."""
    return web.Response(body=call.shell.metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})


def health_routes(api: dict[str, Any]) -> tuple[Route, ...]:
    """The routes that every application has; `api` is its OpenAPI document."""
    body = json_bytes(api)

    async def get_openapi(_: Any) -> web.Response:
        """This document."""
        return web.Response(body=body, content_type="application/json")

    return (
        Route(method="GET", path="/health/live", handler=get_live, summary="Alive?", auth="none", reply=LiveReply),
        Route(
            method="GET",
            path="/health/ready",
            handler=get_ready,
            summary="Ready?",
            auth="none",
            reply=ReadyReply,
            problems=(503,),
        ),
        Route(method="GET", path="/metrics", handler=get_metrics, summary="Metrics", auth="none", media="text/plain"),
        Route(method="GET", path="/openapi.json", handler=get_openapi, summary="This document", auth="none"),
    )

"""The worker: runs every job at its own pace, counts and times each run, and survives whatever a run does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from server.metrics import Metrics
from server.ports import Clock
from server.stores import health
from server.stores.db import AsyncEngine, is_away, transaction
from server.tracing import TRACER

log = structlog.get_logger()

# Said at most so often: a row that is written each half second says nothing more than one each few seconds.
REPORT_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its name, what it does (returns how much), and how long to rest between runs."""

    name: str
    run: Callable[[datetime], Awaitable[int]]
    every_s: float


class Worker:
    """Runs jobs side by side until it is cancelled."""

    def __init__(self, engine: AsyncEngine, jobs: Sequence[Job], metrics: Metrics, clock: Clock) -> None:
        self._engine = engine
        self._jobs = jobs
        self._metrics = metrics
        self._clock = clock
        self._reported: dict[str, float] = {}

    async def run(self) -> None:
        """Run all jobs, each in its own loop; ends only by cancellation."""
        try:
            async with transaction(self._engine) as conn:
                await health.forget_others(conn, [job.name for job in self._jobs])
        except Exception as error:
            log.warning("old_jobs_kept", error=type(error).__name__)
        await asyncio.gather(*(self._repeat(job) for job in self._jobs))

    async def _repeat(self, job: Job) -> None:
        while True:
            done = await self.once(job)
            # Work that found something to do is likely to find more.
            await asyncio.sleep(job.every_s if not done else min(job.every_s, 0.2))

    async def once(self, job: Job) -> int:
        """One run of a job, counted and timed; returns what it did, 0 when it failed."""
        started = time.perf_counter()
        failure = None
        done = 0
        try:
            with TRACER.span(f"job {job.name}"):
                done = await job.run(self._clock())
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failure = type(error).__name__
            self._metrics.job_failures.labels(job.name).inc()
            if is_away(error) or isinstance(error, OSError):
                log.warning("job_waits_for_database", job=job.name, error=failure)
            else:
                log.error("job_failed", job=job.name, exc_info=error)
        self._metrics.job_seconds.labels(job.name).observe(time.perf_counter() - started)
        if failure is None:
            self._metrics.job_last_success.labels(job.name).set(time.time())
        await self._report(job, failure)
        return done

    async def _report(self, job: Job, failure: str | None) -> None:
        now, name = time.monotonic(), job.name
        if failure is None and now - self._reported.get(name, -REPORT_EVERY_S) < REPORT_EVERY_S:
            return
        self._reported[name] = now
        try:
            async with transaction(self._engine) as conn:
                await health.job_ended(conn, name, now=self._clock(), every_s=job.every_s, failure=failure)
        except Exception as error:
            log.warning("job_report_failed", job=name, error=type(error).__name__)

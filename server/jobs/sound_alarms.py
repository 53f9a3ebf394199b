"""Sound the alarms: judged each quarter of a minute, said in the log, counted for Prometheus, put into the outbox."""

from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from server.alarms import WORDS, told
from server.flows.judge_alarms import judge_alarms
from server.jobs.watch_votes import WINDOW
from server.stores import alarms
from server.stores.db import AsyncEngine, reading, transaction

log = structlog.get_logger()

FIRST_ROUND = timedelta(minutes=1)
"""How long a worker that was just started gets to run each job once, before somebody is told that they are late."""


class SoundAlarms:
    """The job."""

    name = "sound_alarms"

    def __init__(self, engine: AsyncEngine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._began_at: datetime | None = None
        self._open = Gauge("xuankuan_alarms_open", "Alarms that sound now.", ("code",), registry=registry)
        self._raised = Counter("xuankuan_alarms_raised_total", "Alarms raised.", ("code",), registry=registry)

    async def run(self, now: datetime) -> int:
        """Judge and write; returns 0: judging sooner again tells nothing new."""
        self._began_at = self._began_at or now
        async with transaction(self._engine) as conn:
            judged = await judge_alarms(conn, window=WINDOW, now=now, jobs_too=now - self._began_at >= FIRST_ROUND)
        for alarm in judged.raised:
            words = told(alarm.code, alarm.subject, alarm.figures, english=True)
            log.warning(
                "alarm_raised", code=alarm.code, subject=alarm.subject, means=words.meaning, alarm=str(alarm.alarm_id)
            )
            self._raised.labels(alarm.code).inc()
        for alarm in judged.cleared:
            log.info("alarm_cleared", code=alarm.code, subject=alarm.subject, alarm=str(alarm.alarm_id))
        async with reading(self._engine) as conn:
            sounding = await alarms.counts(conn)
        for code in WORDS:
            self._open.labels(code).set(sum(number for each, _, number in sounding if each == code))
        return 0

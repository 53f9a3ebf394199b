"""Judge alarms: raise what sounds, clear what is quiet; each with its fact on record and its notice in the outbox."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server import alarms as rules
from server.alarms import Seen, Thresholds
from server.edge.wire import rfc3339
from server.stores import alarms, health, watch, webhooks
from server.stores.alarms import Alarm
from server.stores.db import AsyncConnection

DEAD_FOR = timedelta(days=7)
MEASURED_LATELY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the alarms: those raised and those cleared now."""

    raised: tuple[Alarm, ...]
    cleared: tuple[Alarm, ...]


async def judge_alarms(conn: AsyncConnection, *, window: timedelta, now: datetime, jobs_too: bool = True) -> Judged:
    """Look at everything that alarms are judged by, and write what changed; one judge at a time.

    Without `jobs_too` nobody asks how late jobs are: a worker that has just started has not had the time to run them.
    """
    await alarms.lock(conn)
    thresholds = rules.thresholds_from(await alarms.thresholds(conn))
    heard = rules.sounding(await _seen(conn, thresholds, window=window, now=now, jobs_too=jobs_too), thresholds)
    moves = rules.moves(await alarms.open_alarms(conn), heard, now)
    raised = [await alarms.raise_(conn, each, now) for each in moves.raise_]
    for alarm_id, each in moves.hear:
        await alarms.hear(conn, alarm_id, each, now)
    cleared = [await alarms.clear(conn, each.alarm_id, now) for each in moves.clear]
    for event, changed in (("alarm.raised", raised), ("alarm.cleared", cleared)):
        for alarm in changed:
            await webhooks.announce(conn, None, event, document_of(alarm), now)
    return Judged(tuple(raised), tuple(cleared))


async def _seen(
    conn: AsyncConnection, thresholds: Thresholds, *, window: timedelta, now: datetime, jobs_too: bool
) -> Seen:
    measured = await watch.latest_measurement(conn)
    figures = measured[1] if measured and now - measured[0] <= MEASURED_LATELY else {}
    until = now.replace(second=0, microsecond=0)
    return Seen(
        window=window,
        budgets=await watch.budgets_seen(conn),
        liability_fen=figures.get("liability_fen"),
        stock_fen=figures.get("stock_fen"),
        lately=await watch.counted(conn, since=until - window, until=until),
        usually=await watch.counted(conn, since=until - timedelta(days=1), until=until - window),
        tests=await watch.tests_seen(conn, now=now, window=window),
        addresses=await watch.addresses_seen(
            conn, now=now, window=window, least=thresholds.play.address_rate_least_votes
        ),
        jobs=await health.jobs_seen(conn, now) if jobs_too else (),
        webhooks=await watch.dead_webhooks(conn, since=now - DEAD_FOR),
        broken=await watch.broken_laws(conn),
    )


def document_of(alarm: Alarm) -> dict[str, Any]:
    """An alarm as it goes out: its code, subject and figures, and its words in both languages."""
    zh = rules.told(alarm.code, alarm.subject, alarm.figures, english=False)
    en = rules.told(alarm.code, alarm.subject, alarm.figures, english=True)
    return {
        "alarm_id": str(alarm.alarm_id),
        "code": alarm.code,
        "subject": alarm.subject,
        "figures": alarm.figures,
        "raised_at": rfc3339(alarm.raised_at),
        "heard_at": rfc3339(alarm.heard_at),
        "acknowledged_at": rfc3339(alarm.acknowledged_at) if alarm.acknowledged_at else None,
        "acknowledged_by": alarm.acknowledged_by,
        "cleared_at": rfc3339(alarm.cleared_at) if alarm.cleared_at else None,
        "zh": zh._asdict(),
        "en": en._asdict(),
    }

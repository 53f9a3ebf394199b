"""The dashboard: votes, money against plan, liability, queues, jobs, laws and alarms, in one call that costs little.

What takes long to count (liability, days to ripe) was measured by a job; the answer says when.
"""

from datetime import datetime, timedelta
from typing import Any

from admin.api.ops_alarms import AlarmReply
from admin.roles import May
from server.alarms import MachineThresholds, allowed_s, thresholds_from
from server.edge.wire import Call, Reply, Route, rfc3339
from server.flows.judge_alarms import document_of
from server.jobs.watch_votes import WINDOW, minute_of
from server.stores import alarms, blast_radius, health, today, watch
from server.stores.db import reading

SEE = May.SEE_OPERATIONS.value
SHOWN = timedelta(hours=1)


class MinuteReply(Reply):
    """Votes of one minute, and how many of them weigh something."""

    minute: str
    votes: int
    valid: int


class VotesReply(Reply):
    """Votes: a second and valid share over the last whole minutes (null where there were none), and minute by minute."""

    per_s: float
    valid_share: float | None
    usual_share: float | None
    last_hour: int
    minutes: list[MinuteReply]


class MoneyReply(Reply):
    """Today's money in fen: promised, and for paced budgets what was planned until now and for the whole day."""

    promised_fen: int
    paced_fen: int
    planned_so_far_fen: int
    planned_fen: int


class MeasuredReply(Reply):
    """What a job measured; null where it never did, or where nothing says it yet."""

    at: str | None
    liability_fen: int | None
    stock_fen: int | None
    days_to_ripe_p50: int | None
    days_to_ripe_p90: int | None
    growing_trees: int | None
    cost_per_vote_millifen: int | None


class WaitingReply(Reply):
    """What waits for people."""

    cases: int
    appeals: int
    orders: int
    back_orders: int
    damage_reports: int
    reviews: int
    running_tests: int


class JobReply(Reply):
    """One job: how long ago it last ended well (null: never), its pause, and by how much it is late (0: it is not)."""

    name: str
    age_s: float | None
    every_s: float
    late_s: float
    failure: str


class LawsReply(Reply):
    """How the laws of the books stood when they were last checked."""

    checked: int
    hold: int
    at: str | None


class DashboardReply(Reply):
    """Everything at one moment."""

    at: str
    votes: VotesReply
    money: MoneyReply
    measured: MeasuredReply
    waiting: WaitingReply
    jobs: list[JobReply]
    laws: LawsReply
    alarms: list[AlarmReply]
    switched_off: int


async def dashboard(call: Call) -> dict[str, Any]:
    """Everything that the page shows, of one moment."""
    now: datetime = call.now
    until = minute_of(now)
    async with reading(call.shell.engine) as conn:
        lately = await watch.counted(conn, since=until - WINDOW, until=until)
        usually = await watch.counted(conn, since=until - timedelta(days=1), until=until - WINDOW)
        minutes = await watch.votes_by_minute(conn, since=until - SHOWN)
        money = await today.money_today(conn, now)
        measured = await watch.latest_measurement(conn)
        waiting = await today.waiting(conn)
        jobs = await health.jobs_seen(conn, now)
        checked, hold, checked_at = await watch.laws_stood(conn)
        sounding = await alarms.still_open(conn)
        thresholds = thresholds_from(await alarms.thresholds(conn)).machine
        off = [line for line in await blast_radius.standing(conn) if line.stops]
    figures = measured[1] if measured else {}
    share, usual = lately.permille, usually.permille
    return {
        "at": rfc3339(now),
        "votes": {
            "per_s": round(lately.votes / WINDOW.total_seconds(), 2),
            "valid_share": None if share is None else share / 1000,
            "usual_share": None if usual is None else usual / 1000,
            "last_hour": sum(many for _, many, _ in minutes),
            "minutes": [{"minute": rfc3339(at), "votes": many, "valid": valid} for at, many, valid in minutes],
        },
        "money": money,
        "measured": {
            "at": rfc3339(measured[0]) if measured else None,
            **{name: figures.get(name) for name in MeasuredReply.model_fields if name != "at"},
        },
        "waiting": waiting,
        "jobs": [_job(job, thresholds) for job in jobs],
        "laws": {"checked": checked, "hold": hold, "at": rfc3339(checked_at) if checked_at else None},
        "alarms": [document_of(alarm) for alarm in sounding],
        "switched_off": len(off),
    }


def _job(job: Any, thresholds: MachineThresholds) -> dict[str, Any]:
    late_s = 0.0 if job.age_s is None else max(0.0, job.age_s - allowed_s(job.every_s, thresholds))
    return {
        "name": job.name,
        "age_s": None if job.age_s is None else round(job.age_s, 1),
        "every_s": round(job.every_s, 3),
        "late_s": round(late_s, 1),
        "failure": job.failure,
    }


async def get_dashboard(call: Call) -> dict[str, Any]:
    """Everything at one moment, for the page and for whoever builds another."""
    return await dashboard(call)


ROUTES = (
    Route(method="GET", path="/v1/ops/dashboard", handler=get_dashboard, summary="Dashboard", auth=SEE,
          reply=DashboardReply, problems=(401, 403, 503)),
)  # fmt: skip

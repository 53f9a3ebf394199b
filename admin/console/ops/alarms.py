"""/ops/alarms: what sounds and what sounded, from where on it sounds, and who is told."""

from typing import Any

from aiohttp import web

from admin.api.ops_alarms import AlarmsQuery, alarms_page, get_alarm, get_ops_webhooks, get_thresholds
from admin.console.ops.page import ops_page
from admin.roles import May
from server.edge.wire import Call, Route
from server.stores.db import reading

THRESHOLD_WORDS = {
    "budget_spent_permille": ("预算已用达(千分之)", "Budget spent (permille)"),
    "liability_permille": ("负债占库存达(千分之)", "Liability of stock (permille)"),
    "valid_share_least_votes": ("有效占比:至少票数", "Valid share: least votes"),
    "valid_share_fall_permille": ("有效占比:低于平时(千分之)", "Valid share: below usual (permille)"),
    "valid_share_floor_permille": ("有效占比:下限(千分之)", "Valid share: floor (permille)"),
    "test_rate_least_votes": ("任务突增:至少票数", "Test's jump: least votes"),
    "test_rate_times": ("任务突增:平时的几倍", "Test's jump: times the usual"),
    "test_rate_after_launch_s": ("任务突增:上线多少秒后", "Test's jump: seconds after launch"),
    "address_rate_least_votes": ("网段突增:至少票数", "Address's jump: least votes"),
    "address_rate_times": ("网段突增:平时的几倍", "Address's jump: times the usual"),
    "refit_late_s": ("排名滞后(秒)", "Ranking late (s)"),
    "job_late_pauses": ("任务滞后:几个间隔", "Job late: so many pauses"),
    "job_late_least_s": ("任务滞后:至少秒数", "Job late: least seconds"),
}


async def get_alarms_page(call: Call) -> web.Response:
    """What sounds now, then everything that ever did."""
    async with reading(call.shell.engine) as conn:
        told: dict[str, Any] = await alarms_page(conn, before=call.query.cursor, limit=call.query.limit)
    return ops_page(
        call,
        "ops/alarms.html",
        told=told,
        thresholds=await get_thresholds(call),
        threshold_words=THRESHOLD_WORDS,
        webhooks=(await get_ops_webhooks(call))["webhooks"],
        takes=call.who.may(May.TAKE_ALARMS),
        manages=call.who.may(May.MANAGE_ALARMS),
    )


async def get_alarm_page(call: Call) -> web.Response:
    """One alarm and what happened to it."""
    return ops_page(call, "ops/alarm.html", one=await get_alarm(call), takes=call.who.may(May.TAKE_ALARMS))


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/alarms", handler=get_alarms_page, summary="Alarms", auth=May.SEE_OPERATIONS.value,
          query=AlarmsQuery, media="text/html"),
    Route(method="GET", path="/ops/alarms/{alarm_id}", handler=get_alarm_page, summary="An alarm",
          auth=May.SEE_OPERATIONS.value, media="text/html"),
)  # fmt: skip

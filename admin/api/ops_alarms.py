"""Alarms: what sounds and what sounded, who looks after it, from where on it sounds, and who is told of it."""

from typing import Any
from uuid import UUID

import pydantic

from admin.api.webhooks import (
    MOST,
    DeliveriesQuery,
    DeliveriesReply,
    WebhookReply,
    WebhooksReply,
    check_url,
    delivery_reply,
    new_webhook,
    webhook_reply,
)
from admin.roles import May
from server.alarms import Thresholds, thresholds_from
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.judge_alarms import document_of
from server.stores import alarms, audit, webhooks
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.webhooks import Webhook

SEE, TAKE, MANAGE = May.SEE_OPERATIONS.value, May.TAKE_ALARMS.value, May.MANAGE_ALARMS.value
EVENTS = ("alarm.raised", "alarm.cleared")


class ToldReply(Reply):
    """An alarm in one language: its name, what it means, what to do."""

    title: str
    meaning: str
    advice: str


class AlarmReply(Reply):
    """One alarm. It sounds as long as `cleared_at` is null."""

    alarm_id: str
    code: str
    subject: str
    figures: dict[str, Any]
    raised_at: str
    heard_at: str
    acknowledged_at: str | None
    acknowledged_by: str | None
    cleared_at: str | None
    zh: ToldReply
    en: ToldReply


class AlarmsReply(Reply):
    """What sounds now, and a page of all alarms, newest first."""

    open: list[AlarmReply]
    alarms: list[AlarmReply]
    next: str | None


class EventReply(Reply):
    """One thing that happened to an alarm."""

    event: str
    at: str
    who: str
    note: str


class AlarmFileReply(AlarmReply):
    """An alarm with all that happened to it."""

    events: list[EventReply]


class AlarmsQuery(Wire):
    """Which page."""

    cursor: UUID | None = None
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class TakeBody(Wire):
    """What one is going to do about it."""

    reason: str = pydantic.Field(min_length=5, max_length=500)


class ThresholdsReply(Reply):
    """Every threshold as it is, and what it is by default."""

    thresholds: dict[str, int]
    defaults: dict[str, int]


class ThresholdsBody(Wire):
    """Thresholds to change, by name; null takes one back to its default. All others stay."""

    thresholds: dict[str, int | None] = pydantic.Field(min_length=1, max_length=50)
    reason: str = pydantic.Field(min_length=5, max_length=500)


class OpsWebhookBody(Wire):
    """An address that is told when an alarm is raised or clears."""

    url: str = pydantic.Field(min_length=8, max_length=500)
    reason: str = pydantic.Field(min_length=5, max_length=500)


async def alarms_page(conn: AsyncConnection, *, before: UUID | None, limit: int) -> dict[str, Any]:
    """What sounds, and a page of all."""
    page = await alarms.page(conn, before=before, limit=limit + 1)
    shown = page[:limit]
    return {
        "open": [document_of(each) for each in await alarms.still_open(conn)],
        "alarms": [document_of(each) for each in shown],
        "next": str(shown[-1].alarm_id) if len(page) > limit else None,
    }


async def get_alarms(call: Call) -> dict[str, Any]:
    """What sounds now, and what sounded before."""
    async with reading(call.shell.engine) as conn:
        return await alarms_page(conn, before=call.query.cursor, limit=call.query.limit)


async def get_alarm(call: Call) -> dict[str, Any]:
    """One alarm with its facts."""
    async with reading(call.shell.engine) as conn:
        alarm = await alarms.find(conn, call.path_uuid("alarm_id"))
        if alarm is None:
            raise Problem("not_found")
        events = await alarms.events_of(conn, alarm.alarm_id)
    told = [{"event": each.event, "at": rfc3339(each.at), "who": each.who, "note": each.note} for each in events]
    return {**document_of(alarm), "events": told}


async def post_acknowledgement(call: Call) -> dict[str, Any]:
    """Say that one looks after it. Of two who do, the second is told who was first."""
    alarm_id = call.path_uuid("alarm_id")
    async with transaction(call.shell.engine) as conn:
        taken = await alarms.acknowledge(conn, alarm_id, who=call.who.name, note=call.body.reason, now=call.now)
        if taken is None:
            found = await alarms.find(conn, alarm_id)
            if found is None:
                raise Problem("not_found")
            if found.cleared_at is not None:
                raise Problem("alarm_over")
            assert found.acknowledged_at is not None
            raise Problem("alarm_taken", params={"who": found.acknowledged_by, "at": rfc3339(found.acknowledged_at)})
        await audit.write(
            conn, who=call.who.name, what="alarm.acknowledge", object_id=alarm_id,
            after={"code": taken.code, "subject": taken.subject}, why=call.body.reason, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return document_of(taken)


async def get_thresholds(call: Call) -> dict[str, Any]:
    """From where on alarms sound."""
    async with reading(call.shell.engine) as conn:
        changed = await alarms.thresholds(conn)
    return {"thresholds": thresholds_from(changed).figures(), "defaults": Thresholds().figures()}


async def patch_thresholds(call: Call) -> dict[str, Any]:
    """Change thresholds; the next judgement, within a quarter of a minute, goes by them."""
    async with transaction(call.shell.engine) as conn:
        await alarms.lock(conn)
        before = await alarms.thresholds(conn)
        changes = call.body.thresholds
        after = {name: value for name, value in {**before, **changes}.items() if value is not None}
        for name in changes:
            thresholds_from({name: 1})  # an unknown name is refused, though it is only taken back
        thresholds = thresholds_from(after)
        await alarms.save_thresholds(conn, after, who=call.who.name, why=call.body.reason, now=call.now)
        await audit.write(
            conn, who=call.who.name, what="alarm.thresholds", before=before, after=after, why=call.body.reason,
            now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {"thresholds": thresholds.figures(), "defaults": Thresholds().figures()}


async def get_ops_webhooks(call: Call) -> dict[str, Any]:
    """Addresses that are told of alarms."""
    async with reading(call.shell.engine) as conn:
        return {"webhooks": [webhook_reply(each) for each in await webhooks.of_merchant(conn, None)]}


async def post_ops_webhook(call: Call) -> dict[str, Any]:
    """Add an address. The secret that signs its calls is in this answer and nowhere else."""
    check_url(call.body.url, private_too=call.shell.config.mode == "demo")
    async with transaction(call.shell.engine) as conn:
        if len(await webhooks.of_merchant(conn, None)) >= MOST:
            raise Problem("too_many_webhooks", params={"limit": MOST})
        webhook, secret = await new_webhook(
            conn, call.shell.vault, merchant_id=None, url=call.body.url, events=EVENTS, now=call.now
        )
        await audit.write(
            conn, who=call.who.name, what="alarm.webhook_added", object_id=webhook.webhook_id,
            after={"url": webhook.url}, why=call.body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return webhook_reply(webhook, secret)


async def _found(call: Call, conn: AsyncConnection) -> Webhook:
    webhook = await webhooks.find(conn, call.path_uuid("webhook_id"), merchant_id=None)
    if webhook is None:
        raise Problem("not_found")
    return webhook


async def delete_ops_webhook(call: Call) -> None:
    """Forget an address."""
    async with transaction(call.shell.engine) as conn:
        webhook = await _found(call, conn)
        await webhooks.remove(conn, webhook.webhook_id)
        await audit.write(
            conn, who=call.who.name, what="alarm.webhook_removed", object_id=webhook.webhook_id,
            before={"url": webhook.url}, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip


async def get_ops_deliveries(call: Call) -> dict[str, Any]:
    """What was or will be delivered to an address, newest first."""
    async with reading(call.shell.engine) as conn:
        webhook = await _found(call, conn)
        page = await webhooks.deliveries_of(
            conn, webhook.webhook_id, before=call.query.cursor, limit=call.query.limit + 1
        )
    shown = page[: call.query.limit]
    following = str(shown[-1].delivery_id) if len(page) > call.query.limit else None
    return {"deliveries": [delivery_reply(each) for each in shown], "next": following}


_HOOK = "/v1/ops/alarms/webhooks/{webhook_id}"

ROUTES = (
    Route(method="GET", path="/v1/ops/alarms", handler=get_alarms, summary="Alarms", auth=SEE, query=AlarmsQuery,
          reply=AlarmsReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/alarms/thresholds", handler=get_thresholds, summary="Thresholds of alarms",
          auth=SEE, reply=ThresholdsReply, problems=(401, 403, 503)),
    Route(method="PATCH", path="/v1/ops/alarms/thresholds", handler=patch_thresholds, summary="Change thresholds",
          auth=MANAGE, body=ThresholdsBody, reply=ThresholdsReply, problems=(401, 403, 413, 415, 422, 503)),
    Route(method="GET", path="/v1/ops/alarms/webhooks", handler=get_ops_webhooks, summary="Who is told of alarms",
          auth=SEE, reply=WebhooksReply, problems=(401, 403, 503)),
    Route(method="POST", path="/v1/ops/alarms/webhooks", handler=post_ops_webhook, summary="Tell an address of alarms",
          auth=MANAGE, body=OpsWebhookBody, reply=WebhookReply, status=201, problems=(401, 403, 409, 413, 415, 422, 503)),
    Route(method="DELETE", path=_HOOK, handler=delete_ops_webhook, summary="Tell an address no more", auth=MANAGE,
          status=204, problems=(401, 403, 404, 503)),
    Route(method="GET", path=f"{_HOOK}/deliveries", handler=get_ops_deliveries, summary="Notices to an address",
          auth=SEE, query=DeliveriesQuery, reply=DeliveriesReply, problems=(401, 403, 404, 422, 503)),
    Route(method="GET", path="/v1/ops/alarms/{alarm_id}", handler=get_alarm, summary="One alarm", auth=SEE,
          reply=AlarmFileReply, problems=(401, 403, 404, 503)),
    Route(method="POST", path="/v1/ops/alarms/{alarm_id}/acknowledge", handler=post_acknowledgement,
          summary="Look after an alarm", auth=TAKE, body=TakeBody, reply=AlarmReply,
          problems=(401, 403, 404, 409, 413, 415, 422, 503)),
)  # fmt: skip

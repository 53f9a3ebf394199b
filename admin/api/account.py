"""A merchant's account: API keys with scopes, and the bill."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.api.tests import OWN, PageQuery, cursor_of, merchant_of, read_cursor
from admin.flows.issue_key import issue_key, rotate_key
from rewards import ledger as books
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.stores import audit, billing, ledger, tests
from server.stores.db import reading, transaction

LAST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
Scope = Literal["read", "write"]


class KeyBody(Wire):
    """A key's name and what it may do."""

    name: str = pydantic.Field(min_length=1, max_length=60)
    scopes: list[Scope] = pydantic.Field(default=["read"], min_length=1, max_length=2)


class KeyRotationBody(Wire):
    """How many hours the old key opens things beside the new one."""

    grace_hours: int = pydantic.Field(default=24, ge=0, le=24 * 30)


class KeyReply(Reply):
    """A key; the key itself is shown once, when it is made."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    key: str | None = None


class KeysReply(Reply):
    """All keys, newest first."""

    keys: list[KeyReply]


class BillReply(Reply):
    """One test's money in fen: put in, charged, given back, still at work."""

    test_id: str
    title: str
    state: str
    launched_at: str | None
    paid_fen: int
    charged_fen: int
    returned_fen: int
    at_work_fen: int


class BillingReply(Reply):
    """The balance, and a page of tests with their money, newest first."""

    balance_fen: int
    bills: list[BillReply]
    next: str | None


def _a_person(call: Call) -> None:
    if call.who.user_id is None:
        raise Problem("keys_need_a_person")


async def post_keys(call: Call) -> dict[str, Any]:
    """Make an API key. It is in this answer and nowhere else: only its digest is kept."""
    merchant_id = merchant_of(call)
    _a_person(call)
    async with transaction(call.shell.engine) as conn:
        issued = await issue_key(
            conn, merchant_id, name=call.body.name, scopes=call.body.scopes, who=call.who.name, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {
        "key_id": str(issued.key_id),
        "name": issued.name,
        "scopes": list(issued.scopes),
        "created_at": rfc3339(call.now),
        "key": issued.key,
    }


async def post_key_rotation(call: Call) -> dict[str, Any]:
    """A new key in place of an old one, which still opens things for the hours of grace, so that no call is dropped."""
    merchant_id = merchant_of(call)
    _a_person(call)
    async with transaction(call.shell.engine) as conn:
        issued = await rotate_key(
            conn, merchant_id, call.path_uuid("key_id"), grace=timedelta(hours=call.body.grace_hours),
            who=call.who.name, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {
        "key_id": str(issued.key_id),
        "name": issued.name,
        "scopes": list(issued.scopes),
        "created_at": rfc3339(call.now),
        "key": issued.key,
    }


async def get_keys(call: Call) -> dict[str, Any]:
    """All keys of the merchant, without what opens anything."""
    merchant_id = merchant_of(call)
    async with reading(call.shell.engine) as conn:
        rows = await tests.keys_of_merchant(conn, merchant_id)
    return {
        "keys": [
            {
                "key_id": str(row.key_id),
                "name": row.name,
                "scopes": list(row.scopes),
                "created_at": rfc3339(row.created_at),
                "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
                "revoked_at": rfc3339(row.revoked_at) if row.revoked_at else None,
            }
            for row in rows
        ]
    }


async def delete_key(call: Call) -> None:
    """Make a key useless, from this moment on."""
    merchant_id = merchant_of(call)
    _a_person(call)
    key_id = call.path_uuid("key_id")
    async with transaction(call.shell.engine) as conn:
        if not await tests.revoke_key(conn, key_id, merchant_id=merchant_id, now=call.now):
            raise Problem("not_found")
        await audit.write(
            conn, who=call.who.name, what="key.revoked", object_id=key_id, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip


async def get_billing(call: Call) -> dict[str, Any]:
    """The balance and the bill of each test."""
    merchant_id = merchant_of(call)
    before = read_cursor(call.query.cursor) if call.query.cursor else LAST
    async with reading(call.shell.engine) as conn:
        balance_fen = await ledger.balance(conn, books.merchant(merchant_id))
        page = await billing.bills(conn, merchant_id, before=before, limit=call.query.limit + 1)
    shown, more = page[: call.query.limit], len(page) > call.query.limit
    return {
        "balance_fen": balance_fen,
        "bills": [
            {
                "test_id": str(bill.test_id),
                "title": bill.title,
                "state": bill.state,
                "launched_at": rfc3339(bill.launched_at) if bill.launched_at else None,
                "paid_fen": bill.paid_fen,
                "charged_fen": bill.charged_fen,
                "returned_fen": bill.returned_fen,
                "at_work_fen": bill.at_work_fen,
            }
            for bill in shown
        ],
        "next": cursor_of(shown[-1].created_at, shown[-1].test_id) if more else None,
    }


ROUTES = (
    Route(method="POST", path="/v1/merchant/keys", handler=post_keys, summary="Make an API key", auth=OWN, body=KeyBody,
          reply=KeyReply, status=201, problems=(401, 403, 409, 413, 415, 422, 503)),
    Route(method="GET", path="/v1/merchant/keys", handler=get_keys, summary="API keys", auth=OWN, reply=KeysReply,
          problems=(401, 403, 503)),
    Route(method="POST", path="/v1/merchant/keys/{key_id}/rotate", handler=post_key_rotation,
          summary="Rotate an API key", auth=OWN, body=KeyRotationBody, reply=KeyReply, status=201,
          problems=(401, 403, 404, 409, 413, 415, 422, 503)),
    Route(method="DELETE", path="/v1/merchant/keys/{key_id}", handler=delete_key, summary="Revoke an API key", auth=OWN,
          status=204, problems=(401, 403, 404, 503)),
    Route(method="GET", path="/v1/merchant/billing", handler=get_billing, summary="Balance and bills", auth=OWN,
          query=PageQuery, reply=BillingReply, problems=(401, 403, 422, 503)),
)  # fmt: skip

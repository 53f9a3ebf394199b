"""Merchants at an operator's desk: their people, keys, what keeps those people from their own tests, and what they have."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.api.account import Scope
from admin.api.ops_pages import READS, WRITES, Filters, Reason, pack, unpack
from admin.api.ops_people import Login, NewPersonReply, PersonReply, a_person, person_reply
from admin.flows.add_person import FIRST_PASSWORD_BYTES, add_person
from admin.flows.change_person import change_person
from admin.flows.issue_key import issue_key, rotate_key
from admin.flows.sign_in import hash_password
from admin.passwords import one_time
from admin.roles import May, Role
from rewards import ledger as books
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.ids import uuid7
from server.stores import audit, ledger, merchants, staff, tests
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.merchants import Merchant

SEE, MANAGE = May.SEE_MERCHANTS.value, May.MANAGE_MERCHANTS.value
MOST_PEOPLE, MOST_TESTS = 100, 20


class MerchantsQuery(Filters):
    """Which page, and with what in the name."""

    text: str = pydantic.Field(default="", max_length=60)
    cursor: str | None = pydantic.Field(default=None, max_length=300)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class MerchantReply(Reply):
    """A merchant, its balance in fen, and how many of its tests are open."""

    merchant_id: str
    name: str
    created_at: str
    balance_fen: int
    open_tests: int


class MerchantsReply(Reply):
    """A page of merchants, newest first."""

    merchants: list[MerchantReply]
    next: str | None


class MerchantKeyReply(Reply):
    """A key without what it opens; it ends at `expires_at` where it was rotated."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class NewKeyReply(Reply):
    """A key, shown this once."""

    key_id: str
    name: str
    scopes: list[str]
    key: str


class StaffLinkSeenReply(Reply):
    """Something of one of a merchant's people; `digest` names it and says nothing."""

    kind: str
    digest: str
    added_by: str
    at: str


class MerchantTestReply(Reply):
    """A test of a merchant."""

    test_id: str
    title: str
    state: str
    budget_fen: int
    created_at: str


class MerchantFileReply(MerchantReply):
    """A merchant with people, keys, links and the newest tests."""

    people: list[PersonReply]
    keys: list[MerchantKeyReply]
    links: list[StaffLinkSeenReply]
    tests: list[MerchantTestReply]


class MerchantBody(Wire):
    """A merchant's name, and why it is made or changed."""

    name: str = pydantic.Field(min_length=1, max_length=60)
    reason: Reason


class MerchantPersonBody(Wire):
    """Somebody of a merchant."""

    login: Login  # type: ignore[valid-type]
    name: str = pydantic.Field(min_length=1, max_length=60)
    reason: Reason


class MerchantPersonChange(Wire):
    """What changes of a merchant's person: only what is named."""

    name: str | None = pydantic.Field(default=None, min_length=1, max_length=60)
    disabled: bool | None = None
    without_second_factor: bool = False
    reason: Reason


class MerchantKeyBody(Wire):
    """A key's name, what it may do, and why it is made."""

    name: str = pydantic.Field(min_length=1, max_length=60)
    scopes: list[Scope] = pydantic.Field(default=["read"], min_length=1, max_length=2)
    reason: Reason


class RotateBody(Wire):
    """How many hours the old key opens things beside the new one, and why."""

    grace_hours: int = pydantic.Field(default=24, ge=0, le=24 * 30)
    reason: Reason


class WhyNow(Wire):
    """Why."""

    reason: Reason


class UnlinkBody(Wire):
    """Which link is taken away, as it was listed, and why."""

    kind: Literal["device", "phone", "payee", "player"]
    digest: str = pydantic.Field(pattern=r"^(?:[0-9a-f]{2}){1,64}$")
    reason: Reason


async def _merchant(conn: AsyncConnection, call: Call) -> Merchant:
    found = await merchants.find(conn, call.path_uuid("merchant_id"))
    if found is None:
        raise Problem("not_found")
    return found


async def _reply(conn: AsyncConnection, found: Merchant) -> dict[str, Any]:
    return (await _replies(conn, [found]))[0]


async def _replies(conn: AsyncConnection, found: list[Merchant]) -> list[dict[str, Any]]:
    """Merchants as they are told; their balances are asked for together."""
    balances = await ledger.balances(conn, [books.merchant(one.merchant_id) for one in found])
    return [_told(one, balances[books.merchant(one.merchant_id)]) for one in found]


def _told(found: Merchant, balance_fen: int) -> dict[str, Any]:
    return {
        "merchant_id": str(found.merchant_id),
        "name": found.name,
        "created_at": rfc3339(found.created_at),
        "balance_fen": balance_fen,
        "open_tests": found.open_tests,
    }


async def _note(
    call: Call, conn: AsyncConnection, what: str, object_id: UUID, *, before: Any = None, after: Any = None
) -> None:
    await audit.write(
        conn, who=call.who.name, what=what, object_id=object_id, before=before, after=after, why=call.body.reason,
        now=call.now, request_id=call.request[REQUEST_ID],
    )  # fmt: skip


async def get_merchants(call: Call) -> dict[str, Any]:
    """Merchants, newest first."""
    asked = call.query
    before = unpack(asked.cursor, UUID)
    async with reading(call.shell.engine) as conn:
        found = await merchants.page(
            conn, text=asked.text.strip(), before=before[0] if before else None, limit=asked.limit + 1
        )
        shown, more = found[: asked.limit], len(found) > asked.limit
        told = await _replies(conn, shown)
    return {"merchants": told, "next": pack(shown[-1].merchant_id) if more else None}


async def post_merchant(call: Call) -> dict[str, Any]:
    """Take a merchant on."""
    merchant_id = uuid7()
    async with transaction(call.shell.engine) as conn:
        await tests.add_merchant(conn, merchant_id=merchant_id, name=call.body.name, now=call.now)
        await _note(call, conn, "merchant.add", merchant_id, after={"name": call.body.name})
        found = await merchants.find(conn, merchant_id)
        assert found is not None
        return await _reply(conn, found)


async def patch_merchant(call: Call) -> dict[str, Any]:
    """Give a merchant another name."""
    async with transaction(call.shell.engine) as conn:
        merchant_id = call.path_uuid("merchant_id")
        before = await merchants.rename(conn, merchant_id, call.body.name)
        if before is None:
            raise Problem("not_found")
        if before != call.body.name:
            await _note(
                call, conn, "merchant.rename", merchant_id, before={"name": before}, after={"name": call.body.name}
            )
        return await _reply(conn, await _merchant(conn, call))


async def get_merchant(call: Call) -> dict[str, Any]:
    """A merchant with people, keys, links and its newest tests."""
    async with reading(call.shell.engine) as conn:
        found = await _merchant(conn, call)
        people = await staff.page(conn, merchant_id=found.merchant_id, limit=MOST_PEOPLE)
        keys = await tests.keys_of_merchant(conn, found.merchant_id)
        newest = await tests.of_merchant(conn, found.merchant_id, limit=MOST_TESTS)
        return {
            **await _reply(conn, found),
            "people": [person_reply(one) for one in people],
            "keys": [
                {
                    "key_id": str(key.key_id),
                    "name": key.name,
                    "scopes": list(key.scopes),
                    "created_at": rfc3339(key.created_at),
                    "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
                    "revoked_at": rfc3339(key.revoked_at) if key.revoked_at else None,
                }
                for key in keys
            ],
            "links": [
                {"kind": link.kind, "digest": link.digest.hex(), "added_by": link.added_by, "at": rfc3339(link.at)}
                for link in await merchants.links_of(conn, found.merchant_id)
            ],
            "tests": [
                {
                    "test_id": str(test.test_id),
                    "title": test.title,
                    "state": test.state.value,
                    "budget_fen": test.budget_fen,
                    "created_at": rfc3339(test.created_at) if test.created_at else "",
                }
                for test in newest
            ],
        }


async def post_merchant_person(call: Call) -> dict[str, Any]:
    """Let somebody of a merchant in, with a password for the first time only."""
    a_person(call)
    async with reading(call.shell.engine) as conn:
        found = await _merchant(conn, call)
    added = await add_person(
        call.shell.engine, login=call.body.login, name=call.body.name, roles={Role.MERCHANT},
        merchant_id=found.merchant_id, who=call.who.name, why=call.body.reason, now=call.now,
        request_id=call.request[REQUEST_ID],
    )  # fmt: skip
    async with reading(call.shell.engine) as conn:
        person = await staff.find(conn, added.user_id)
    assert person is not None
    return {**person_reply(person), "password": added.password}


async def patch_merchant_person(call: Call) -> dict[str, Any]:
    """Rename, shut out or let in again, forget a lost second factor."""
    a_person(call)
    body = call.body
    async with transaction(call.shell.engine) as conn:
        person = await change_person(
            conn, call.path_uuid("user_id"), name=body.name, disabled=body.disabled,
            without_second_factor=body.without_second_factor, merchant_id=call.path_uuid("merchant_id"),
            who=call.who.name, why=body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return person_reply(person)


async def post_merchant_password(call: Call) -> dict[str, Any]:
    """A new one-time password for a merchant's person."""
    a_person(call)
    password = one_time(secrets.token_bytes(FIRST_PASSWORD_BYTES))
    hashed = await asyncio.to_thread(hash_password, password)
    async with transaction(call.shell.engine) as conn:
        person = await change_person(
            conn, call.path_uuid("user_id"), password_hash=hashed, merchant_id=call.path_uuid("merchant_id"),
            who=call.who.name, why=call.body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {**person_reply(person), "password": password}


async def post_merchant_key(call: Call) -> dict[str, Any]:
    """Issue a key for a merchant; it is in this answer and nowhere else."""
    a_person(call)
    async with transaction(call.shell.engine) as conn:
        found = await _merchant(conn, call)
        issued = await issue_key(
            conn, found.merchant_id, name=call.body.name, scopes=call.body.scopes, who=call.who.name,
            why=call.body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {"key_id": str(issued.key_id), "name": issued.name, "scopes": list(issued.scopes), "key": issued.key}


async def post_rotation(call: Call) -> dict[str, Any]:
    """A new key in place of an old one, which still opens things for the hours of grace: no call is dropped."""
    a_person(call)
    async with transaction(call.shell.engine) as conn:
        issued = await rotate_key(
            conn, call.path_uuid("merchant_id"), call.path_uuid("key_id"),
            grace=timedelta(hours=call.body.grace_hours), who=call.who.name, why=call.body.reason, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {"key_id": str(issued.key_id), "name": issued.name, "scopes": list(issued.scopes), "key": issued.key}


async def post_revocation(call: Call) -> None:
    """Make a merchant's key useless, from this moment on."""
    a_person(call)
    key_id = call.path_uuid("key_id")
    async with transaction(call.shell.engine) as conn:
        if not await tests.revoke_key(conn, key_id, merchant_id=call.path_uuid("merchant_id"), now=call.now):
            raise Problem("not_found")
        await _note(call, conn, "key.revoked", key_id)


async def post_unlink(call: Call) -> None:
    """Take a link of a merchant's people away: who left the merchant may be dealt its tests again."""
    body = call.body
    async with transaction(call.shell.engine) as conn:
        merchant_id = call.path_uuid("merchant_id")
        if not await merchants.unlink(conn, merchant_id, kind=body.kind, digest=bytes.fromhex(body.digest)):
            raise Problem("not_found")
        await _note(call, conn, "merchant.unlink_staff", merchant_id, before={"kind": body.kind})


_ONE = "/v1/ops/merchants/{merchant_id}"
# Answers that hold a password or a key are not kept for an Idempotency-Key.
ROUTES = (
    Route(method="GET", path="/v1/ops/merchants", handler=get_merchants, summary="Merchants", auth=SEE,
          query=MerchantsQuery, reply=MerchantsReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path="/v1/ops/merchants", handler=post_merchant, summary="Take a merchant on", auth=MANAGE,
          body=MerchantBody, reply=MerchantReply, status=201, problems=WRITES, idempotent=True),
    Route(method="GET", path=_ONE, handler=get_merchant, summary="A merchant", auth=SEE, reply=MerchantFileReply,
          problems=READS),
    Route(method="PATCH", path=_ONE, handler=patch_merchant, summary="Rename a merchant", auth=MANAGE,
          body=MerchantBody, reply=MerchantReply, problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_ONE}/people", handler=post_merchant_person, summary="Let a merchant's person in",
          auth=MANAGE, body=MerchantPersonBody, reply=NewPersonReply, status=201, problems=WRITES),
    Route(method="PATCH", path=f"{_ONE}/people/{{user_id}}", handler=patch_merchant_person,
          summary="Change a merchant's person", auth=MANAGE, body=MerchantPersonChange, reply=PersonReply,
          problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_ONE}/people/{{user_id}}/password", handler=post_merchant_password,
          summary="A new one-time password for a merchant's person", auth=MANAGE, body=WhyNow, reply=NewPersonReply,
          problems=WRITES),
    Route(method="POST", path=f"{_ONE}/keys", handler=post_merchant_key, summary="Issue a merchant's key", auth=MANAGE,
          body=MerchantKeyBody, reply=NewKeyReply, status=201, problems=WRITES),
    Route(method="POST", path=f"{_ONE}/keys/{{key_id}}/rotate", handler=post_rotation, summary="Rotate a merchant's key",
          auth=MANAGE, body=RotateBody, reply=NewKeyReply, status=201, problems=WRITES),
    Route(method="POST", path=f"{_ONE}/keys/{{key_id}}/revoke", handler=post_revocation,
          summary="Revoke a merchant's key", auth=MANAGE, body=WhyNow, status=204, problems=WRITES, idempotent=True),
    Route(method="POST", path=f"{_ONE}/links/remove", handler=post_unlink, summary="Take a staff link away",
          auth=MANAGE, body=UnlinkBody, status=204, problems=WRITES, idempotent=True),
)  # fmt: skip

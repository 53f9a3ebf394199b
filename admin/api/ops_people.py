"""People behind the door: operators with their roles, what is open of them, and one's own account."""

import asyncio
import io
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pydantic
import segno

from admin.api.ops_pages import READS, WRITES, Filters, Reason
from admin.api.tests import cursor_of, read_cursor
from admin.flows.add_person import FIRST_PASSWORD_BYTES, LOGIN_PATTERN, add_person
from admin.flows.change_own_password import change_own_password
from admin.flows.change_person import change_person
from admin.flows.enrol_second_factor import offer_second_factor, prove_second_factor
from admin.flows.issue_key import issue_key
from admin.flows.sign_in import hash_password
from admin.passwords import one_time
from admin.roles import OPERATOR_ROLES, May, Role
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.stores import audit, merchants, staff
from server.stores.db import reading, transaction
from server.stores.staff import ConsoleSession, StaffMember

MANAGE, ANYONE = May.MANAGE_STAFF.value, May.ANYONE_SIGNED_IN.value
Login = pydantic.constr(pattern=LOGIN_PATTERN)


class PeopleQuery(Filters):
    """Which page, with which role, with what in login or name."""

    role: Role | None = None
    text: str = pydantic.Field(default="", max_length=60)
    cursor: str | None = pydantic.Field(default=None, max_length=200)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class PersonReply(Reply):
    """A person behind the door."""

    user_id: str
    login: str
    name: str
    roles: list[str]
    merchant_id: str | None
    second_factor: bool
    password_is_initial: bool
    created_at: str
    locked_until: str | None
    disabled_at: str | None


class PeopleReply(Reply):
    """A page of people, newest first; `next` is the cursor of the page after it."""

    people: list[PersonReply]
    next: str | None


class ConsoleSessionReply(Reply):
    """A session that is open."""

    session_id: str
    created_at: str
    seen_at: str
    expires_at: str
    second_factor: bool
    agent: str
    present: bool


class PersonFileReply(PersonReply):
    """A person with the sessions that are open."""

    sessions: list[ConsoleSessionReply]


class PersonBody(Wire):
    """A new operator."""

    login: Login  # type: ignore[valid-type]
    name: str = pydantic.Field(min_length=1, max_length=60)
    roles: list[Role] = pydantic.Field(min_length=1, max_length=len(OPERATOR_ROLES))
    reason: Reason


class NewPersonReply(PersonReply):
    """A person, and a password for the first sign-in, shown this once."""

    password: str


class PersonChange(Wire):
    """What changes of a person: only what is named."""

    name: str | None = pydantic.Field(default=None, min_length=1, max_length=60)
    roles: list[Role] | None = pydantic.Field(default=None, min_length=1, max_length=len(OPERATOR_ROLES))
    disabled: bool | None = None
    without_second_factor: bool = False
    reason: Reason


class WhyBody(Wire):
    """Why."""

    reason: Reason


class EndedReply(Reply):
    """How many sessions were ended."""

    ended: int


class OwnPasswordBody(Wire):
    """The present password, and the one that shall be."""

    old: str = pydantic.Field(min_length=1, max_length=200)
    new: str = pydantic.Field(min_length=1, max_length=200)


class OwnPasswordOnlyBody(Wire):
    """The present password."""

    old: str = pydantic.Field(min_length=1, max_length=200)


class SecondFactorReply(Reply):
    """A secret for an authenticator, shown this once: as text, as an address, and as a QR code (SVG)."""

    secret: str
    uri: str
    qr_svg: str


class OfficeKeyBody(Wire):
    """A key for a program of the office: what it is for, as which roles it calls, and whether it may write."""

    name: str = pydantic.Field(min_length=1, max_length=60)
    roles: list[Role] = pydantic.Field(min_length=1, max_length=len(OPERATOR_ROLES))
    write: bool = False
    reason: Reason


class OfficeKeyReply(Reply):
    """A key of the office without what it opens."""

    key_id: str
    name: str
    roles: list[str]
    write: bool
    created_at: str
    revoked_at: str | None


class NewOfficeKeyReply(OfficeKeyReply):
    """A key of the office, shown this once."""

    key: str


class OfficeKeysReply(Reply):
    """All keys of the office, newest first."""

    keys: list[OfficeKeyReply]


class CodeBody(Wire):
    """Six digits of the authenticator."""

    code: str = pydantic.Field(pattern=r"^\d{6}$")


def a_person(call: Call) -> UUID:
    """Who calls, as a person: raises Problem `keys_need_a_person` for a key."""
    user_id: UUID | None = call.who.user_id
    if user_id is None:
        raise Problem("keys_need_a_person")
    return user_id


def operators(roles: list[Role] | None) -> list[Role] | None:
    """Roles of operators; a merchant's people are managed with their merchant."""
    if roles is not None and Role.MERCHANT in roles:
        raise Problem(
            "field_invalid", field="roles", params={"field_name": "roles", "problem": "merchant is no operator's role"}
        )
    return roles


def person_reply(person: StaffMember) -> dict[str, Any]:
    """A person as told."""
    return {
        "user_id": str(person.user_id),
        "login": person.login,
        "name": person.name,
        "roles": sorted(person.roles),
        "merchant_id": str(person.merchant_id) if person.merchant_id else None,
        "second_factor": person.sealed_totp is not None,
        "password_is_initial": person.password_is_initial,
        "created_at": rfc3339(person.created_at),
        "locked_until": rfc3339(person.locked_until) if person.locked_until else None,
        "disabled_at": rfc3339(person.disabled_at) if person.disabled_at else None,
    }


def _session(session: ConsoleSession, present: UUID | None) -> dict[str, Any]:
    return {
        "session_id": str(session.session_id),
        "created_at": rfc3339(session.created_at),
        "seen_at": rfc3339(session.seen_at),
        "expires_at": rfc3339(session.expires_at),
        "second_factor": session.second_factor,
        "agent": session.agent,
        "present": session.session_id == present,
    }


async def get_people(call: Call) -> dict[str, Any]:
    """Operators, newest first."""
    asked = call.query
    before = read_cursor(asked.cursor) if asked.cursor else None
    async with reading(call.shell.engine) as conn:
        found = await staff.page(conn, role=asked.role, text=asked.text.strip(), before=before, limit=asked.limit + 1)
    shown, more = found[: asked.limit], len(found) > asked.limit
    return {
        "people": [person_reply(one) for one in shown],
        "next": cursor_of(shown[-1].created_at, shown[-1].user_id) if more else None,
    }


async def get_person(call: Call) -> dict[str, Any]:
    """An operator with the sessions that are open."""
    user_id = call.path_uuid("user_id")
    async with reading(call.shell.engine) as conn:
        person = await staff.find(conn, user_id)
        if person is None or person.merchant_id is not None:
            raise Problem("not_found")
        sessions = await staff.sessions_of(conn, user_id, call.now)
    return {**person_reply(person), "sessions": [_session(one, call.who.session_id) for one in sessions]}


async def post_person(call: Call) -> dict[str, Any]:
    """Let an operator in. The password is in this answer and nowhere else, and must be changed at the first sign-in."""
    a_person(call)
    body = call.body
    roles = operators(body.roles)
    assert roles is not None
    added = await add_person(
        call.shell.engine, login=body.login, name=body.name, roles=set(roles), merchant_id=None, who=call.who.name,
        why=body.reason, now=call.now, request_id=call.request[REQUEST_ID],
    )  # fmt: skip
    async with reading(call.shell.engine) as conn:
        person = await staff.find(conn, added.user_id)
    assert person is not None
    return {**person_reply(person), "password": added.password}


async def patch_person(call: Call) -> dict[str, Any]:
    """Change roles or name, shut out or let in again, forget a lost second factor."""
    a_person(call)
    body = call.body
    roles = operators(body.roles)
    async with transaction(call.shell.engine) as conn:
        person = await change_person(
            conn, call.path_uuid("user_id"), name=body.name, roles=set(roles) if roles else None,
            disabled=body.disabled, without_second_factor=body.without_second_factor, who=call.who.name,
            why=body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return person_reply(person)


async def post_new_password(call: Call) -> dict[str, Any]:
    """A new one-time password for whoever lost the old one; the lock-out ends, and so does every open session."""
    a_person(call)
    password = one_time(secrets.token_bytes(FIRST_PASSWORD_BYTES))
    hashed = await asyncio.to_thread(hash_password, password)
    async with transaction(call.shell.engine) as conn:
        person = await change_person(
            conn, call.path_uuid("user_id"), password_hash=hashed, who=call.who.name, why=call.body.reason,
            now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {**person_reply(person), "password": password}


async def post_sessions_end(call: Call) -> dict[str, Any]:
    """End every open session of an operator."""
    a_person(call)
    user_id = call.path_uuid("user_id")
    async with transaction(call.shell.engine) as conn:
        person = await staff.find(conn, user_id)
        if person is None or person.merchant_id is not None:
            raise Problem("not_found")
        ended = await staff.revoke_sessions(conn, user_id, call.now)
        await audit.write(
            conn, who=call.who.name, what="staff.sessions_ended", object_id=user_id, after={"ended": ended},
            why=call.body.reason, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {"ended": ended}


def _office_key(
    key_id: UUID, name: str, scopes: Sequence[str], created_at: datetime, revoked_at: datetime | None
) -> Any:
    return {
        "key_id": str(key_id),
        "name": name,
        "roles": sorted(scope for scope in scopes if scope in list(OPERATOR_ROLES)),
        "write": "write" in scopes,
        "created_at": rfc3339(created_at),
        "revoked_at": rfc3339(revoked_at) if revoked_at else None,
    }


async def get_office_keys(call: Call) -> dict[str, Any]:
    """Keys of programs of the office."""
    async with reading(call.shell.engine) as conn:
        rows = await merchants.office_keys(conn)
    return {"keys": [_office_key(row.key_id, row.name, row.scopes, row.created_at, row.revoked_at) for row in rows]}


async def post_office_key(call: Call) -> dict[str, Any]:
    """A key with roles for a program of the office. What asks for a person stays closed to it, whatever its roles."""
    a_person(call)
    body = call.body
    roles = operators(body.roles)
    assert roles is not None
    scopes = [*roles, *(["write"] if body.write else [])]
    async with transaction(call.shell.engine) as conn:
        issued = await issue_key(
            conn, None, name=body.name, scopes=scopes, who=call.who.name, why=body.reason, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip
    return {**_office_key(issued.key_id, issued.name, issued.scopes, call.now, None), "key": issued.key}


async def post_office_key_end(call: Call) -> None:
    """Make a key of the office useless, from this moment on."""
    a_person(call)
    key_id = call.path_uuid("key_id")
    async with transaction(call.shell.engine) as conn:
        if not await merchants.revoke_office_key(conn, key_id, call.now):
            raise Problem("not_found")
        await audit.write(
            conn, who=call.who.name, what="key.revoked", object_id=key_id, why=call.body.reason, now=call.now,
            request_id=call.request[REQUEST_ID],
        )  # fmt: skip


async def get_me(call: Call) -> dict[str, Any]:
    """One's own account with the sessions that are open."""
    user_id = a_person(call)
    async with reading(call.shell.engine) as conn:
        person = await staff.find(conn, user_id)
        sessions = await staff.sessions_of(conn, user_id, call.now)
    assert person is not None
    return {**person_reply(person), "sessions": [_session(one, call.who.session_id) for one in sessions]}


async def post_own_password(call: Call) -> None:
    """Choose a password; one's other sessions end."""
    await change_own_password(
        call.shell.engine, a_person(call), call.who.session_id, old=call.body.old, new=call.body.new, now=call.now,
        request_id=call.request[REQUEST_ID],
    )  # fmt: skip


async def post_second_factor(call: Call) -> dict[str, Any]:
    """A secret for an authenticator; it counts once a code of it has been given."""
    shell = call.shell
    offered = await offer_second_factor(shell.engine, shell.vault, a_person(call), password=call.body.old, now=call.now)
    out = io.BytesIO()
    segno.make(offered.uri, error="m", micro=False).save(out, kind="svg", scale=5, border=3, xmldecl=False)
    return {"secret": offered.secret, "uri": offered.uri, "qr_svg": out.getvalue().decode()}


async def post_second_factor_proof(call: Call) -> None:
    """Give a code of the secret that was shown: from now on signing in asks for one."""
    shell = call.shell
    await prove_second_factor(
        shell.engine, shell.vault, a_person(call), call.who.session_id, code=call.body.code, now=call.now,
        request_id=call.request[REQUEST_ID],
    )  # fmt: skip


async def delete_own_session(call: Call) -> None:
    """End one of one's own sessions."""
    user_id, session_id = a_person(call), call.path_uuid("session_id")
    async with transaction(call.shell.engine) as conn:
        if not await staff.revoke_session(conn, session_id, call.now, user_id=user_id):
            raise Problem("not_found")
        await audit.write(
            conn, who=call.who.name, what="staff.session_ended", object_id=user_id,
            after={"session_id": str(session_id)}, now=call.now, request_id=call.request[REQUEST_ID],
        )  # fmt: skip


# Answers that hold a password or a secret are not kept for an Idempotency-Key: they are in one place, the reader's.
ROUTES = (
    Route(method="GET", path="/v1/ops/staff", handler=get_people, summary="Operators", auth=MANAGE, query=PeopleQuery,
          reply=PeopleReply, problems=(401, 403, 422, 503)),
    Route(method="POST", path="/v1/ops/staff", handler=post_person, summary="Let an operator in", auth=MANAGE,
          body=PersonBody, reply=NewPersonReply, status=201, problems=WRITES),
    Route(method="GET", path="/v1/ops/staff/{user_id}", handler=get_person, summary="An operator", auth=MANAGE,
          reply=PersonFileReply, problems=READS),
    Route(method="PATCH", path="/v1/ops/staff/{user_id}", handler=patch_person, summary="Change an operator",
          auth=MANAGE, body=PersonChange, reply=PersonReply, problems=WRITES, idempotent=True),
    Route(method="POST", path="/v1/ops/staff/{user_id}/password", handler=post_new_password,
          summary="A new one-time password", auth=MANAGE, body=WhyBody, reply=NewPersonReply, problems=WRITES),
    Route(method="POST", path="/v1/ops/staff/{user_id}/sessions/end", handler=post_sessions_end,
          summary="End an operator's sessions", auth=MANAGE, body=WhyBody, reply=EndedReply, problems=WRITES,
          idempotent=True),
    Route(method="GET", path="/v1/ops/keys", handler=get_office_keys, summary="Keys of the office", auth=MANAGE,
          reply=OfficeKeysReply, problems=(401, 403, 503)),
    Route(method="POST", path="/v1/ops/keys", handler=post_office_key, summary="Issue a key of the office", auth=MANAGE,
          body=OfficeKeyBody, reply=NewOfficeKeyReply, status=201, problems=WRITES),
    Route(method="POST", path="/v1/ops/keys/{key_id}/revoke", handler=post_office_key_end,
          summary="Revoke a key of the office", auth=MANAGE, body=WhyBody, status=204, problems=WRITES, idempotent=True),
    Route(method="GET", path="/v1/ops/me", handler=get_me, summary="One's own account", auth=ANYONE,
          reply=PersonFileReply, problems=(401, 403, 503)),
    Route(method="POST", path="/v1/ops/me/password", handler=post_own_password, summary="Choose a password",
          auth=ANYONE, body=OwnPasswordBody, status=204, problems=(401, 403, 409, 413, 415, 422, 429, 503)),
    Route(method="POST", path="/v1/ops/me/second-factor", handler=post_second_factor,
          summary="Set up a second factor", auth=ANYONE, body=OwnPasswordOnlyBody, reply=SecondFactorReply,
          problems=(401, 403, 413, 415, 422, 429, 503)),
    Route(method="POST", path="/v1/ops/me/second-factor/proof", handler=post_second_factor_proof,
          summary="Prove the second factor", auth=ANYONE, body=CodeBody, status=204,
          problems=(401, 403, 409, 413, 415, 422, 503)),
    Route(method="DELETE", path="/v1/ops/me/sessions/{session_id}", handler=delete_own_session,
          summary="End one of one's own sessions", auth=ANYONE, status=204, problems=READS),
)  # fmt: skip

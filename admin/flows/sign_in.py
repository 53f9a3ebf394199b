"""Sign in to the console: password, second factor where one is set up, lock-out on guessing."""

import asyncio
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import argon2

from server.edge.problems import Problem
from server.ids import uuid7
from server.secrets import SealBroken, Vault
from server.stores import audit, staff
from server.stores.db import AsyncEngine, transaction

LOCK_AFTER = 6
LOCK_FOR = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
TOTP_STEP_S = 30
_HASHER = argon2.PasswordHasher()
# Verified when there is no such login, so that the time of an answer does not tell whether there is one.
_NOBODY = _HASHER.hash("nobody has this password")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A console session: what goes into the cookie, and what pages must send back with every form."""

    cookie: str
    csrf: str
    user_id: UUID
    expires_at: datetime
    merchant_id: UUID | None = None


def hash_password(password: str) -> str:
    """An argon2id hash with the library's recommended cost (RFC 9106)."""
    return _HASHER.hash(password)


def totp(secret: bytes, step: int) -> str:
    """The six digits of a time step (RFC 6238: HOTP of RFC 4226 over 30-second steps, SHA-1)."""
    mac = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the present one or a neighbour (clocks differ); None for a wrong code."""
    present = int(now.timestamp()) // TOTP_STEP_S
    for step in (present, present - 1, present + 1):
        if hmac.compare_digest(totp(secret, step), code):
            return step
    return None


def cookie_digest(cookie: str) -> bytes:
    """What is stored of a cookie."""
    return hashlib.sha256(cookie.encode()).digest()


async def sign_in(
    engine: AsyncEngine,
    vault: Vault,
    *,
    login: str,
    password: str,
    code: str,
    now: datetime,
    request_id: str = "",
    agent: str = "",
) -> SignedIn:
    """Open a console session. Raises Problem `sign_in_failed`, `locked_out`, `second_factor_wanted`, or
    `second_factor_lost` where the key that it was sealed with is no longer configured.

    One answer for a wrong login and a wrong password, in the same time.
    """
    async with transaction(engine) as conn:
        person = await staff.by_login(conn, login)
    if person is not None and person.locked_until is not None and person.locked_until > now:
        raise Problem("locked_out", params={"retry_after_s": int((person.locked_until - now).total_seconds()) + 1})
    # Argon2 is slow on purpose; the event loop does not wait for it.
    good = await asyncio.to_thread(verifies, person.password_hash if person else _NOBODY, password)
    if person is None or not good or person.disabled_at is not None:
        await _failed(engine, person, now)
        raise Problem("sign_in_failed")
    if person.sealed_totp is not None:
        if not code:
            raise Problem("second_factor_wanted")
        try:
            secret = vault.open(person.sealed_totp, about=person.user_id.bytes)
        except SealBroken:
            raise Problem("second_factor_lost") from None
        step = matching_step(secret, code, now)
        if step is None or not await _use_step(engine, person.user_id, step):
            await _failed(engine, person, now)
            raise Problem("sign_in_failed")
    cookie, csrf, session_id = secrets.token_urlsafe(32), secrets.token_urlsafe(24), uuid7()
    async with transaction(engine) as conn:
        await staff.clear_failures(conn, person.user_id)
        await staff.open_session(
            conn,
            digest=cookie_digest(cookie),
            session_id=session_id,
            user_id=person.user_id,
            csrf=csrf,
            second_factor=person.sealed_totp is not None,
            now=now,
            expires_at=now + SESSION_LIFE,
            agent=agent,
        )
        await audit.write(
            conn, who=person.login, what="staff.sign_in", object_id=person.user_id, now=now, request_id=request_id
        )
    return SignedIn(cookie, csrf, person.user_id, now + SESSION_LIFE, person.merchant_id)


def verifies(password_hash: str, password: str) -> bool:
    """Whether this password made this hash."""
    try:
        return _HASHER.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def _failed(engine: AsyncEngine, person: staff.StaffMember | None, now: datetime) -> None:
    if person is not None:
        async with transaction(engine) as conn:
            if await staff.count_failure(conn, person.user_id, now=now, lock_after=LOCK_AFTER, lock_for=LOCK_FOR):
                await audit.write(
                    conn, who="", what="staff.locked_out", object_id=person.user_id,
                    after={"login": person.login, "until": (now + LOCK_FOR).isoformat()}, now=now,
                )  # fmt: skip


async def _use_step(engine: AsyncEngine, user_id: UUID, step: int) -> bool:
    async with transaction(engine) as conn:
        return await staff.use_totp_step(conn, user_id, step)

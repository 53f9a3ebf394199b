"""People behind the door: operators and merchants' staff, and their console sessions.

Race settled here: guessing on many connections at once. A failed attempt is counted by one conditional update, so the
lock-out comes after so many failures however they are spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("roles", ARRAY(sa.Text), nullable=False),
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id")),
    sa.Column("sealed_totp", sa.LargeBinary),
    sa.Column("last_totp_step", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("locked_until", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("disabled_at", sa.DateTime(timezone=True)),
)

console_sessions = sa.Table(
    "console_sessions",
    metadata,
    # SHA-256 of the cookie: who reads the table cannot use what he reads.
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("session_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("staff.user_id"), nullable=False, index=True),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("second_factor", sa.Boolean, nullable=False),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A person on record."""

    user_id: UUID
    login: str
    name: str
    password_hash: str
    roles: tuple[str, ...]
    merchant_id: UUID | None
    sealed_totp: bytes | None
    last_totp_step: int
    failures: int
    locked_until: datetime | None
    disabled_at: datetime | None


_PERSON = (
    staff.c.user_id,
    staff.c.login,
    staff.c.name,
    staff.c.password_hash,
    staff.c.roles,
    staff.c.merchant_id,
    staff.c.sealed_totp,
    staff.c.last_totp_step,
    staff.c.failures,
    staff.c.locked_until,
    staff.c.disabled_at,
)


def _person(row: Any) -> StaffMember:
    values = row._asdict()
    values["roles"] = tuple(values["roles"])
    return StaffMember(**values)


async def add(
    conn: AsyncConnection,
    *,
    user_id: UUID,
    login: str,
    name: str,
    password_hash: str,
    roles: Sequence[str],
    merchant_id: UUID | None,
    now: datetime,
) -> bool:
    """Record a person; False when the login is taken."""
    added = await conn.execute(
        insert(staff)
        .values(
            user_id=user_id,
            login=login,
            name=name,
            password_hash=password_hash,
            roles=list(roles),
            merchant_id=merchant_id,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["login"])
    )
    return added.rowcount == 1


async def by_login(conn: AsyncConnection, login: str) -> StaffMember | None:
    """The person of this login."""
    row = (await conn.execute(sa.select(*_PERSON).where(staff.c.login == login))).one_or_none()
    return _person(row) if row else None


async def count_failure(
    conn: AsyncConnection, user_id: UUID, *, now: datetime, lock_after: int, lock_for: timedelta
) -> None:
    """Count a failed sign-in, and lock the account once there were `lock_after` in a row."""
    await conn.execute(
        sa.update(staff)
        .where(staff.c.user_id == user_id)
        .values(
            failures=staff.c.failures + 1,
            locked_until=sa.case(
                (staff.c.failures + 1 >= lock_after, sa.literal(now + lock_for)), else_=staff.c.locked_until
            ),
        )
    )


async def clear_failures(conn: AsyncConnection, user_id: UUID) -> None:
    """A good sign-in forgets the failures before it."""
    await conn.execute(sa.update(staff).where(staff.c.user_id == user_id).values(failures=0, locked_until=None))


async def use_totp_step(conn: AsyncConnection, user_id: UUID, step: int) -> bool:
    """Mark a one-time code's time step as used; False when it, or a later one, was used before (a replay)."""
    used = await conn.execute(
        sa.update(staff).where(staff.c.user_id == user_id, staff.c.last_totp_step < step).values(last_totp_step=step)
    )
    return used.rowcount == 1


async def open_session(
    conn: AsyncConnection,
    *,
    digest: bytes,
    session_id: UUID,
    user_id: UUID,
    csrf: str,
    second_factor: bool,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Record a console session by the digest of its cookie."""
    await conn.execute(
        sa.insert(console_sessions).values(
            digest=digest,
            session_id=session_id,
            user_id=user_id,
            csrf=csrf,
            second_factor=second_factor,
            created_at=now,
            seen_at=now,
            expires_at=expires_at,
        )
    )


async def session_holder(conn: AsyncConnection, digest: bytes, now: datetime) -> tuple[UUID, str, StaffMember] | None:
    """(session id, csrf token, person) of a live console session."""
    row = (
        await conn.execute(
            sa.select(console_sessions.c.session_id, console_sessions.c.csrf, *_PERSON)
            .join(staff, staff.c.user_id == console_sessions.c.user_id)
            .where(
                console_sessions.c.digest == digest,
                console_sessions.c.revoked_at.is_(None),
                console_sessions.c.expires_at > now,
                staff.c.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    values = row._asdict()
    session_id, csrf = values.pop("session_id"), values.pop("csrf")
    values["roles"] = tuple(values["roles"])
    return session_id, csrf, StaffMember(**values)


async def revoke_session(conn: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """End a console session."""
    await conn.execute(
        sa.update(console_sessions).where(console_sessions.c.session_id == session_id).values(revoked_at=now)
    )

"""People behind the door: operators and merchants' staff, and their console sessions.

Races settled here: guessing on many connections at once (a failed attempt is counted by one conditional update, so the
lock-out comes after so many failures however they are spread), and two administrators who take each other's role
(`administrators_held` locks all of them, so the second sees what the first did).
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

MOST_FAILURES = 30_000  # a small integer holds it

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("user_id", sa.Uuid, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("roles", ARRAY(sa.Text), nullable=False),
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id")),
    # Whoever got a password from somebody else chooses an own one before anything else.
    sa.Column("password_is_initial", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("sealed_totp", sa.LargeBinary),
    # A second factor that was shown and not yet proved.
    sa.Column("sealed_totp_offered", sa.LargeBinary),
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
    # What the browser says of itself, so that one knows one's own sessions.
    sa.Column("agent", sa.Text, nullable=False, server_default=""),
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
    password_is_initial: bool
    sealed_totp_offered: bytes | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A console session on record, without what opens it."""

    session_id: UUID
    user_id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    second_factor: bool
    agent: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a cookie opens: its session and whose it is."""

    session_id: UUID
    csrf: str
    seen_at: datetime
    second_factor: bool
    person: StaffMember


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
    staff.c.password_is_initial,
    staff.c.sealed_totp_offered,
    staff.c.created_at,
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
    password_is_initial: bool = False,
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
            password_is_initial=password_is_initial,
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
) -> bool:
    """Count a failed sign-in, and lock the account once there were `lock_after` in a row; whether it is locked now."""
    counted = await conn.execute(
        sa.update(staff)
        .where(staff.c.user_id == user_id)
        .values(
            failures=sa.func.least(staff.c.failures + 1, MOST_FAILURES),
            locked_until=sa.case(
                (staff.c.failures + 1 >= lock_after, sa.literal(now + lock_for)), else_=staff.c.locked_until
            ),
        )
        .returning(staff.c.failures)
    )
    return bool(counted.scalar_one() >= lock_after)


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
    agent: str = "",
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
            agent=agent[:200],
        )
    )


async def session_holder(conn: AsyncConnection, digest: bytes, now: datetime) -> Held | None:
    """What a cookie opens, if its session is live and its person may still come in."""
    row = (
        await conn.execute(
            sa.select(
                console_sessions.c.session_id,
                console_sessions.c.csrf,
                console_sessions.c.seen_at,
                console_sessions.c.second_factor,
                *_PERSON,
            )
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
    session = {name: values.pop(name) for name in ("session_id", "csrf", "seen_at", "second_factor")}
    values["roles"] = tuple(values["roles"])
    return Held(**session, person=StaffMember(**values))


async def touch_session(conn: AsyncConnection, session_id: UUID, now: datetime) -> None:
    """Note that a session is in use."""
    await conn.execute(
        sa.update(console_sessions).where(console_sessions.c.session_id == session_id).values(seen_at=now)
    )


async def revoke_session(
    conn: AsyncConnection, session_id: UUID, now: datetime, *, user_id: UUID | None = None
) -> bool:
    """End a console session (only this person's, where named); False when there is no such live one."""
    ended = await conn.execute(
        sa.update(console_sessions)
        .where(
            console_sessions.c.session_id == session_id,
            console_sessions.c.revoked_at.is_(None),
            *([console_sessions.c.user_id == user_id] if user_id else []),
        )
        .values(revoked_at=now)
    )
    return ended.rowcount == 1


async def revoke_sessions(conn: AsyncConnection, user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
    """End all live sessions of a person, but the one named; returns how many."""
    ended = await conn.execute(
        sa.update(console_sessions)
        .where(
            console_sessions.c.user_id == user_id,
            console_sessions.c.revoked_at.is_(None),
            console_sessions.c.expires_at > now,
            *([console_sessions.c.session_id != but] if but else []),
        )
        .values(revoked_at=now)
    )
    return ended.rowcount


async def prove_session(conn: AsyncConnection, session_id: UUID) -> None:
    """Note that this session's person has proved the second factor."""
    await conn.execute(
        sa.update(console_sessions).where(console_sessions.c.session_id == session_id).values(second_factor=True)
    )


async def sessions_of(conn: AsyncConnection, user_id: UUID, now: datetime) -> list[ConsoleSession]:
    """The live sessions of a person, newest first."""
    of = console_sessions.c
    rows = await conn.execute(
        sa.select(of.session_id, of.user_id, of.created_at, of.seen_at, of.expires_at, of.second_factor, of.agent)
        .where(of.user_id == user_id, of.revoked_at.is_(None), of.expires_at > now)
        .order_by(of.created_at.desc(), of.session_id.desc())
        .limit(200)
    )
    return [ConsoleSession(**row._asdict()) for row in rows]


async def find(conn: AsyncConnection, user_id: UUID, *, lock: bool = False) -> StaffMember | None:
    """A person; `lock` holds the row until the transaction ends."""
    query = sa.select(*_PERSON).where(staff.c.user_id == user_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _person(row) if row else None


async def page(
    conn: AsyncConnection,
    *,
    merchant_id: UUID | None = None,
    role: str | None = None,
    text: str = "",
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[StaffMember]:
    """People, newest first: of a merchant, or operators; with a role, and with `text` in login or name."""
    query = sa.select(*_PERSON).order_by(staff.c.created_at.desc(), staff.c.user_id.desc()).limit(limit)
    query = query.where(staff.c.merchant_id == merchant_id if merchant_id else staff.c.merchant_id.is_(None))
    if role:
        query = query.where(staff.c.roles.contains([role]))
    if text:
        query = query.where(
            staff.c.login.icontains(text, autoescape=True) | staff.c.name.icontains(text, autoescape=True)
        )
    if before:
        query = query.where(sa.tuple_(staff.c.created_at, staff.c.user_id) < sa.tuple_(*before))
    return [_person(row) for row in await conn.execute(query)]


async def administrators_held(conn: AsyncConnection, role: str) -> set[UUID]:
    """Everybody with `role` who may come in, their rows held until the transaction ends."""
    rows = await conn.execute(
        sa.select(staff.c.user_id)
        .where(staff.c.roles.contains([role]), staff.c.disabled_at.is_(None))
        .order_by(staff.c.user_id)
        .with_for_update()
    )
    return set(rows.scalars())


async def change(conn: AsyncConnection, user_id: UUID, **values: Any) -> None:
    """Set columns of a person."""
    await conn.execute(sa.update(staff).where(staff.c.user_id == user_id).values(**values))


async def logins(conn: AsyncConnection, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """By which logins these people are known."""
    rows = await conn.execute(sa.select(staff.c.user_id, staff.c.login).where(staff.c.user_id.in_(set(user_ids))))
    return {row.user_id: row.login for row in rows}

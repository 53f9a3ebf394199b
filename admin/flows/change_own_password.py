"""Choose a password of one's own; whoever else was signed in as oneself is out."""

import asyncio
from datetime import datetime
from uuid import UUID

from admin.flows.sign_in import LOCK_AFTER, LOCK_FOR, hash_password, verifies
from admin.passwords import weakness
from server.edge.problems import Problem
from server.stores import audit, staff
from server.stores.db import AsyncEngine, reading, transaction
from server.stores.staff import StaffMember


async def change_own_password(
    engine: AsyncEngine, user_id: UUID, session_id: UUID | None, *, old: str, new: str, now: datetime, request_id: str
) -> None:
    """Raises Problem `password_wrong` (counted as a guess), `locked_out`, `password_weak` or `password_same`."""
    person = await known_by_password(engine, user_id, old, now=now)
    if new == old:
        raise Problem("password_same", field="new")
    wrong = weakness(new, about=(person.login, person.name))
    if wrong is not None:
        raise Problem("password_weak", field="new", params={"why_zh": wrong[0], "why": wrong[1]})
    hashed = await asyncio.to_thread(hash_password, new)
    async with transaction(engine) as conn:
        await staff.change(conn, user_id, password_hash=hashed, password_is_initial=False)
        await staff.revoke_sessions(conn, user_id, now, but=session_id)
        await audit.write(
            conn, who=person.login, what="staff.own_password", object_id=user_id, now=now, request_id=request_id
        )


async def known_by_password(engine: AsyncEngine, user_id: UUID, password: str, *, now: datetime) -> StaffMember:
    """The person, who has just told the password again: a session that was left open does not take the account over.

    Raises Problem `password_wrong`, which is counted as a failed sign-in, or `locked_out`.
    """
    async with reading(engine) as conn:
        person = await staff.find(conn, user_id)
    assert person is not None, "a session belongs to a person"
    if person.locked_until is not None and person.locked_until > now:
        raise Problem("locked_out", params={"retry_after_s": int((person.locked_until - now).total_seconds()) + 1})
    if not await asyncio.to_thread(verifies, person.password_hash, password):
        async with transaction(engine) as conn:
            await staff.count_failure(conn, user_id, now=now, lock_after=LOCK_AFTER, lock_for=LOCK_FOR)
        raise Problem("password_wrong", field="old")
    return person

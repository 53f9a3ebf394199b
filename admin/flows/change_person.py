"""Change what a person may do: other roles, in or out, a new beginning; what was open closes at once."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from admin.roles import Role
from server.edge.problems import Problem
from server.stores import audit, staff
from server.stores.db import AsyncConnection
from server.stores.staff import StaffMember


async def change_person(
    conn: AsyncConnection,
    user_id: UUID,
    *,
    name: str | None = None,
    roles: Collection[Role] | None = None,
    disabled: bool | None = None,
    without_second_factor: bool = False,
    password_hash: str | None = None,
    merchant_id: UUID | None = None,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> StaffMember:
    """The person after the change. `merchant_id` bounds it to a merchant's people; without it only operators are meant.

    Raises Problem `not_found`, or `last_administrator` when nobody would be left to manage people. Whoever loses a role,
    a password or the way in loses the open sessions, too.
    """
    held = await staff.administrators_held(conn, Role.ADMINISTRATOR.value)
    person = await staff.find(conn, user_id, lock=True)
    if person is None or person.merchant_id != merchant_id:
        raise Problem("not_found")
    told = None if roles is None else sorted(role.value for role in roles)
    leaves = disabled is True or (told is not None and Role.ADMINISTRATOR.value not in told)
    if leaves and held == {user_id}:
        raise Problem("last_administrator")
    values: dict[str, Any] = {}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}

    def note(field: str, old: Any, new: Any) -> None:
        if old != new:
            before[field], after[field] = old, new

    if name is not None:
        note("name", person.name, name)
        values["name"] = name
    if told is not None:
        note("roles", sorted(person.roles), told)
        values["roles"] = told
    if disabled is not None:
        note("disabled", person.disabled_at is not None, disabled)
        values["disabled_at"] = (person.disabled_at or now) if disabled else None
    if without_second_factor:
        note("second_factor", person.sealed_totp is not None, False)
        values |= {"sealed_totp": None, "sealed_totp_offered": None}
    if password_hash is not None:
        before["password"], after["password"] = "known to its person", "one-time"
        values |= {"password_hash": password_hash, "password_is_initial": True, "failures": 0, "locked_until": None}
    if not after:
        return person
    await staff.change(conn, user_id, **values)
    if set(after) - {"name"} and disabled is not False:
        await staff.revoke_sessions(conn, user_id, now)
    await audit.write(
        conn, who=who, what="staff.change", object_id=user_id, before=before, after=after, why=why, now=now,
        request_id=request_id,
    )  # fmt: skip
    changed = await staff.find(conn, user_id)
    assert changed is not None
    return changed

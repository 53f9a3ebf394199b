"""Let a person in: an operator with roles, or somebody of a merchant, with a password for the first time only."""

import asyncio
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from admin.flows.sign_in import hash_password
from admin.passwords import one_time
from admin.roles import Role
from server.edge.problems import Problem
from server.ids import uuid7
from server.stores import audit, staff
from server.stores.db import AsyncEngine, transaction

FIRST_PASSWORD_BYTES = 20
LOGIN_PATTERN = r"^[a-z0-9][a-z0-9._@-]{1,59}$"


@dataclass(frozen=True, slots=True)
class Added:
    """A new person, and the password that is shown this once."""

    user_id: UUID
    password: str


async def add_person(
    engine: AsyncEngine,
    *,
    login: str,
    name: str,
    roles: Collection[Role],
    merchant_id: UUID | None,
    who: str,
    why: str,
    now: datetime,
    request_id: str = "",
) -> Added:
    """Put a person on record. Raises Problem `login_taken`. The caller has checked that the merchant exists."""
    assert (merchant_id is not None) == (set(roles) == {Role.MERCHANT}), "a merchant's people have that role alone"
    password = one_time(secrets.token_bytes(FIRST_PASSWORD_BYTES))
    hashed = await asyncio.to_thread(hash_password, password)
    user_id = uuid7()
    told = sorted(role.value for role in roles)
    async with transaction(engine) as conn:
        added = await staff.add(
            conn, user_id=user_id, login=login, name=name, password_hash=hashed, roles=told, merchant_id=merchant_id,
            now=now, password_is_initial=True,
        )  # fmt: skip
        if not added:
            raise Problem("login_taken", field="login", params={"login": login})
        after = {"login": login, "roles": told, **({"merchant_id": str(merchant_id)} if merchant_id else {})}
        await audit.write(
            conn, who=who, what="staff.add", object_id=user_id, after=after, why=why, now=now, request_id=request_id
        )
    return Added(user_id, password)

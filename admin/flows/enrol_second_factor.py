"""Set up one's second factor: a secret is shown once, and counts from the moment in which a code of it is given."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from admin.flows.change_own_password import known_by_password
from admin.flows.sign_in import matching_step
from server.edge.problems import Problem
from server.secrets import Vault
from server.stores import audit, staff
from server.stores.db import AsyncEngine, transaction

SECRET_BYTES = 20  # RFC 4226, section 4: at least 128 bits, 160 recommended
ISSUER = "xuankuan"


@dataclass(frozen=True, slots=True)
class Offered:
    """A secret to be taken into an authenticator: as text, and as the address in a QR code (Key Uri Format)."""

    secret: str
    uri: str


async def offer_second_factor(
    engine: AsyncEngine, vault: Vault, user_id: UUID, *, password: str, now: datetime
) -> Offered:
    """A new secret for this person; nothing changes until it is proved. Raises Problem `password_wrong`, `locked_out`."""
    person = await known_by_password(engine, user_id, password, now=now)
    secret = secrets.token_bytes(SECRET_BYTES)
    text = base64.b32encode(secret).decode()
    async with transaction(engine) as conn:
        await staff.change(conn, user_id, sealed_totp_offered=vault.seal(secret, about=user_id.bytes))
    label = quote(f"{ISSUER}:{person.login}", safe="")
    return Offered(text, f"otpauth://totp/{label}?secret={text}&issuer={ISSUER}&algorithm=SHA1&digits=6&period=30")


async def prove_second_factor(
    engine: AsyncEngine,
    vault: Vault,
    user_id: UUID,
    session_id: UUID | None,
    *,
    code: str,
    now: datetime,
    request_id: str,
) -> None:
    """From now on this person signs in with a code. Raises Problem `second_factor_not_offered` or `code_wrong`."""
    async with transaction(engine) as conn:
        person = await staff.find(conn, user_id, lock=True)
        assert person is not None, "a session belongs to a person"
        if person.sealed_totp_offered is None:
            raise Problem("second_factor_not_offered")
        step = matching_step(vault.open(person.sealed_totp_offered, about=user_id.bytes), code, now)
        if step is None:
            raise Problem("code_wrong", field="code")
        await staff.change(
            conn, user_id, sealed_totp=person.sealed_totp_offered, sealed_totp_offered=None, last_totp_step=step
        )
        if session_id is not None:
            await staff.prove_session(conn, session_id)
        await staff.revoke_sessions(conn, user_id, now, but=session_id)
        await audit.write(
            conn, who=person.login, what="staff.second_factor", object_id=user_id,
            before={"second_factor": person.sealed_totp is not None}, after={"second_factor": True}, now=now,
            request_id=request_id,
        )  # fmt: skip

"""Run the door: `python -m admin` (the `xuankuan console` command does this)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

from admin.app import admin_app
from admin.flows.sign_in import hash_password, verifies
from admin.roles import OPERATOR_ROLES, Role
from admin.shell import AdminShell, admin_shell
from server.commands import BadInput
from server.config import Config, ConfigRefused
from server.flows.house_merchant import house_merchant
from server.ids import uuid7
from server.running import configure_logging, database_of, listening, migrated, run, until_told
from server.stores import audit, staff
from server.stores.db import transaction

DEMO_LOGINS = ("demo", "operator")


@click.command()
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port to listen on (default 8081).")
def main(host: str | None, port: int | None) -> None:
    """Run the consoles and calls of merchants and operators."""
    try:
        config = Config.from_environment(host=host, admin_port=port)
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    configure_logging(level="error" if config.mode == "demo" else "info")
    with database_of(config) as settled:
        run(_serve(settled))


async def _serve(config: Config) -> None:
    config = await migrated(config)
    async with admin_shell(config) as shell:
        if config.mode == "demo":
            await _demo_people(shell)
        else:
            await shut_out_demo_people(shell)
        async with listening(admin_app(shell), config.host, config.admin_port) as port:
            if config.mode != "demo":
                click.echo(f"The consoles are at http://{config.host}:{port}/ (stop with Ctrl-C)", err=True)
            await until_told()


async def _demo_people(shell: AdminShell) -> None:
    """In a demo anybody may look: a merchant's person and an operator whose passwords are their logins."""
    now = datetime.now(UTC)
    hashes = [await asyncio.to_thread(hash_password, login) for login in DEMO_LOGINS]
    async with transaction(shell.engine) as conn:
        merchant_id = await house_merchant(conn, now=now)
        people: tuple[tuple[str, Sequence[str], UUID | None], ...] = (
            ("春山女装", [Role.MERCHANT], merchant_id),
            ("运营", OPERATOR_ROLES, None),
        )
        for login, password_hash, (name, roles, of) in zip(DEMO_LOGINS, hashes, people, strict=True):
            await staff.add(
                conn, user_id=uuid7(), login=login, name=name, password_hash=password_hash, roles=roles,
                merchant_id=of, now=now,
            )  # fmt: skip


async def shut_out_demo_people(shell: AdminShell) -> None:
    """No other mode has such people: on a database that a demo has used they are shut out before the door opens."""
    now = datetime.now(UTC)
    for login in DEMO_LOGINS:
        async with transaction(shell.engine) as conn:
            person = await staff.by_login(conn, login)
            if person is None or person.disabled_at is not None:
                continue
            if not await asyncio.to_thread(verifies, person.password_hash, login):
                continue
            await staff.change(conn, person.user_id, disabled_at=now)
            await staff.revoke_sessions(conn, person.user_id, now)
            await audit.write(
                conn, who="console", what="staff.change", object_id=person.user_id, before={"disabled": False},
                after={"disabled": True}, why="a demo's login outside a demo", now=now,
            )  # fmt: skip


if __name__ == "__main__":
    main()

"""Run the door: `python -m admin` (the `xuankuan console` command does this)."""

import asyncio
from datetime import UTC, datetime

import click

from admin.app import admin_app
from admin.flows.sign_in import hash_password
from admin.roles import Role
from admin.shell import AdminShell, admin_shell
from server.commands import BadInput
from server.config import Config, ConfigRefused
from server.flows.house_merchant import house_merchant
from server.ids import uuid7
from server.running import configure_logging, database_of, listening, migrated, run, until_told
from server.stores import staff
from server.stores.db import transaction

DEMO_LOGIN = "demo"


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
        async with listening(admin_app(shell), config.host, config.admin_port) as port:
            if config.mode != "demo":
                click.echo(f"The consoles are at http://{config.host}:{port}/ (stop with Ctrl-C)", err=True)
            await until_told()


async def _demo_people(shell: AdminShell) -> None:
    """In a demo anybody may look: login and password are both "demo". No other mode has such a person."""
    now = datetime.now(UTC)
    password_hash = await asyncio.to_thread(hash_password, DEMO_LOGIN)
    async with transaction(shell.engine) as conn:
        merchant_id = await house_merchant(conn, now=now)
        await staff.add(
            conn,
            user_id=uuid7(),
            login=DEMO_LOGIN,
            name="春山女装",
            password_hash=password_hash,
            roles=[Role.MERCHANT],
            merchant_id=merchant_id,
            now=now,
        )


if __name__ == "__main__":
    main()

"""Seal everything anew under the key in use, and say which keys are still needed."""

import sys
from datetime import UTC, datetime

import click

from server.commands import BadInput, run, the_database
from server.config import Config, ConfigRefused
from server.jobs.rotate_keys import RotateKeys
from server.secrets import vault_of
from server.stores import sealed
from server.stores.db import engine_from, naming_loss, reading


@click.command("rotate-keys")
def command() -> None:
    """Seal everything anew under the key in use (the greatest of XUANKUAN_VAULT_KEYS, or XUANKUAN_VAULT_KEY_IN_USE).

    Runs while the service works, and can be stopped and begun again. Exits 1 if something could not be opened.
    """
    try:
        config = Config.from_environment()
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    with the_database(config) as url:
        sys.exit(run(_rotate(config, url)))


async def _rotate(config: Config, url: str) -> int:
    vault = vault_of(config)
    engine = engine_from(url, pool_size=2)
    try:
        with naming_loss(connecting=True):
            job = RotateKeys(engine, vault)
            done = await job.run(datetime.now(UTC))
            async with reading(engine) as conn:
                counts = await sealed.count_by_key(conn)
    finally:
        await engine.dispose()
    click.echo(f"{done} values were sealed anew with key {vault.newest}.")
    for number, many in sorted(counts.items()):
        click.echo(f"  key {number}: {many} values")
    unneeded = sorted(number for number in config.vault_keys if number not in counts and number != vault.newest)
    if unneeded:
        click.echo(f"No value needs key {', '.join(map(str, unneeded))} any more.")
    if job.broken:
        click.echo(f"{job.broken} values could not be opened: their key is not configured.", err=True)
    return 1 if job.broken else 0

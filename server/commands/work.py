"""Run the background worker: refits, settlement, pacing, returns, checks."""

import click

from server.app import shell_of
from server.commands import BadInput
from server.config import Config, ConfigRefused
from server.running import configure_logging, database_of, migrated, run, until_told, watched, working


@click.command()
def command() -> None:
    """Run the background worker. Any number may run; each job is safe beside itself."""
    try:
        config = Config.from_environment()
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    configure_logging()
    with database_of(config) as settled:
        run(_work(settled))


async def _work(config: Config) -> None:
    config = await migrated(config)
    async with shell_of(config) as shell, working(shell), watched(shell):
        click.echo("The worker runs (stop with Ctrl-C)", err=True)
        await until_told()

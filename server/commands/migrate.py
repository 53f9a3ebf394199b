"""Bring the database's schema up to date (safe to run any time, by any number of machines at once)."""

import click

from server.commands import run, settings_without_keys, the_database
from server.migrations import state, upgrade


@click.command("migrate")
def command() -> None:
    """Bring the database's schema up to date.

    The database is DATABASE_URL, or the embedded one in the data folder. It is one transaction: either all of it
    happens or nothing. Running it again changes nothing.
    """
    with the_database(settings_without_keys()) as url:
        before = run(state(url))
        if before.is_at_head:
            click.echo(f"The schema is up to date ({before.head}).")
            return
        after = run(upgrade(url))
        click.echo(f"The schema went from {before.current or 'nothing'} to {after.current}.")

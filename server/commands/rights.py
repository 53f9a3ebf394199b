"""Print the SQL that gives a database role what the service needs, and no right to rewrite the books."""

import click

from server.commands import BadInput
from server.stores.rights import script


@click.command("rights")
@click.argument("role")
def command(role: str) -> None:
    """Print the SQL that gives ROLE what the service needs, and no right to rewrite the books.

    Run it as the owner of the schema after every migration: xuankuan rights xuankuan_service | psql "$OWNER_URL"
    """
    try:
        click.echo(script(role), nl=False)
    except ValueError as error:
        raise BadInput(str(error)) from None

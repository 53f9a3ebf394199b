"""Run the consoles of merchants and operators."""

import subprocess
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Run the consoles and calls of merchants and operators (options: --host, --port)."""
    # A process of its own: the door knows the service, the service does not know its door.
    raise SystemExit(subprocess.call([sys.executable, "-m", "admin", *options]))  # noqa: S603 - our own module

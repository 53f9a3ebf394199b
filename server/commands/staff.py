"""Operators of the console from the command line: the first administrator, a new password."""

import subprocess
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Add, list, shut out operators; give a new password (see `xuankuan staff --help`)."""
    # A process of its own: the door knows the service, the service does not know its door.
    done = subprocess.run([sys.executable, "-m", "admin.people", *options], capture_output=True, text=True)  # noqa: S603 - our own module
    click.echo(done.stdout, nl=False)
    click.echo(done.stderr, nl=False, err=True)
    raise SystemExit(done.returncode)

"""The verbs of the `xuankuan` command, one file each, and what they have in common."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.config import Config
from server.embedded import EmbeddedPostgres

Result = TypeVar("Result")


class BadInput(click.ClickException):
    """What the caller gave cannot be used: one sentence to stderr (file, line and field where there are), exit 2."""

    exit_code = 2


def screen() -> Console:
    """For tables on stdout. Where it is no terminal (a file, a pipe), tables keep their width."""
    return Console() if os.isatty(1) else Console(width=120)


def progress() -> Progress:
    """A progress bar on stderr, so that stdout can be piped; silent where stderr is no terminal.

    with progress() as bar:
        task = bar.add_task("Reading votes", total=n)
        bar.advance(task)
    """
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not os.isatty(2),
    )  # fmt: skip


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a command's asynchronous part."""
    return asyncio.run(work)


def settings_without_keys(**overrides: object) -> Config:
    """The configuration for commands that sign nothing: keys need not be set for them."""
    return Config.from_environment(os.environ | {"XUANKUAN_MODE": "demo"}, **overrides)


@contextlib.contextmanager
def the_database(config: Config) -> Iterator[str]:
    """The address of the configured database, or of the embedded one, which then runs for as long as it is needed."""
    if config.database_url is not None:
        yield config.database_url
        return
    with EmbeddedPostgres(config.data_dir) as postgres:
        yield postgres.url

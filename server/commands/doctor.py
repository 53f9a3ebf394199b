"""Look at everything the service depends on, a plain sentence each; exit 1 if something needed is broken."""

import contextlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import click
import redis.asyncio
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape

from server.commands import run, screen, settings_without_keys
from server.config import Config, ConfigRefused
from server.embedded import EmbeddedFailure, EmbeddedPostgres
from server.migrations import state
from server.stores.db import DatabaseAway, NotADatabase, server_version
from server.stores.rights import may_rewrite_books

OLDEST_POSTGRES = 15
LEAST_FREE_BYTES = 500_000_000


class Finding(Enum):
    """What a check came to. MISSING is for what only some work needs (a browser for the tests, say)."""

    FINE = "[green]ok[/]"
    MISSING = "[yellow]--[/]"
    BROKEN = "[red]!![/]"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One check's result, and what helps where something does."""

    finding: Finding
    text: str


def fine(text: str) -> Sentence:
    return Sentence(Finding.FINE, text)


def missing(text: str) -> Sentence:
    return Sentence(Finding.MISSING, text)


def broken(text: str) -> Sentence:
    return Sentence(Finding.BROKEN, text)


@click.command("doctor")
def command() -> None:
    """Look at everything the service depends on, a plain sentence each.

    Exits 1 if something that the service needs is broken. What only tests or builds need is told, and is no failure.
    """
    out = screen()
    findings = [_say(out, sentence) for check in (python, packages, configuration) for sentence in check()]
    try:
        config = settings_without_keys()
    except ConfigRefused:
        # Already said, by `configuration`.
        sys.exit(1)
    for check in (data_folder, database, cache, browser, node):
        findings.extend(_say(out, sentence) for sentence in check(config))
    sys.exit(Finding.BROKEN in findings)


def python() -> Iterator[Sentence]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield fine(f"Python {version}.") if sys.version_info >= (3, 11) else broken(f"Python {version} is older than 3.11.")


def packages() -> Iterator[Sentence]:
    wanted = [line for line in importlib.metadata.requires("xuankuan") or () if "extra ==" not in line]
    names = [re.match(r"[\w.-]+", line) for line in wanted]
    absent = [name[0] for name, line in zip(names, wanted, strict=True) if name and not _is_installed(name[0], line)]
    if absent:
        yield broken(f"Python packages are missing: {', '.join(absent)}; run `make install`.")
    else:
        yield fine(f"All {len(wanted)} Python packages are installed.")


def configuration() -> Iterator[Sentence]:
    try:
        config = Config.from_environment()
    except ConfigRefused as refused:
        yield broken(f"Configuration: {refused}")
        return
    if config.mode == "demo":
        yield missing("Configuration for a demo: keys that are not set are the public samples; never serve players so.")
    else:
        yield fine(f"Configuration for {config.mode}: every key is set, and none is a sample.")


def data_folder(config: Config) -> Iterator[Sentence]:
    folder = config.data_dir
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        # Really written, because rights alone do not tell: a disk may be read-only, and root may do anything.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as problem:
        why = problem.strerror
        yield broken(f"The data folder {folder} cannot be written ({why}); set XUANKUAN_DATA_DIR to one that can.")
        return
    free_bytes = shutil.disk_usage(nearest).free
    if free_bytes < LEAST_FREE_BYTES:
        yield broken(f"The data folder {folder} has only {free_bytes // 1_000_000} MB free; make room.")
    else:
        yield fine(f"The data folder {folder} can be written and has {free_bytes / 1e9:.0f} GB free.")


def database(config: Config) -> Iterator[Sentence]:
    try:
        if config.database_url is not None:
            yield from _look_into(config.database_url, "PostgreSQL at DATABASE_URL")
        elif (config.data_dir / "postgres").exists():
            with EmbeddedPostgres(config.data_dir) as postgres:
                yield from _look_into(postgres.url, "The embedded PostgreSQL")
        else:
            # Looking must not make a data folder; whether a server starts at all can be seen in another.
            with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=False) as postgres:
                yield fine(f"The embedded PostgreSQL {_major(postgres.url)} starts; the first use will make its data.")
    except (DatabaseAway, NotADatabase, EmbeddedFailure) as problem:
        cause = problem.__cause__
        yield broken(f"PostgreSQL: {problem}" + (f" ({cause})" if str(cause or "") else ""))


def cache(config: Config) -> Iterator[Sentence]:
    if config.redis_url is None:
        yield fine("No REDIS_URL: limits and notices stay within one process, which is right for one machine.")
        return
    try:
        run(_ping(config.redis_url))
        yield fine("Redis answers.")
    except (RedisError, OSError, ValueError) as problem:
        yield broken(f"Redis at REDIS_URL does not answer ({problem}); start it, or go without by unsetting REDIS_URL.")


def browser(config: Config) -> Iterator[Sentence]:
    del config
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is not None:
        yield fine(f"Chromium is {found}.")
    else:
        yield missing("No Chromium: only the page tests need it, and `make test` installs it.")


def node(config: Config) -> Iterator[Sentence]:
    del config
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip() if found else ""  # noqa: S603
    if version:
        yield fine(f"Node {version}.")
    else:
        yield missing("No Node: only building the mini-program needs it (version 20 or newer).")


def _look_into(url: str, name: str) -> Iterator[Sentence]:
    major = _major(url)
    if major < OLDEST_POSTGRES:
        yield broken(f"{name} is version {major}; {OLDEST_POSTGRES} or newer is needed.")
        return
    yield fine(f"{name} answers; it is version {major}.")
    schema = run(state(url))
    if schema.is_at_head:
        yield fine(f"The schema is up to date ({schema.head}).")
        if "DATABASE_URL" in name and run(may_rewrite_books(url)):
            yield missing(
                "DATABASE_URL logs in as a role that can rewrite the books; make one that only adds to them with "
                "`xuankuan rights ROLE`, as docs/rewards.md says."
            )
    else:
        yield broken(f"The schema is at {schema.current or 'nothing'}, not at {schema.head}; run `xuankuan migrate`.")


def _major(url: str) -> int:
    return run(server_version(url)) // 10_000


async def _ping(url: str) -> None:
    async with contextlib.aclosing(
        redis.asyncio.from_url(url, socket_connect_timeout=5.0, socket_timeout=5.0)
    ) as client:
        await client.ping()


def _is_installed(name: str, requirement: str) -> bool:
    if "sys_platform" in requirement and sys.platform == "win32":
        return True
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _say(out: Console, sentence: Sentence) -> Finding:
    out.print(f"{sentence.finding.value} {escape(sentence.text)}", soft_wrap=True)
    return sentence.finding

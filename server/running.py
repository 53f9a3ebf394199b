"""How the service is run: the database it stands on, its applications, its worker; started in order, ended cleanly."""

import asyncio
import contextlib
import dataclasses
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import structlog
import uvloop
from aiohttp import web
from structlog.tracebacks import ExceptionDictTransformer

from server.app import player_app, settle_memory, shell_of
from server.commands import BadInput, the_database
from server.config import Config, ConfigRefused
from server.edge.health import health_routes
from server.edge.openapi import document
from server.edge.serve import mount, unknown_is_a_problem
from server.edge.wire import Route
from server.jobs.all import jobs_of
from server.migrations import state, upgrade
from server.ports import Shell
from server.stores.db import engine_from
from server.stores.rights import as_service, may_change_schema
from server.tracing import name_the_call
from server.worker import Worker

log = structlog.get_logger()


def configure_logging(*, level: str = "info") -> None:
    """JSON lines on stderr: time, level, event and its fields; never a body, a token or an address."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_the_call,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Without the values of variables: a traceback tells where, never whose data.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=20)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


@contextlib.contextmanager
def database_of(config: Config) -> Iterator[Config]:
    """The configuration with a database that runs: the one it names, or the embedded one in its data folder."""
    with the_database(config) as url:
        yield dataclasses.replace(config, database_url=url, embedded=config.database_url is None)


async def migrated(config: Config) -> Config:
    """Bring the schema to the newest version; safe for any number of processes at once.

    Returns the configuration to go on with: on the database that comes with the package the service is not the owner
    of its books from here on, but a role that can only add to them. A schema that is new already is only looked at,
    which such a role may do; on a database of one's own that role is made with `xuankuan rights`.
    """
    assert config.database_url
    schema = await state(config.database_url)
    if not schema.is_at_head:
        if not await may_change_schema(config.database_url):
            raise BadInput(
                f"The schema is at {schema.current or 'nothing'}, not at {schema.head}, and this role may not change it; "
                "run `xuankuan migrate` and `xuankuan rights` as its owner first."
            )
        await upgrade(config.database_url)
    if not config.embedded:
        return config
    return dataclasses.replace(config, database_url=await as_service(config.database_url))


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int, *, reuse_port: bool = False) -> AsyncIterator[int]:
    """Serve an application; yields the port (a free one when `port` is 0)."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, reuse_port=reuse_port or None, backlog=1024)
    try:
        await site.start()
        sockets = site._server.sockets if site._server is not None else []  # type: ignore[attr-defined]
        yield sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def api(config: Config, *, reuse_port: bool = False) -> AsyncIterator[tuple[Shell, int]]:
    """The players' application, listening; yields its shell and port."""
    async with (
        shell_of(config) as shell,
        listening(player_app(shell), config.host, config.port, reuse_port=reuse_port) as port,
    ):
        settle_memory()
        yield shell, port


@contextlib.asynccontextmanager
async def working(shell: Shell) -> AsyncIterator[None]:
    """All background jobs, beside whatever else runs, on connections of their own: a crowd of players cannot starve them."""
    assert shell.config.database_url
    engine = engine_from(shell.config.database_url, pool_size=6)
    worker = Worker(engine, jobs_of(dataclasses.replace(shell, engine=engine)), shell.metrics, shell.clock)
    task = asyncio.create_task(worker.run(), name="worker")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()


@contextlib.asynccontextmanager
async def watched(shell: Shell) -> AsyncIterator[int | None]:
    """The worker's own address for machines: health and metrics, nothing else; yields its port, None without one."""
    if not shell.config.worker_port:
        yield None
        return
    app = web.Application(middlewares=[unknown_is_a_problem])
    routes = health_routes(document("选款 worker", (), bearer=False))

    async def nobody(_: web.Request, __: Route) -> None:
        return None

    mount(app, routes, shell, nobody, shell.metrics)
    async with listening(app, shell.config.host, shell.config.worker_port) as port:
        yield port


async def until_told() -> None:
    """Wait for Ctrl-C or a polite request to end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on uvloop; what is wrong with the configuration ends it with one sentence and exit code 2."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None

"""Run the API processes that players talk to."""

import dataclasses
import multiprocessing
import signal
from collections.abc import Callable

import click

from server.commands import BadInput
from server.config import Config, ConfigRefused
from server.running import api, configure_logging, database_of, migrated, run, until_told


@click.command()
@click.option("--host", default=None, help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port to listen on (default 8080).")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="One per core, sharing the port."
)
def command(host: str | None, port: int | None, processes: int) -> None:
    """Run the API processes that players talk to. Without DATABASE_URL the embedded database is used."""
    try:
        config = Config.from_environment(host=host, port=port)
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    configure_logging()
    with database_of(config) as found:
        settled = run(migrated(found))
        if processes == 1:
            run(_serve(settled))
        else:
            _several(settled, processes, _serve_shared)


def _several(config: Config, processes: int, main: Callable[[Config], None]) -> None:
    """Start child processes and end with them; one that dies is started again."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=main, args=(config,)) for _ in range(processes)]
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for child in children:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    for child in children:
        child.start()
    while not ending:
        for number, child in enumerate(children):
            child.join(timeout=0.5)
            if not ending and not child.is_alive():
                children[number] = context.Process(target=main, args=(config,))
                children[number].start()
    for child in children:
        child.join()


def _serve_shared(config: Config) -> None:
    configure_logging()
    run(_serve(dataclasses.replace(config), reuse_port=True))


async def _serve(config: Config, *, reuse_port: bool = False) -> None:
    async with api(config, reuse_port=reuse_port) as (_, port):
        click.echo(f"Players are served at http://{config.host}:{port}/ (stop with Ctrl-C)", err=True)
        await until_told()

"""The service in a thread of its own, for tools that are not asynchronous."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from server.app import player_app, shell_of
from server.ports import system_clock
from server.running import listening
from tests.server.builders import a_config, a_running_test


@dataclass(frozen=True, slots=True)
class ThreadedService:
    """Where the service listens, and the token of a player who is logged in."""

    url: str
    token: str


@contextlib.contextmanager
def a_threaded_service(database: str, data_dir: Path) -> Iterator[ThreadedService]:
    """Start the service in a thread; end it cleanly."""
    started: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with shell_of(a_config(database, data_dir), clock=system_clock) as shell:
            await a_running_test(shell.engine, styles=12, decoys=2, budget_fen=1_000_000)
            await shell.dealer.refresh()
            async with listening(player_app(shell), "127.0.0.1", 0) as port:
                started.append(port)
                ready.set()
                while not stop.is_set():
                    await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(timeout=60), "the service did not start"
    url = f"http://127.0.0.1:{started[0]}"
    session = requests.post(
        f"{url}/v1/sessions", json={"platform": "guest", "code": "schemathesis", "device": "a phone"}, timeout=30
    ).json()
    yield ThreadedService(url, session["token"])
    stop.set()
    thread.join(timeout=30)

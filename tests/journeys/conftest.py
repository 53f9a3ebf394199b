"""Whole processes for the stories: an API process and a worker on a database of their own, to be killed at will."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "summer-dresses"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Deployment:
    """API and worker processes of one database, as they would be run in production."""

    def __init__(self, database: str, data_dir: Path) -> None:
        self.database = database
        self.data_dir = data_dir
        self.port = free_port()
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "XUANKUAN_MODE": "demo",
            "DATABASE_URL": self.database,
            "XUANKUAN_DATA_DIR": str(self.data_dir),
            "XUANKUAN_PORT": str(self.port),
        }

    def start(self, command: str) -> None:
        """Start `serve` or `work`. What it says stands in a file beside its data."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / f"{command}.log").open("ab") as log:
            self.children[command] = subprocess.Popen(
                [sys.executable, "-m", "server", command], env=self.environment, stderr=log
            )

    def kill(self, command: str) -> None:
        """kill -9."""
        child = self.children.pop(command)
        child.send_signal(signal.SIGKILL)
        child.wait()

    def end(self) -> None:
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=20)
            child.kill()

    async def ready(self) -> None:
        """Wait until the API answers."""
        async with aiohttp.ClientSession() as http:
            for _ in range(600):
                with contextlib.suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError):
                    async with http.get(f"{self.url}/health/ready", timeout=aiohttp.ClientTimeout(total=2)) as reply:
                        if reply.status == 200:
                            return
                await asyncio.sleep(0.1)
        raise AssertionError("the API did not come up")

    def audit(self) -> subprocess.CompletedProcess[str]:
        """`xuankuan audit`, as an operator would run it."""
        return subprocess.run(
            [sys.executable, "-m", "server", "audit"], env=self.environment, capture_output=True, text=True, check=False
        )


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[[str], Deployment]]:
    """Make deployments; whatever still runs at the end is ended."""
    made: list[Deployment] = []

    def make(database: str) -> Deployment:
        made.append(Deployment(database, tmp_path / f"data{len(made)}"))
        return made[-1]

    yield make
    for deployment in made:
        deployment.end()

"""A browser, the web build of the client, and a service for it to talk to: by default the stand-in, which can fail on wish.

Everything is asynchronous and lives in the session's one event loop, so that a story can turn a knob of the service between
two taps.
"""

import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright

from tests.miniprogram.phones import CHROMIUM, Phone, a_phone
from tools.ensure_node import folder_of_node

MINIPROGRAM = Path(__file__).resolve().parents[2] / "miniprogram"
BUILD = MINIPROGRAM / "dist" / "build" / "h5"


def _stand_in() -> ModuleType:
    name = "miniprogram_stand_in"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, MINIPROGRAM / "dev" / "stand_in.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def client_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The web build, made anew where a source is newer."""
    lock = tmp_path_factory.getbasetemp().parent / "client-build.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if _is_stale():
            node = folder_of_node() or folder_of_node(str(Path(sys.executable).parent))
            assert node is not None, "There is no Node to build the mini-program: `make test` puts it beside Python."
            environment = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ['PATH']}"}
            steps = [["run", "build:h5"]]
            if not (MINIPROGRAM / "node_modules").is_dir():
                steps.insert(0, ["install", "--no-save", "--legacy-peer-deps", "--no-audit", "--no-fund"])
            for step in steps:
                subprocess.run([node / "npm", *step], cwd=MINIPROGRAM, env=environment, check=True, capture_output=True)
    return BUILD


def _is_stale() -> bool:
    built = BUILD / "index.html"
    if not built.is_file():
        return True
    sources = [path for path in (MINIPROGRAM / "src").rglob("*") if path.is_file()]
    newest = max(
        path.stat().st_mtime for path in [*sources, MINIPROGRAM / "index.html", MINIPROGRAM / "vite.config.ts"]
    )
    return newest > built.stat().st_mtime


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the session."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture
async def world(client_build: Path) -> AsyncIterator[Any]:
    """The stand-in, serving the web build; see its knobs in miniprogram/dev/stand_in.py."""
    stand_in = _stand_in().StandIn(client=client_build)
    async with TestServer(stand_in.app) as server:
        stand_in.url = str(server.make_url("/play/"))
        yield stand_in


@pytest.fixture
def player_app_url(world: Any) -> str:
    """Where the player's client is served. Override this to play the stories of `Phone` on another service."""
    return world.url


@pytest.fixture
async def phone(browser: Browser, player_app_url: str) -> AsyncIterator[Phone]:
    """A small phone, by day, in Chinese."""
    async with a_phone(browser, player_app_url) as phone:
        yield phone

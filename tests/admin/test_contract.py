"""The door keeps to its own document: whatever is sent, no answer is a bug and none is undocumented."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from admin.api import MERCHANT
from admin.app import admin_app
from admin.shell import admin_shell
from server.ports import system_clock
from server.running import listening
from tests.admin.doors import Door, open_door
from tests.server.builders import a_config

EXAMPLES = 60 if os.environ.get("XUANKUAN_DEEP") else 4
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance)


@pytest.fixture(scope="module")
def served(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(address, key, ids of what is there) of a door that listens, in a loop of its own."""
    ready: list[tuple[str, str, dict[str, str]]] = []
    up, down = threading.Event(), threading.Event()

    async def serve(folder: Path) -> None:
        config = a_config(module_database, folder)
        async with (
            admin_shell(config, clock=system_clock) as shell,
            listening(admin_app(shell), "127.0.0.1", 0) as port,
        ):
            address = f"http://127.0.0.1:{port}"
            async with open_door(shell, address) as door:
                ready.append(await _filled(door, address))
            up.set()
            await asyncio.to_thread(down.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve(tmp_path_factory.mktemp("door"))))
    thread.start()
    try:
        assert up.wait(120), "the door did not open"
        yield ready[0]
    finally:
        down.set()
        thread.join()


@pytest.fixture(scope="module")
def schema(served):
    """The door's own document."""
    return schemathesis.openapi.from_url(f"{served[0]}/openapi.json")


async def _filled(door: Door, address: str) -> tuple[str, str, dict[str, str]]:
    """A merchant with a draft and a decided test, so that answers other than 404 are met."""
    merchant = await door.merchant(fen=10_000_000)
    test = await merchant.running(styles=3)
    await door.vote(test["test_id"], voters=50, each=8)
    return address, merchant.key, {"test_id": test["test_id"], "style_id": test["styles"][0]["style_id"]}


@pytest.mark.parametrize("route", MERCHANT, ids=lambda route: route.name)
def test_no_call_finds_a_bug_or_an_answer_that_is_not_documented(route, served, schema):
    """Made-up bodies, queries and paths, on what is there and on what is not: never 5xx, never an unlisted status."""
    _, key, known = served
    operation = schema[route.path][route.method]
    headers = {"Authorization": f"Bearer {key}"}
    tried = 0

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy())
    def one(case) -> None:
        nonlocal tried
        tried += 1
        if tried % 2 and case.path_parameters:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        if route.media == "text/event-stream" and tried % 2:
            return  # a stream of a test that is there ends by itself, or not at all: others test it
        response = case.call(headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKS, headers=headers)

    one()
    assert tried

"""The operators' calls of money and prizes keep to the document: whatever is sent, no bug and no undocumented answer."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from admin.api import MONEY, PEOPLE, WATCH
from admin.app import admin_app
from admin.console.pages import COOKIE
from admin.roles import OPERATOR_ROLES, Role
from admin.shell import admin_shell
from rewards.days import day_of
from rewards.prizes import week_of
from server.ids import uuid7
from server.ports import system_clock
from server.running import listening
from server.stores import prizes, tests
from server.stores.db import transaction
from tests.admin.doors import Door, open_door
from tests.server.builders import a_config, a_running_test

EXAMPLES = 60 if os.environ.get("XUANKUAN_DEEP") else 4
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance)
KEY = "xk-an-operator"


@pytest.fixture(scope="module")
def served(
    module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """(address, ids of what is there, a person's headers) of a door that listens, in a loop of its own."""
    ready: list[tuple[str, dict[str, str], dict[str, str]]] = []
    up, down = threading.Event(), threading.Event()

    async def serve(folder: Path) -> None:
        async with (
            admin_shell(a_config(module_database, folder), clock=system_clock) as shell,
            listening(admin_app(shell), "127.0.0.1", 0) as port,
        ):
            async with open_door(shell, f"http://127.0.0.1:{port}") as door:
                known = await _filled(door)
                person = await door.signed_in(await door.operator(*OPERATOR_ROLES))
                session = {"Cookie": f"{COOKIE}={person.cookie}", "X-CSRF-Token": person.csrf}
                ready.append((f"http://127.0.0.1:{port}", known, session))
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


async def _filled(door: Door) -> dict[str, str]:
    """A key that may everything of this, a running test and some stock."""
    test = await a_running_test(door.engine)
    now = system_clock()
    async with transaction(door.engine) as conn:
        await tests.add_api_key(
            conn, key_id=uuid7(), digest=hashlib.sha256(KEY.encode()).digest(), merchant_id=None, name="office",
            scopes=(Role.TREASURER, Role.FULFILMENT, Role.ADMINISTRATOR, "write"), now=now,
        )  # fmt: skip
        await prizes.set_stock(conn, variety="apple", region="*", week=week_of(day_of(now)), boxes=5)
    return {"test_id": str(test.test_id), "merchant_id": str(test.merchant_id)}


@pytest.fixture(scope="module")
def schema(served):
    """The door's own document."""
    return schemathesis.openapi.from_url(f"{served[0]}/openapi.json")


@pytest.mark.parametrize("route", [*MONEY, *PEOPLE, *WATCH], ids=lambda route: route.name)
def test_no_call_finds_a_bug_or_an_answer_that_is_not_documented(route, served, schema):
    """Made-up bodies, queries and paths, on what is there and on what is not: never 5xx, never an unlisted status."""
    _, known, session = served
    operation = schema[route.path][route.method]
    # Much about people wants a person, with a session.
    headers = session if route in PEOPLE else {"Authorization": f"Bearer {KEY}"}
    tried = 0

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy())
    def one(case) -> None:
        nonlocal tried
        tried += 1
        if tried % 2 and case.path_parameters:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        if isinstance(case.body, dict) and isinstance(case.body.get("crowd"), dict):
            case.body["crowd"] = {"players": 3, "days": 5}  # what is asked here is the answer, not patience
        response = case.call(headers=headers, timeout=60)
        case.validate_response(response, checks=CHECKS, headers=headers)

    one()
    assert tried

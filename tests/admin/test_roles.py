"""Every route of the door by every role, made from the list of routes: nobody can forget one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from admin.app import CALLS, every_route
from admin.roles import PERMITTED, May, Role
from server.edge.wire import Route
from server.ids import uuid7
from tests.admin.doors import Door, Merchant, Operator, a_door

PAGE = "text/html"
# What ends the caller's own session is called by the tests of signing in and out.
ROUTES = tuple(route for route in every_route() if route.path != "/sign-out")
REFUSED_BY_ROLE = "role_lacks_permission"


def somewhere(route: Route) -> str:
    """An address of this route that names nothing which exists."""
    return re.sub(r"{[a-z_]+(:[^}]+)?}", lambda match: "json" if match[1] else str(uuid7()), route.path)


class Turnstile:
    """Lets a caller through as often as the limit allows, on a clock that stands still."""

    def __init__(self, door: Door) -> None:
        self._door, self._calls = door, 0

    def turn(self) -> None:
        self._calls += 1
        if self._calls % (CALLS.burst // 2) == 0:
            self._door.clock.forward(seconds=CALLS.burst / CALLS.rate_per_s)


async def told(caller: Operator | Merchant, route: Route, **options: object) -> tuple[int, str]:
    """(status, code) of an empty call of this route; a page's refusal has its code in its text."""
    headers = {"Accept-Language": "en", **options.pop("headers", {})}  # type: ignore[dict-item]
    body = {} if route.method in ("POST", "PUT", "PATCH") else None
    status, data = await caller.call(route.method, somewhere(route), body, headers=headers, **options)
    if isinstance(data, dict):
        return status, str(data.get("code", ""))
    text = data.decode() if isinstance(data, bytes) else data
    return status, REFUSED_BY_ROLE if REFUSED_BY_ROLE in text else ""


@pytest.fixture
async def people(door: Door) -> dict[Role, Operator]:
    """One person of each role, signed in."""
    signed_in = {}
    for role in Role:
        login = f"one-{role.value}"
        if role is Role.MERCHANT:
            await door.person(await door.merchant(), login=login)
        else:
            await door.operator(role, login=login)
        signed_in[role] = await door.signed_in(login)
    return signed_in


async def test_a_role_opens_what_it_permits_and_nothing_else(door: Door, people: dict[Role, Operator]):
    """Each route by each role: refused by name where the role lacks its permission, and otherwise never for the role."""
    wrong = []
    gate = Turnstile(door)
    for route in ROUTES:
        for role, person in people.items():
            gate.turn()
            status, code = await told(person, route)
            allowed = May(route.auth) in PERMITTED[role] or May(route.auth) is May.ANYONE_SIGNED_IN
            refused = (status, code) == (403, REFUSED_BY_ROLE)
            if allowed == refused or status >= 500 or status == 401:
                wrong.append((route.name, role.value, status, code))
    assert wrong == []


async def test_nobody_gets_in_unknown_or_without_the_pages_token(door: Door, people: dict[Role, Operator]):
    """Without a session: 401, or the way to sign in for a page. With one, whatever writes wants the page's token."""
    gate = Turnstile(door)
    for route in ROUTES:
        gate.turn()
        stranger = replace(people[Role.ADMINISTRATOR], cookie="no such session")
        status, code = await told(stranger, route)
        assert (status, code) == ((303, "") if route.media == PAGE else (401, "unauthenticated")), route.name
        if route.method not in ("GET", "HEAD"):
            for token in ("", "wrong"):
                tokenless = replace(people[Role.ADMINISTRATOR], csrf=token)
                assert await told(tokenless, route) == (403, "csrf_missing"), route.name


async def test_a_key_that_may_only_read_writes_nothing(door: Door):
    """The scope `read` never writes, whatever role it is given with: a merchant's key, and an office's."""
    merchant = await door.merchant("只读", scopes=("read",))
    office = Merchant(door.client, merchant.merchant_id, await door.office_key(*Role, write=False))
    gate = Turnstile(door)
    for route in ROUTES:
        if route.method in ("GET", "HEAD"):
            continue
        for caller in (merchant, office):
            gate.turn()
            assert await told(caller, route) == (403, REFUSED_BY_ROLE), route.name


async def test_pages_are_closed_to_scripts_and_frames_of_others(door: Door, people: dict[Role, Operator]):
    """Every page, refusals too: a policy that allows no inline script, none in the page, no sniffing, no framing."""
    gate = Turnstile(door)
    for route in (route for route in ROUTES if route.media == PAGE):
        for person in (people[Role.ADMINISTRATOR], people[Role.MERCHANT], people[Role.FULFILMENT]):
            gate.turn()
            headers = {"Cookie": f"xk_console={person.cookie}"}
            async with door.client.request("GET", somewhere(route), headers=headers, allow_redirects=False) as reply:
                policy = reply.headers["Content-Security-Policy"]
                assert "script-src 'self';" in policy, route.name
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
                assert reply.headers["X-Frame-Options"] == "DENY"
                page = await reply.text()
            assert not re.search(r"<script(?![^>]*\ssrc=\"/assets/)", page), route.name
            assert not re.search(r"\son[a-z]+=", page), route.name


async def test_the_cookie_of_production_is_secure(database: str, tmp_path: Path):
    """Sent over TLS only, to this site only, and out of reach of scripts."""
    async with a_door(database, tmp_path, mode="production") as door:
        body = {"login": await door.operator(), "password": "a long password"}
        async with door.client.request("POST", "/sign-in", json=body) as reply:
            cookie = reply.cookies["xk_console"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")

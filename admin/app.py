"""The door: console pages and the /v1/merchant and /v1/ops calls, for people with roles and keys with scopes."""

import dataclasses
import hashlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from admin.api import ROUTES
from admin.console import ops, pages
from admin.console.ops.page import refusal_page
from admin.console.pages import COOKIE
from admin.flows.sign_in import cookie_digest
from admin.roles import May, Role, Staff
from admin.shell import AdminShell
from server.edge.callers import address_of
from server.edge.health import health_routes
from server.edge.limits import Limit, retry_after_s
from server.edge.openapi import document
from server.edge.problems import Problem
from server.edge.serve import mount, problem_as_json, unknown_is_a_problem
from server.edge.wire import Call, Route
from server.stores import staff, tests
from server.stores.db import reading, transaction

CALLS = Limit("admin", rate_per_s=20, burst=120)
SIGN_INS = Limit("sign_in", rate_per_s=0.5, burst=20)
WHO: web.RequestKey[Staff] = web.RequestKey("who", Staff)
SHELL: web.AppKey[AdminShell] = web.AppKey("shell", AdminShell)
MAX_UPLOAD_BYTES = 64 * 1024 * 1024
# What is open to whoever must first choose a password or set up a second factor.
OWN_ACCOUNT = ("/ops/me", "/v1/ops/me", "/session", "/sign-out")
SEEN_EVERY = timedelta(minutes=5)
_READS = ("GET", "HEAD")
_ASSETS = Path(__file__).parent / "console" / "assets"

# Pages load nothing from anywhere else, run no inline script, and cannot be framed.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


async def caller_of(request: web.Request, route: Route) -> Staff | None:
    """Who calls: the holder of an API key, or the person of a console session; checked against what the route asks.

    Raises Problem `unauthenticated`, `csrf_missing` or `role_lacks_permission`. A page that is asked for without a
    session leads to the sign-in instead.
    """
    if route.auth == "none":
        if request.method == "POST":  # signing in: a password is slow on purpose, so each guess costs us, too
            await _slow_down(request, SIGN_INS, address_of(request, request.app[SHELL].config.proxies))
        return None
    caller = await _from_key(request) or await _from_cookie(request, route)
    if caller is None:
        if route.media == "text/html" and request.method == "GET":
            raise web.HTTPSeeOther(f"/sign-in?next={quote(request.rel_url.path_qs, safe='')}")
        raise Problem("unauthenticated")
    request[WHO] = caller
    await _slow_down(request, CALLS, caller.name)
    if caller.first and not route.path.startswith(OWN_ACCOUNT):
        if route.media == "text/html":
            raise web.HTTPSeeOther(pages.here(request, "/ops/me"))
        raise Problem(caller.first)
    if not caller.may(May(route.auth)) or (caller.read_only and request.method not in _READS):
        raise Problem("role_lacks_permission")
    return caller


async def _slow_down(request: web.Request, limit: Limit, key: str) -> None:
    """Raises Problem `too_many` for who calls faster than the limit."""
    shell = request.app[SHELL]
    wait_s = await shell.limiter.wait_s(limit, key, shell.clock().timestamp())
    if wait_s > 0:
        raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})


async def _from_key(request: web.Request) -> Staff | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        return None
    shell = request.app[SHELL]
    async with reading(shell.engine) as conn:
        found = await tests.key_holder(conn, hashlib.sha256(key.encode()).digest(), shell.clock())
    if found is None:
        raise Problem("unauthenticated")
    key_id, merchant_id, scopes = found
    roles = frozenset({Role.MERCHANT}) if merchant_id else frozenset(Role(s) for s in scopes if s in list(Role))
    return Staff(f"key:{key_id}", roles, merchant_id, read_only="write" not in scopes)


async def _from_cookie(request: web.Request, route: Route) -> Staff | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    shell = request.app[SHELL]
    async with reading(shell.engine) as conn:
        found = await staff.session_holder(conn, cookie_digest(cookie), shell.clock())
    if found is None:
        return None
    if request.method not in _READS and not _same(request.headers.get("X-CSRF-Token", ""), found.csrf):
        raise Problem("csrf_missing")
    if shell.clock() - found.seen_at > SEEN_EVERY:
        async with transaction(shell.engine) as conn:
            await staff.touch_session(conn, found.session_id, shell.clock())
    person = found.person
    first = ""
    if person.password_is_initial:
        first = "password_is_initial"
    elif shell.config.mode == "production" and person.merchant_id is None and not found.second_factor:
        first = "second_factor_needed"
    return Staff(
        person.login,
        frozenset(Role(role) for role in person.roles),
        person.merchant_id,
        user_id=person.user_id,
        session_id=found.session_id,
        csrf=found.csrf,
        first=first,
    )


def _same(given: str, wanted: str) -> bool:
    return hashlib.sha256(given.encode()).digest() == hashlib.sha256(wanted.encode()).digest()


def told(request: web.Request, route: Route, problem: Problem) -> web.StreamResponse:
    """A refusal: as a page where a page was asked for, as a problem everywhere else."""
    if route.media != "text/html" or route.path.startswith("/v1/"):
        return problem_as_json(request, route, problem)
    shell = request.app[SHELL]
    call = Call(shell, request, request.get(WHO), None, shell.clock())
    response = refusal_page(call, problem) if route.path.startswith("/ops") else pages.refusal_page(call, problem)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


def admin_app(shell: AdminShell) -> web.Application:
    """The door's application on a running shell."""
    app = web.Application(client_max_size=MAX_UPLOAD_BYTES, middlewares=[unknown_is_a_problem])
    app[SHELL] = shell
    # Every call can be too fast; said in one place, so that no route forgets to say it.
    calls = tuple(dataclasses.replace(route, problems=sorted({*route.problems, 429})) for route in ROUTES)
    api = document("选款 merchants and operators", calls, bearer=True)
    routes = (*calls, *health_routes(api), *pages.ROUTES, *ops.ROUTES)
    mount(app, routes, shell, caller_of, shell.metrics, told)
    shell.config.media_dir.mkdir(parents=True, exist_ok=True)
    app.router.add_static("/media/", shell.config.media_dir)
    app.router.add_static("/assets/", _ASSETS)
    app.on_response_prepare.append(_secure)
    return app


def every_route() -> tuple[Route, ...]:
    """All routes that need somebody: what the test of role x call goes through, so that no new route is forgotten."""
    return tuple(route for route in (*ROUTES, *pages.ROUTES, *ops.ROUTES) if route.auth != "none")

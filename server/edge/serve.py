"""From a list of routes to an aiohttp application: ids, identities, limits, bodies, problems, counting."""

import asyncio
import hashlib
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import Counter

from server import tracing
from server.edge.problems import Problem, problem_of
from server.edge.wire import (
    REQUEST_ID,
    WHOLE_BODY,
    Call,
    Route,
    json_bytes,
    problem_response,
    read_body,
    read_query,
    without_boundary,
)
from server.metrics import Metrics
from server.stores import idempotency
from server.stores.db import is_away, transaction
from server.tracing import TRACER

log = structlog.get_logger()

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")

Told = Callable[[web.Request, Route, Problem], web.StreamResponse]
Authenticate = Callable[[web.Request, Route], Awaitable[Any]]
_REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


# aiohttp parses a content type that is given by name; one that stands among the headers it sends as it is.
_JSON_HEADERS = {"Content-Type": "application/json"}
_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


def request_id_of(request: web.Request) -> str:
    """The caller's request id if it is harmless, else a new one: this process's mark and a number."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.match(given):
        return given
    return f"{_PROCESS}-{next(_numbers):x}"


def problem_as_json(request: web.Request, route: Route, problem: Problem) -> web.StreamResponse:
    """How a refusal is told to a program."""
    return problem_response(request, problem)


def endpoint(
    route: Route, shell: Any, authenticate: Authenticate, metrics: Metrics, told: Told = problem_as_json
) -> WebHandler:
    """The aiohttp handler of one route. `told` writes what a caller is told of a refusal."""
    label = route.name
    seconds = metrics.seconds.labels(label)
    counted: dict[int, Counter] = {}

    def count(status: int) -> None:
        counter = counted.get(status)
        if counter is None:
            counter = counted[status] = metrics.requests.labels(label, str(status))
        counter.inc()

    async def answer(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        request[REQUEST_ID] = request_id_of(request)
        tracing.serve(request[REQUEST_ID])
        if TRACER.on:
            with TRACER.span(label, request_id=request[REQUEST_ID]):
                return await served(request, started)
        return await served(request, started)

    async def served(request: web.Request, started: float) -> web.StreamResponse:
        try:
            who = await authenticate(request, route)
            model = None if route.multipart else route.body
            body = await read_body(request, model, route.max_body_bytes) if model else None
            if body is not None:
                refuse_zero(await request.read())
            query = read_query(request, route.query) if route.query else None
            call = Call(shell, request, who, body, shell.clock(), query)
            if route.idempotent and KEY_HEADER in request.headers:
                response = await _once(call, route)
            else:
                response = await _handled(call, route)
        except asyncio.CancelledError:
            raise
        except web.HTTPException as raised:
            # aiohttp's own redirects, as an answer of ours: one that is returned instead of raised is warned of.
            place = {"Location": raised.headers["Location"]} if "Location" in raised.headers else {}
            response = web.Response(status=raised.status, headers=place)
        except Exception as error:
            response = told(request, route, _problem(error, request, label))
        if not response.prepared:
            response.headers["X-Request-Id"] = request[REQUEST_ID]
            for name, value in _SAFE_HEADERS.items():
                response.headers.setdefault(name, value)
        seconds.observe(time.perf_counter() - started)
        count(response.status)
        return response

    return answer


async def _handled(call: Call, route: Route) -> web.StreamResponse:
    result = await route.handler(call)
    if isinstance(result, web.StreamResponse):
        return result
    if route.status == 204:
        return web.Response(status=204)
    return web.Response(body=json_bytes(result), status=route.status, headers=_JSON_HEADERS)


async def _once(call: Call, route: Route) -> web.StreamResponse:
    """The answer to a call with an idempotency key: made once, and given again to whoever sends the same again.

    What is refused is not kept: nothing has happened, and the same key may be used for the next try.
    """
    key = call.request.headers[KEY_HEADER]
    if not _KEY.match(key):
        raise Problem("idempotency_key_invalid")
    owner = owner_of(call.who)
    data = await call.request.read()
    if route.multipart:
        call.request[WHOLE_BODY] = data
        data = without_boundary(call.request, data)
    told = f"{route.method} {call.request.rel_url}\n".encode() + data
    digest = hashlib.sha256(told).digest()
    async with transaction(call.shell.engine) as conn:
        known = await idempotency.claim(conn, owner, key, digest, call.now)
    if known is not None:
        if known.digest != digest:
            raise Problem("idempotency_mismatch")
        if known.status is None:
            raise Problem("idempotency_in_progress")
        return web.Response(
            body=known.body, status=known.status, headers={"Idempotent-Replayed": "true"},
            content_type=known.media or None,
        )  # fmt: skip
    kept = False
    try:
        response = await _handled(call, route)
        assert isinstance(response, web.Response), "a stream cannot be given again"
        body = response.body if isinstance(response.body, bytes) else b""
        async with transaction(call.shell.engine) as conn:
            media = response.content_type if body else ""
            await idempotency.keep(conn, owner, key, status=response.status, media=media, body=body)
        kept = True
        return response
    finally:
        if not kept:
            async with transaction(call.shell.engine) as conn:
                await idempotency.give_back(conn, owner, key)


def refuse_zero(data: bytes) -> None:
    """Raises Problem for JSON with a zero character in a text: a database's text cannot hold one, and nobody means it."""
    if b"\\u0000" in data:
        raise Problem(
            "field_invalid",
            field="body",
            params={"field_name": "body", "problem": "a text holds the character \\u0000, which cannot be kept"},
        )


def owner_of(who: Any) -> str:
    """Whose keys these are: two callers may choose the same key and mean different things."""
    for name in ("player_id", "merchant_id", "user_id"):
        owner = getattr(who, name, None)
        if owner is not None:
            return f"{name}:{owner}"
    return f"name:{getattr(who, 'name', '')}"


def _problem(error: Exception, request: web.Request, label: str) -> Problem:
    """What the caller is told of an error; a bug is logged with its place and told as nothing but "internal"."""
    problem = problem_of(error)
    if problem is not None:
        return problem
    if is_away(error):
        log.warning("database_away", route=label, request_id=request[REQUEST_ID], error=type(error).__name__)
        return Problem("database_away")
    log.error("bug", route=label, request_id=request[REQUEST_ID], exc_info=error)
    return Problem("internal")


@web.middleware
async def unknown_is_a_problem(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    """Addresses and methods that do not exist are answered as problems, too."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        request[REQUEST_ID] = request_id_of(request)
        return problem_response(request, Problem("not_found"))
    except web.HTTPMethodNotAllowed as error:
        request[REQUEST_ID] = request_id_of(request)
        response = problem_response(request, Problem("method_not_allowed"))
        response.headers["Allow"] = ",".join(sorted(error.allowed_methods))
        return response
    except web.HTTPRequestEntityTooLarge:
        request[REQUEST_ID] = request_id_of(request)
        return problem_response(
            request, Problem("body_too_large", params={"limit_kb": request.app._client_max_size // 1024})
        )


def mount(
    app: web.Application,
    routes: Sequence[Route],
    shell: Any,
    authenticate: Authenticate,
    metrics: Metrics,
    told: Told = problem_as_json,
) -> None:
    """Put the routes into the application."""
    for route in routes:
        app.router.add_route(route.method, route.path, endpoint(route, shell, authenticate, metrics, told))

"""From a list of routes to an aiohttp application: ids, identities, limits, bodies, problems, counting."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import Counter

from server.edge.problems import Problem, problem_of
from server.edge.wire import REQUEST_ID, Call, Route, json_bytes, problem_response, read_body, read_query
from server.metrics import Metrics
from server.stores.db import is_away

log = structlog.get_logger()

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Authenticate = Callable[[web.Request, Route], Awaitable[Any]]
_REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


def request_id_of(request: web.Request) -> str:
    """The caller's request id if it is harmless, else a new one: this process's mark and a number."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _REQUEST_ID.match(given):
        return given
    return f"{_PROCESS}-{next(_numbers):x}"


def endpoint(route: Route, shell: Any, authenticate: Authenticate, metrics: Metrics) -> WebHandler:
    """The aiohttp handler of one route."""
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
        try:
            who = await authenticate(request, route)
            model = None if route.multipart else route.body
            body = await read_body(request, model, route.max_body_bytes) if model else None
            query = read_query(request, route.query) if route.query else None
            result = await route.handler(Call(shell, request, who, body, shell.clock(), query))
            response = (
                result
                if isinstance(result, web.StreamResponse)
                else web.Response(
                    body=json_bytes(result) if route.status != 204 else None,
                    status=route.status,
                    content_type="application/json" if route.status != 204 else None,
                )
            )
        except asyncio.CancelledError:
            raise
        except web.HTTPException as raised:
            response = raised  # aiohttp's own redirects
        except Exception as error:
            response = problem_response(request, _problem(error, request, label))
        if not response.prepared:
            response.headers["X-Request-Id"] = request[REQUEST_ID]
            for name, value in _SAFE_HEADERS.items():
                response.headers.setdefault(name, value)
        seconds.observe(time.perf_counter() - started)
        count(response.status)
        return response

    return answer


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
    app: web.Application, routes: Sequence[Route], shell: Any, authenticate: Authenticate, metrics: Metrics
) -> None:
    """Put the routes into the application."""
    for route in routes:
        app.router.add_route(route.method, route.path, endpoint(route, shell, authenticate, metrics))

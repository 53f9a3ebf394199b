"""How a call comes in and an answer goes out: routes, bodies, and problems as application/problem+json (RFC 9457)."""

import asyncio
import dataclasses
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pydantic
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

from server.edge.problems import Problem
from server.edge.words import KINDS_ZH

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
# A multipart body that was read as a whole before its handler came to it.
WHOLE_BODY: web.RequestKey[bytes] = web.RequestKey("whole_body", bytes)
MAX_BODY_BYTES = 256 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";]+)')


class Wire(pydantic.BaseModel):
    """A body as it stands on the wire: unknown fields are refused, so that a typing error is not silence."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reply(pydantic.BaseModel):
    """A body that goes out."""

    model_config = pydantic.ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the shell of the application, who calls (None where the route asks nobody), and the checked body."""

    shell: Any
    request: web.Request
    who: Any
    body: Any
    now: datetime
    query: Any = None

    def path_uuid(self, name: str) -> uuid.UUID:
        """A UUID in the path; whatever is no UUID names nothing that exists (404)."""
        try:
            return uuid.UUID(self.request.match_info[name])
        except ValueError:
            raise Problem("not_found") from None


Handler = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the list of routes. `auth` names who may call: see the application's authenticator."""

    method: str
    path: str
    handler: Handler
    summary: str
    auth: str = "player"
    body: type[pydantic.BaseModel] | None = None
    query: type[pydantic.BaseModel] | None = None
    reply: Any = None
    status: int = 200
    problems: Sequence[int] = ()
    multipart: bool = False
    media: str = JSON
    max_body_bytes: int = MAX_BODY_BYTES
    limit: str | None = None
    idempotent: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def json_bytes(value: Any) -> bytes:
    """JSON of a reply: pydantic models, dataclasses, and plain values. No number in it is NaN or infinite."""
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump_json().encode()
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"no JSON form for {type(value).__name__}")


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with a Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=json_bytes(value), status=status, content_type=JSON)


def wants_english(request: web.Request) -> bool:
    """Chinese is what is shown unless the caller prefers English (`lang=en`, or Accept-Language beginning with en)."""
    lang = request.query.get("lang")
    if lang:
        return lang.startswith("en")
    return request.headers.get("Accept-Language", "").strip().lower().startswith("en")


def problem_response(request: web.Request, problem: Problem) -> web.Response:
    """A problem as RFC 9457 asks, with our stable `code` and the request's id."""
    body = {
        "type": f"urn:xuankuan:problem:{problem.code}",
        "title": problem.code.replace("_", " "),
        "status": problem.status,
        "detail": problem.detail(english=wants_english(request)),
        "code": problem.code,
        "request_id": request.get(REQUEST_ID, ""),
        **({"field": problem.field} if problem.field else {}),
        **problem.extra,
    }
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s is not None else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(body=json_bytes(body), status=problem.status, content_type=PROBLEM_JSON, headers=headers)


async def parts_of(request: web.Request) -> aiohttp.MultipartReader:
    """The parts of a multipart body, whether or not it was read before. Raises ValueError where it is none."""
    if WHOLE_BODY not in request:
        return await request.multipart()
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream.feed_data(request[WHOLE_BODY])
    stream.feed_eof()
    return aiohttp.MultipartReader(request.headers, stream)


def without_boundary(request: web.Request, data: bytes) -> bytes:
    """A multipart body without the boundary, which is another one each time the same thing is sent."""
    found = _BOUNDARY.search(request.headers.get("Content-Type", ""))
    return data.replace(found.group(1).encode(), b"") if found else data


async def read_body(request: web.Request, model: type[pydantic.BaseModel], max_bytes: int) -> pydantic.BaseModel:
    """The checked body; raises a Problem of 413, 415 or 422 (naming the first wrong field)."""
    content_type = request.content_type
    if content_type not in (JSON, "application/octet-stream") and request.can_read_body:
        raise Problem("not_json")
    if request.content_length is not None and request.content_length > max_bytes:
        raise Problem("body_too_large", params={"limit_kb": max_bytes // 1024})
    data = await request.read()
    if len(data) > max_bytes:
        raise Problem("body_too_large", params={"limit_kb": max_bytes // 1024})
    return parsed(model, data)


def parsed(model: type[pydantic.BaseModel], data: bytes | str) -> pydantic.BaseModel:
    """`data` as `model`; raises a Problem 422 that names the first field which is wrong."""
    try:
        return model.model_validate_json(data or b"{}")
    except pydantic.ValidationError as error:
        raise invalid(error) from None


def invalid(error: pydantic.ValidationError) -> Problem:
    """A 422 that names the first wrong field and says what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    told = KINDS_ZH.get(first["type"])
    params = {"field_name": field, "problem": first["msg"]}
    if told:
        params["problem_zh"] = told.format(**first.get("ctx", {}))
    return Problem("field_invalid", field=field, params=params)


def read_query(request: web.Request, model: type[pydantic.BaseModel]) -> pydantic.BaseModel:
    """The checked query string; raises a Problem 422."""
    pairs = {key: value for key, value in request.query.items() if key != "lang" or "lang" in model.model_fields}
    try:
        return model.model_validate(pairs)
    except pydantic.ValidationError as error:
        raise invalid(error) from None

"""The audit log: looked through by who, what, object, request and time; taken along as CSV or JSON lines; never changed."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import pydantic
from aiohttp import web

from admin.roles import May
from rewards.days import BEIJING
from server.edge.wire import Call, Reply, Route, Wire, rfc3339
from server.stores import audit, seals
from server.stores.audit import AuditLine, Search
from server.stores.db import reading
from server.stores.seals import CHAINS

SEE = May.SEE_AUDIT.value
BATCH = 1000
_OF_LINES = next(chain for chain in CHAINS if chain.name == "audit_lines")
Word = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00]*$")]


class AuditFilter(Wire):
    """What is looked for; everything that is said must fit. `what`: an act (switch.stop) or an area of acts (switch)."""

    who: Word = ""
    what: Word = ""
    object_id: Word = ""
    request_id: Word = ""
    since: datetime | None = None
    until: datetime | None = None

    @pydantic.field_validator("since", "until", mode="before")
    @classmethod
    def _blank(cls, value: Any) -> Any:
        return value or None

    @pydantic.field_validator("since", "until")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        """A time without a zone is Beijing's, as on the pages."""
        if value is None:
            return None
        if not 1970 < value.year < 9000:
            raise ValueError("a year between 1971 and 8999")
        return value if value.tzinfo else value.replace(tzinfo=BEIJING)

    def search(self) -> Search:
        """As the store is asked."""
        return Search(
            who=self.who or None,
            what=self.what or None,
            object_id=self.object_id or None,
            request_id=self.request_id or None,
            since=self.since,
            until=self.until,
        )


class AuditQuery(AuditFilter):
    """What is looked for, and which page."""

    cursor: int | None = pydantic.Field(default=None, ge=1, le=2**62)
    limit: int = pydantic.Field(default=50, ge=1, le=200)


class AuditLineReply(Reply):
    """One line: who did what to which object, from what to what, why, and the id of the request that asked for it."""

    line_id: int
    at: str
    who: str
    what: str
    object_id: str
    before: Any
    after: Any
    why: str
    request_id: str
    sealed: bool


class AuditReply(Reply):
    """A page, newest first; lines up to `sealed_up_to` are in the chain of hashes."""

    lines: list[AuditLineReply]
    next: str | None
    sealed_up_to: int
    sealed_at: str | None


def line_reply(line: AuditLine) -> dict[str, Any]:
    """A line as it goes out."""
    return {
        "line_id": line.line_id,
        "at": rfc3339(line.at),
        "who": line.who,
        "what": line.what,
        "object_id": line.object_id,
        "before": line.before,
        "after": line.after,
        "why": line.why,
        "request_id": line.request_id,
    }


async def page_of(call: Call, query: AuditQuery) -> dict[str, Any]:
    """A page of the log."""
    async with reading(call.shell.engine) as conn:
        found = await audit.search(conn, query.search(), before_line=query.cursor, limit=query.limit + 1)
        up_to, sealed_at = await seals.sealed_up_to(conn, _OF_LINES)
    shown = found[: query.limit]
    return {
        "lines": [{**line_reply(line), "sealed": line.line_id <= up_to} for line in shown],
        "next": str(shown[-1].line_id) if len(found) > query.limit else None,
        "sealed_up_to": up_to,
        "sealed_at": rfc3339(sealed_at) if sealed_at else None,
    }


async def get_audit(call: Call) -> dict[str, Any]:
    """Lines of the audit log, newest first."""
    return await page_of(call, call.query)


async def _all_lines(call: Call) -> AsyncIterator[list[AuditLine]]:
    """Everything that fits, in batches, each read by itself: a long download holds no transaction open."""
    before: int | None = None
    while True:
        async with reading(call.shell.engine) as conn:
            batch = await audit.search(conn, call.query.search(), before_line=before, limit=BATCH)
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        before = batch[-1].line_id


async def get_audit_jsonl(call: Call) -> web.StreamResponse:
    """Everything that fits as JSON lines, newest first."""
    response = web.StreamResponse(headers=_as_file("application/x-ndjson", "audit.jsonl"))
    await response.prepare(call.request)
    async for batch in _all_lines(call):
        text = "".join(json.dumps(line_reply(line), ensure_ascii=False) + "\n" for line in batch)
        await response.write(text.encode())
    return response


async def get_audit_csv(call: Call) -> web.StreamResponse:
    """Everything that fits as CSV for a spreadsheet, newest first; a text that begins like a formula stays a text."""
    response = web.StreamResponse(headers=_as_file("text/csv", "audit.csv"))
    await response.prepare(call.request)
    names = ("line_id", "at", "who", "what", "object_id", "before", "after", "why", "request_id")
    # The mark tells spreadsheets that this is UTF-8.
    await response.write(b"\xef\xbb\xbf" + (",".join(names) + "\r\n").encode())
    async for batch in _all_lines(call):
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        for line in batch:
            told = line_reply(line)
            writer.writerow([_cell(told[name]) for name in names])
        await response.write(buffer.getvalue().encode())
    return response


def _cell(value: Any) -> str | int:
    if value is None or isinstance(value, int):
        return "" if value is None else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _as_file(media: str, name: str) -> dict[str, str]:
    return {
        "Content-Type": f"{media}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }


ROUTES = (
    Route(method="GET", path="/v1/ops/audit", handler=get_audit, summary="Audit log", auth=SEE, query=AuditQuery,
          reply=AuditReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/audit.csv", handler=get_audit_csv, summary="Audit log as CSV", auth=SEE,
          query=AuditFilter, media="text/csv", problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/audit.jsonl", handler=get_audit_jsonl, summary="Audit log as JSON lines",
          auth=SEE, query=AuditFilter, media="application/x-ndjson", problems=(401, 403, 422, 503)),
)  # fmt: skip

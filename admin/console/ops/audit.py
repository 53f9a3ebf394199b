"""/ops/audit: the log, looked through and taken along; nothing on this page can change it."""

import json
from typing import Any

from aiohttp import web

from admin.api.ops_audit import AuditQuery, page_of
from admin.console.ops.page import changed, ops_page
from admin.roles import May
from server.edge.wire import Call, Route
from server.stores import audit
from server.stores.db import reading

# In the order in which the filters stand on the page.
_FILTERS = ("who", "what", "object_id", "request_id", "since", "until")


async def get_audit_page(call: Call) -> web.Response:
    """A page of the log with its filters."""
    told: dict[str, Any] = await page_of(call, call.query)
    async with reading(call.shell.engine) as conn:
        acts = await audit.acts(conn)
    kept = {name: call.request.query.get(name, "") for name in _FILTERS}
    return ops_page(
        call,
        "ops/audit.html",
        told=told,
        dump=lambda value: json.dumps(value, ensure_ascii=False, indent=1),
        acts=sorted({*acts, *(act.partition(".")[0] for act in acts)}),
        as_csv=changed("/v1/ops/audit.csv", kept, {}),
        as_jsonl=changed("/v1/ops/audit.jsonl", kept, {}),
    )


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/audit", handler=get_audit_page, summary="Audit log", auth=May.SEE_AUDIT.value,
          query=AuditQuery, media="text/html"),
)  # fmt: skip

"""What all operators' pages share: their frame with its navigation, links that keep a filter, and refusals in words."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from admin.console.ops.sections import navigation
from admin.console.pages import render
from server.edge.problems import Problem
from server.edge.wire import Call, wants_english


def ops_page(call: Call, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page of the operators' console. `template` extends ops/base.html.

    Beside `values`, a template has `link(cursor=…)`: the address of this page with its present filters, changed as
    named (None takes a parameter away), and `query`, the present parameters.
    """
    request = call.request
    return render(
        call,
        template,
        status=status,
        groups=navigation(call.who, registered_paths(request.app)) if call.who else (),
        query=dict(request.query),
        link=lambda **changes: changed(request.path, request.query, changes),
        **values,
    )


def changed(path: str, query: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    """The address of `path` with the parameters of `query`, changed; a parameter that is None or empty goes."""
    pairs = {**query, **changes}
    told = urlencode({name: value for name, value in pairs.items() if value not in (None, "")})
    return f"{path}?{told}" if told else path


def registered_paths(app: web.Application) -> frozenset[str]:
    """The paths for which something answers."""
    return frozenset(resource.canonical for resource in app.router.resources())


def refusal_page(call: Call, problem: Problem) -> web.Response:
    """A refusal as a page: what is wrong, in words, in the frame of the console."""
    sentence = problem.detail(english=wants_english(call.request))
    return ops_page(call, "ops/refused.html", status=problem.status, sentence=sentence, problem=problem)

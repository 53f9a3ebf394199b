"""The OpenAPI 3.1 document of an application, made from its list of routes and their pydantic models."""

import re
from collections.abc import Sequence
from typing import Any

import pydantic

from server.edge.wire import Route

_PROBLEMS = {
    401: "Log in first",
    403: "Not allowed",
    404: "Not there, or not yours",
    409: "Does not fit the present state",
    413: "Too large",
    415: "Not the expected kind of body",
    422: "A field is wrong; `field` names it",
    429: "Too fast; wait `Retry-After` seconds",
    503: "Away for a moment; wait `Retry-After` seconds",
}

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable name of the refusal"},
        "request_id": {"type": "string"},
        "field": {"type": "string"},
    },
}


def document(title: str, routes: Sequence[Route], *, bearer: bool) -> dict[str, Any]:
    """An OpenAPI 3.1 document that describes every route, its bodies, and every answer it may give."""
    schemas: dict[str, Any] = {"Problem": PROBLEM_SCHEMA}
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(re.sub(r":[^}]+}", "}", route.path), {})[route.method.lower()] = _operation(
            route, schemas, bearer
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}} if bearer else {},
        },
    }


def _operation(route: Route, schemas: dict[str, Any], bearer: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": (route.handler.__doc__ or "").strip(),
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "responses": {str(route.status): _success(route, schemas)},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
        if name.endswith("id")
        else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([a-z_]+)", route.path)
    ]
    if route.query is not None:
        schema = _schema(route.query, schemas, inline=True)
        required = set(schema.get("required", ()))
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": field}
            for name, field in schema.get("properties", {}).items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        media = "multipart/form-data" if route.multipart else "application/json"
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": _schema(route.body, schemas)}},
        }
    for status in route.problems:
        operation["responses"][str(status)] = {
            "description": _PROBLEMS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": {"Retry-After": {"schema": {"type": "integer"}}}} if status in (429, 503) else {}),
        }
    if route.auth != "none" and bearer:
        operation["security"] = [{"bearer": []}]
    return operation


def _success(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "Done"}
    content: dict[str, Any] = {}
    if route.media == "application/json" and route.reply is not None:
        content = {"schema": _schema(route.reply, schemas)}
    return {"description": "Done", "content": {route.media: content}}


def _schema(model: Any, schemas: dict[str, Any], *, inline: bool = False) -> dict[str, Any]:
    adapter = pydantic.TypeAdapter(model)
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    for name, definition in schema.pop("$defs", {}).items():
        _define(name, definition, schemas)
    if inline or not isinstance(model, type) or not issubclass(model, pydantic.BaseModel):
        return schema
    _define(model.__name__, schema, schemas)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _define(name: str, definition: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Name a schema. Two bodies of one name would describe each other's answers, which is a bug, not a choice."""
    assert schemas.setdefault(name, definition) == definition, f"two different bodies are called {name}"

"""Which call or job is being served: its id goes with every line of the log, and with what is done later because of it.

With the OpenTelemetry packages installed and `OTEL_EXPORTER_OTLP_ENDPOINT` set, calls and jobs are spans, too.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar
from typing import Any

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def serve(request_id: str) -> None:
    """From here on this task serves the call with this id."""
    _request_id.set(request_id)


def request_id() -> str:
    """The id of the call that is served, empty where none is."""
    return _request_id.get()


def name_the_call(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of the log: the id of the call that is served stands in each of its lines."""
    if (serving := _request_id.get()) and "request_id" not in line:
        line["request_id"] = serving
    return line


class Tracer:
    """Spans where somebody collects them; nothing at all where nobody does."""

    def __init__(self, tracer: Any = None) -> None:
        self._tracer = tracer

    @property
    def on(self) -> bool:
        """Whether spans go anywhere."""
        return self._tracer is not None

    @contextlib.contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """A span around what is done within."""
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield


def tracer_from_environment(service: str) -> Tracer:
    """A tracer that sends to `OTEL_EXPORTER_OTLP_ENDPOINT`; a silent one where that is not set or not installed."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return Tracer()
    try:
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        return Tracer()
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": service}))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return Tracer(provider.get_tracer("xuankuan"))


TRACER = tracer_from_environment("xuankuan")

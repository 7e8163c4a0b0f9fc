"""Traces by OpenTelemetry, where a collector is named; without one, nothing of it is imported.

A span a request, made when the request is over, with what it went through as spans below it. They are sent
in the background, by OTLP over HTTP; a collector that does not answer costs no request anything.
"""

import os
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from stt_core.errors import StartError
from stt_core.observability.account import WEBSOCKET, Account, Attributes

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

FAREWELL = 2.0
"""Seconds that the last spans may take on their way out."""


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether OpenTelemetry's own variables name a collector. Raises StartError for what cannot be done."""
    name = next((name for name in ENDPOINTS if environment.get(name, "").strip()), None)
    if name is None or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    try:
        address = urlsplit(environment[name].strip())
        valid = address.scheme in ("http", "https") and address.hostname and (address.port or 1)
    except ValueError:
        valid = False
    if not valid:
        raise StartError(f"{name} is not the address of a collector; it looks like http://collector.example.org:4318.")
    asked = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if asked != "http/protobuf":
        raise StartError(f"Traces go out by http/protobuf, not by {asked[:40]!r}; unset {PROTOCOLS[1]}.")
    return True


class Tracing:
    """Spans on their way to the collector that the environment names.

    service: the name that they bear, unless the environment gives another.
    """

    def __init__(self, service: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._contexts = TraceContextTextMapPropagator()
        given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        named = os.environ.get("OTEL_SERVICE_NAME") or f"{SERVICE_NAME}=" in given
        resource = Resource.create({} if named else {SERVICE_NAME: service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("stt")

    def record(self, account: Account) -> str:
        """Take a request that has ended; gives the id of its trace in 32 hexadecimal digits."""
        parent = self._contexts.extract({"traceparent": account.traceparent})
        span = self._tracer.start_span(
            f"{account.method} {account.route}",
            context=parent,
            kind=self._api.SpanKind.SERVER,
            attributes=_attributes(account),
            start_time=account.started,
        )
        if account.status >= 500:
            span.set_status(self._api.StatusCode.ERROR)
        inside = self._api.set_span_in_context(span)
        for course in account.courses:
            for name, start, end, attributes in course.stages():
                stage = self._tracer.start_span(name, inside, attributes=attributes, start_time=start)
                stage.end(end)
        span.end(account.started + round(account.seconds * 1e9))
        return self._api.format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what is left, within a bounded time."""
        last = threading.Thread(target=self._provider.shutdown, name="farewell", daemon=True)
        last.start()
        last.join(FAREWELL)


def _attributes(account: Account) -> Attributes:
    """As OpenTelemetry's semantic conventions for HTTP name them; what is ours begins with stt."""
    attributes: Attributes = {
        "http.request.method": "GET" if account.method == WEBSOCKET else account.method,
        "http.route": account.route,
        "http.response.status_code": account.status,
        "url.scheme": "http",
        "stt.request_id": account.identity,
        "stt.model": account.model,
        "stt.audio_seconds": account.audio_seconds,
    }
    if account.status >= 500:
        attributes["error.type"] = str(account.status)
    if account.gone:
        attributes["stt.gone"] = True
    return {name: value for name, value in attributes.items() if value}

"""The outermost layer: a request id, a log line and a measure for every request, JSON for every failure."""

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_core import errors
from stt_core.metrics import Metrics

log = logging.getLogger("stt")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""A client's own x-request-id is kept when it is as harmless as this."""
QUIET = frozenset({"/health", "/ready", "/metrics", "/status", "/openapi.json"})


class Edge:
    """Pure ASGI, so that nothing is buffered and a client that leaves is noticed below."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identity = given if REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        started = time.monotonic()
        status = 0

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = identity
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except Exception:
            log.exception("request %s failed", identity)
            if status == 0:
                await _sorry(identity, tagged)
        finally:
            self._note(scope, status, time.monotonic() - started, identity)

    def _note(self, scope: Scope, status: int, seconds: float, identity: str) -> None:
        route = scope.get("route")
        # The route, not the path: what clients make up must not become time series or log lines.
        path = getattr(route, "path", "other")
        self._metrics.requests.labels(path, str(status or 499)).inc()
        self._metrics.request_seconds.labels(path).observe(seconds)
        level = logging.DEBUG if path in QUIET else logging.INFO
        log.log(level, "%s %s %s %.3f s %s", scope["method"], path, status or "gone", seconds, identity)


async def _sorry(identity: str, send: Send) -> None:
    error = errors.ApiError(f"The service failed; its log has the reason under {identity}.")
    await respond(send, error.status, errors.body(error), errors.headers(error))


async def respond(send: Send, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Send one JSON response without any framework around it."""
    content = json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    raw = [(key.lower().encode(), value.encode()) for key, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})

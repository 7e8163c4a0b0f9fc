"""The outermost layer: an account of every request and websocket, its id, and JSON for every failure."""

import json
import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_core import errors
from stt_core.http import aliases
from stt_core.observability import logs
from stt_core.observability.account import WEBSOCKET, Account
from stt_core.observability.metrics import Metrics

log = logging.getLogger("stt")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""A client's own x-request-id is kept when it is as harmless as this."""
QUIET = frozenset({"/health", "/ready", "/metrics", "/status", "/openapi.json"})
"""Asked every few seconds by whoever watches: neither logged nor traced. They wake no service either:
service-defaults.yml has the same."""


class Tracer(Protocol):
    """Where the accounts go to be traced."""

    def record(self, account: Account) -> str:
        """Take a request that has ended; gives the id of its trace."""


class Edge:
    """Pure ASGI, so that nothing is buffered and a client that leaves is noticed below."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracer: Tracer | None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        account = Account(
            given if REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}",
            method=scope.get("method", WEBSOCKET),
            traceparent=headers.get("traceparent", ""),
        )
        scope = aliases.same(scope)
        watched = _Watched(account, receive, send)
        busy = self._metrics.websockets if account.method == WEBSOCKET else self._metrics.in_flight
        try:
            with busy.track_inprogress(), account.open():
                await self._app(scope, watched.receive, watched.send)
        except Exception:
            log.exception("a request failed", extra={"fields": {"request_id": account.identity}})
            await watched.apologize()
        finally:
            account.route = getattr(scope.get("route"), "path", account.route)
            note(account, self._metrics, self._tracer)


def note(account: Account, metrics: Metrics, tracer: Tracer | None) -> None:
    """A request has ended: tell the measures, the trace and the log."""
    metrics.note(account)
    quiet = account.route in QUIET
    trace = None if quiet or tracer is None else tracer.record(account)
    said = "gone" if account.gone else account.status or "no answer"
    message = f"{account.method} {account.route} {said}"
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        message,
        extra={"fields": logs.request_fields(account, trace)},
    )


class _Watched:
    """The two ends of one request or websocket, as they are seen passing."""

    def __init__(self, account: Account, receive: Receive, send: Send) -> None:
        self._account = account
        self._receive = receive
        self._send = send
        self._over = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._over:
            self._account.gone = True
        self._over |= message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self._account.status = message["status"]
                self._tag(message)
            case "websocket.accept":
                self._account.status = 101
                self._tag(message)
            case "http.response.body" | "websocket.http.response.body":
                self._over = not message.get("more_body", False)
            case "websocket.close":
                self._account.status = self._account.status or 403  # as the server says it over HTTP
                self._over = True
        await self._send(message)

    async def apologize(self) -> None:
        """Tell the client that the service failed, as far as it can still be told."""
        if self._over:
            return
        if self._account.method == WEBSOCKET:
            await self.send({"type": "websocket.close", "code": 1011})
        elif not self._account.status:
            said = f"The service failed; its log has the reason under {self._account.identity}."
            error = errors.ApiError(said)
            await respond(self.send, error.status, errors.body(error), errors.headers(error))

    def _tag(self, message: Message) -> None:
        """The id of the request; where what is below gave one of its own, that counts."""
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        self._account.identity = headers.get("x-request-id", self._account.identity)
        headers["x-request-id"] = self._account.identity


async def respond(send: Send, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Send one JSON response without any framework around it."""
    content = json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    raw = [(key.lower().encode(), value.encode()) for key, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})

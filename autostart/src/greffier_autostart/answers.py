"""What autostart itself answers, as bytes. Pure."""

from __future__ import annotations

import json
from http import HTTPStatus

from .entry import Policy
from .machine import Machine
from .page import waiting_page
from .states import Refusal, State


class Answer:
    """A whole answer, but for what the request and the connection decide (HEAD, keep-alive)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, kind: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.status = status
        self.headers = (("Content-Type", kind), ("Cache-Control", "no-store"), *headers)
        self.body = body

    def encode(self, *, head_only: bool, keep_alive: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if head_only else head + self.body


def json_answer(status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, "application/json", json.dumps(document).encode(), headers)


def error(status: int, code: str, message: str, *, retry_after: int | None = None) -> Answer:
    """An error in the shape of OpenAI's API. Without `retry_after`, clients are told not to try again."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    if retry_after is None:
        headers: tuple[tuple[str, str], ...] = (("x-should-retry", "false"),)
    else:
        headers = (("Retry-After", str(retry_after)),)
    return json_answer(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)


def refusal(why: Refusal) -> Answer:
    return error(503, why.code, why.message, retry_after=why.retry_after)


def unknown_host(host: str) -> Answer:
    return error(404, "unknown_host", f"no service has the host name {host!r}")


def options() -> Answer:
    """To `OPTIONS *`, which asks whether somebody is there at all (RFC 9110, section 9.3.7)."""
    return Answer(200, "text/plain; charset=utf-8", b"")


def unauthorized() -> Answer:
    return error(401, "invalid_api_key", "this key is no longer valid")


def bad_gateway(service: str, message: str) -> Answer:
    return error(502, "bad_gateway", f"{service} {message}", retry_after=1)


def timeout(service: str, message: str, seconds: float) -> Answer:
    return error(504, "timeout", f"{service} {message} within {seconds:g} s")


def navigation(machine: Machine, why: Refusal | None) -> Answer:
    """The waiting page for a browser, with `why` when nothing is being started."""
    refresh = why.retry_after if why else 2
    failed = why.message if why and machine.state is not State.STARTING else None
    body = waiting_page(machine.name, machine.state, failed, refresh).encode()
    headers = (
        ("Retry-After", str(refresh)),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Answer(503, "text/html; charset=utf-8", body, headers)


def quiet(machine: Machine, path: str, policy: Policy, openapi: bytes | None) -> Answer:
    """What a quiet path says while the service is not ready.

    The readiness path is 503 and everything else 200, because the path as such works: a service that sleeps
    is in order. Where one path serves for both, it speaks of health. `openapi` is the committed document,
    where there is one.
    """
    state = machine.state.value
    if path == policy.ready_path != policy.health_path:
        retry = max(1, round(machine.last_start_seconds or 2))
        return error(503, f"service_{state}", f"{machine.name} is {state}", retry_after=retry)
    if path == "/metrics":
        return Answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics(machine).encode())
    if path == "/openapi.json" and openapi is not None:
        return Answer(200, "application/json", openapi)
    document: dict[str, object] = {"status": state, "service": machine.name}
    if machine.last_error:
        document["error"] = machine.last_error.told
    return json_answer(200, document)


def metrics(machine: Machine) -> str:
    """The state in Prometheus' text format. Names have no characters that a label would have to escape."""
    lines = [
        "# HELP greffier_service_state 1 for the state that the service is in.",
        "# TYPE greffier_service_state gauge",
    ]
    for state in State:
        value = int(machine.state is state)
        lines.append(f'greffier_service_state{{service="{machine.name}",state="{state.value}"}} {value}')
    lines += [
        "# HELP greffier_service_starts_total Starts since autostart began.",
        "# TYPE greffier_service_starts_total counter",
        f'greffier_service_starts_total{{service="{machine.name}"}} {machine.starts}',
    ]
    return "\n".join(lines) + "\n"

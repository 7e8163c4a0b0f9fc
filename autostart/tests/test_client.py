"""What a connection does about time and number: with a clock and a transport of the test's own."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from greffier_autostart.client import HEAD_SECONDS, IDLE_SECONDS, LINGER_SECONDS, STALL_SECONDS, Client
from greffier_autostart.exchange import HANDSHAKE_SECONDS, SILENT_SECONDS
from greffier_autostart.machine import Machine
from greffier_autostart.states import Limits
from world import World


class Transport:
    """Takes notes."""

    def __init__(self) -> None:
        self.sent = b""
        self.end = ""
        self.reading = True

    def set_write_buffer_limits(self, high: int) -> None: ...

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return bool(self.end)

    def write_eof(self) -> None: ...

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Router:
    """Has one sleeping service, whisper."""

    def __init__(self, *, full: bool = False) -> None:
        self.closing = False
        self.full = full
        world = World()
        self.machine = world.machine = Machine("whisper", Limits(60, 40, 100), world)
        policy = SimpleNamespace(quiet_paths=frozenset(["/health"]), ready_path="/ready", blocking=True)
        entry = SimpleNamespace(name="whisper", policy=policy)
        self.service: Any = SimpleNamespace(machine=self.machine, entry=entry, openapi=lambda: None)

    def find(self, host: str) -> Any:
        return self.service if host == "whisper" else None

    def opened(self, client: Client) -> bool:
        return not self.full

    def closed(self, client: Client) -> None: ...


class Clock:
    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def connect(clock: Any, router: Router | None = None) -> tuple[Client, Transport]:
    client, transport = Client(router or Router(), clock), Transport()
    client.connection_made(transport)  # type: ignore[arg-type]
    return client, transport


def error(transport: Transport) -> tuple[int, str]:
    head, _, body = transport.sent.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)["error"]["code"]


def test_head_must_arrive_in_time_however_slowly_it_drips(clock: Clock) -> None:
    client, transport = connect(clock)
    begun = clock.now
    for byte in b"GET / HTTP/1.1":
        client.data_received(bytes([byte]))
        clock.now += 1
    client.sweep(begun + HEAD_SECONDS - 1)
    assert not transport.sent
    client.sweep(begun + HEAD_SECONDS + 1)
    assert error(transport) == (408, "timeout")
    client.sweep(clock.now + HEAD_SECONDS + LINGER_SECONDS + 2)
    assert transport.end == "aborted"


def test_unused_connection_is_closed_and_a_used_one_kept_longer(clock: Clock) -> None:
    client, transport = connect(clock)
    client.data_received(b"GET /health HTTP/1.1\r\nHost: whisper\r\n\r\n")
    assert b"asleep" in transport.sent
    client.sweep(clock.now + IDLE_SECONDS - 1)
    assert not transport.end
    client.sweep(clock.now + IDLE_SECONDS + 1)
    assert transport.end == "aborted"


def test_empty_lines_keep_no_connection_open(clock: Clock) -> None:
    client, transport = connect(clock)
    begun = clock.now
    while not transport.end and clock.now < begun + 10 * HEAD_SECONDS:
        client.data_received(b"\r\n")
        clock.now += HEAD_SECONDS / 2
        client.sweep(clock.now)
    assert clock.now <= begun + 2 * HEAD_SECONDS + LINGER_SECONDS


def test_one_empty_line_before_a_request_is_passed_over_and_more_are_refused(clock: Clock) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: whisper\r\n\r\n"
    client, transport = connect(clock)
    for byte in b"\r\n" + request + b"\r\n" + request:
        client.data_received(bytes([byte]))
    assert transport.sent.count(b"200 OK") == 2
    client, transport = connect(clock)
    client.data_received(b"\r\n\r\n" + request)
    assert error(transport) == (400, "bad_request")


class Upstream:
    """A service's connection that takes everything and says nothing."""

    reused = False

    def __init__(self) -> None:
        self.owner: Any = None
        self.taken = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.taken += data

    def write_eof(self) -> None:
        self.ended = "eof"

    def abort(self) -> None:
        self.ended = "aborted"


def ready(clock: Any) -> tuple[Client, Transport, Router, Upstream]:
    """A connection to a service that is ready."""
    router, upstream = Router(), Upstream()
    router.machine.wake()
    router.machine.on_ready()
    router.service.pool = SimpleNamespace(take=lambda: None, connect=lambda done: done(upstream))
    return *connect(clock, router), router, upstream


HANDSHAKE = b"GET / HTTP/1.1\r\nHost: whisper\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_a_handshake_that_is_never_answered_is_given_up(clock: Clock) -> None:
    client, transport, router, upstream = ready(clock)
    client.data_received(HANDSHAKE)
    client.data_received(b"x" * 100_000)  # and then it is not heard whether the client leaves
    assert router.machine.in_flight == 1 and not transport.reading
    client.sweep(clock.now)
    client.sweep(clock.now + HANDSHAKE_SECONDS - 1)
    assert not transport.sent
    client.sweep(clock.now + HANDSHAKE_SECONDS + 1)
    assert error(transport) == (504, "timeout")
    assert router.machine.in_flight == 0 and upstream.ended == "aborted"


@pytest.mark.parametrize("gone", ["sends no more", "is not read"])
def test_a_service_that_stands_still_for_a_client_that_may_be_gone_is_given_up(clock: Clock, gone: str) -> None:
    client, transport, router, upstream = ready(clock)
    if gone == "sends no more":
        client.data_received(b"GET / HTTP/1.1\r\nHost: whisper\r\n\r\n")
        assert client.eof_received() and upstream.ended == "eof"
    else:
        client.data_received(b"POST / HTTP/1.1\r\nHost: whisper\r\nContent-Length: 1000000\r\n\r\n")
        upstream.owner.upstream_full()
        assert not transport.reading
    client.sweep(clock.now)
    client.sweep(clock.now + SILENT_SECONDS - 1)
    assert router.machine.in_flight == 1
    client.sweep(clock.now + SILENT_SECONDS + 1)
    assert error(transport) == (504, "timeout") and router.machine.in_flight == 0


def test_a_service_may_take_its_time_for_a_client_that_is_there(clock: Clock) -> None:
    client, transport, router, _ = ready(clock)
    client.data_received(b"POST / HTTP/1.1\r\nHost: whisper\r\nContent-Length: 1\r\n\r\nx")
    for _ in range(3):
        clock.now += SILENT_SECONDS
        client.sweep(clock.now)
    assert router.machine.in_flight == 1 and not transport.sent


def test_body_that_stalls_is_given_up_but_not_one_that_we_do_not_read(clock: Clock) -> None:
    router = Router()
    client, transport = connect(clock, router)
    client.data_received(b"POST / HTTP/1.1\r\nHost: whisper\r\nContent-Length: 1000000\r\n\r\nabc")
    assert router.machine.held == 1
    client.data_received(b"x" * 300_000)  # as much as is taken in while the service wakes
    assert not transport.reading
    client.sweep(clock.now + STALL_SECONDS + 1)
    assert not transport.sent
    client.resume_reading()
    client.sweep(clock.now + STALL_SECONDS + 1)
    assert error(transport) == (408, "bad_request")
    assert router.machine.held == 0


def test_client_that_takes_no_bytes_is_given_up(clock: Clock) -> None:
    client, transport = connect(clock)
    client.pause_writing()
    client.sweep(clock.now + STALL_SECONDS + 1)
    assert transport.end == "aborted"


def test_too_many_connections(clock: Clock) -> None:
    _, transport = connect(clock, Router(full=True))
    assert error(transport) == (503, "too_many_connections")


def test_pipelined_local_answers_wait_for_a_client_that_does_not_read(clock: Clock) -> None:
    client, transport = connect(clock)
    client.pause_writing()
    client.data_received(b"GET /health HTTP/1.1\r\nHost: whisper\r\n\r\n" * 3)
    assert not transport.sent
    client.resume_writing()
    assert transport.sent.count(b"200 OK") == 3

"""The relay against a real child process: bytes pass unchanged, and every end of a message is found."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from house import DOMAIN, House, receive, wait_until

HOST = f"Host: whisper.{DOMAIN}\r\n".encode()


def exchange(house: House, raw: bytes, until: bytes = b"") -> bytes:
    with house.connect() as sock:
        sock.sendall(raw)
        return receive(sock, until)


def in_flight(house: House) -> int:
    count: int = house.status()["inFlight"]
    return count


def test_requests_pass_and_connections_are_kept_on_both_sides(awake: House) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", awake.port)
    numbers = []
    for number in range(3):
        body = b"x" * number
        status, seen = awake.json("/v1/x?a=%20b", method="PUT", body=body, connection=connection, X_Odd="é")
        assert (status, seen["path"], seen["size"]) == (200, "/v1/x?a=%20b", number)
        assert seen["sha256"] == hashlib.sha256(body).hexdigest()
        numbers.append(seen["number"])
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    connection.close()


def test_chunked_both_ways(awake: House) -> None:
    raw = b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = exchange(awake, raw + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", b"}}")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["sha256"] == hashlib.sha256(b"abcdefg").hexdigest()
    response, body = awake.http("/chunked")
    assert (response.status, body) == (200, b"hello world")


def test_pipelined_requests_are_answered_in_order(awake: House) -> None:
    first = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    second = b"GET /health-unknown HTTP/1.1\r\nHost: nobody.example.org\r\n\r\n"
    third = b"GET /open-ended HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = exchange(awake, b"\r\n" + first + second + third)
    assert answer.count(b"HTTP/1.1 200") == 2 and answer.count(b"HTTP/1.1 404") == 1
    assert answer.index(b'"/a"') < answer.index(b"nobody.example.org") < answer.index(b"until the end")


def test_head_continue_and_open_ended_answers(awake: House) -> None:
    response, body = awake.http("/v1/x", method="HEAD")
    assert (response.status, response.getheader("Content-Length"), body) == (200, "5", b"")
    with awake.connect() as sock:
        sock.sendall(b"POST /a HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert receive(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert b'"size": 3' in receive(sock, b"}}")
    response, body = awake.http("/open-ended")
    assert body == b"until the end"


def test_client_that_closes_its_sending_side_still_gets_its_answer(awake: House) -> None:
    with awake.connect() as sock:
        sock.sendall(b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert b'"path": "/v1/x"' in receive(sock, b"")


def test_client_that_hangs_up_is_noticed_by_the_service(awake: House) -> None:
    Path(awake.folder / "gate").unlink(missing_ok=True)
    log = Path(awake.services[f"whisper.{DOMAIN}"]["process"]["log"])
    before = log.read_text().count("went away")
    with awake.connect() as sock:
        sock.sendall(b"GET /gate HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: in_flight(awake) == 1, "the request to arrive")
    wait_until(lambda: log.read_text().count("went away") == before + 1, "the service to learn of it")
    wait_until(lambda: in_flight(awake) == 0, "the request to end")
    with awake.connect() as sock:
        sock.sendall(b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nabc")
        wait_until(lambda: in_flight(awake) == 1, "the request to arrive")
    wait_until(lambda: in_flight(awake) == 0, "the request to end")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_connection_that_the_service_closed_costs_nobody_an_answer(awake: House, method: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", awake.port)
    body = None if method == "GET" else b"x" * 1000
    assert awake.json("/v1/x", connection=connection)[0] == 200
    status, seen = awake.json("/stale", method=method, body=body, connection=connection)
    assert (status, seen["number"], seen["size"]) == (200, 0, len(body or b""))
    connection.close()


@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("GET", 2)])
def test_only_what_may_be_done_twice_is_sent_twice(awake: House, method: str, times: int) -> None:
    log = Path(awake.services[f"whisper.{DOMAIN}"]["process"]["log"])
    before = log.read_text().count("swallowed")
    assert awake.json("/v1/x")[0] == 200  # leaves a connection to the service behind
    status, body = awake.json("/swallow", method=method, body=None if method == "GET" else b"x" * 1000)
    assert (status, body["error"]["code"]) == (502, "bad_gateway")
    assert log.read_text().count("swallowed") - before == times


@pytest.mark.parametrize("path", ["/early", "/early-and-read"])
def test_answer_before_the_upload_is_over(awake: House, path: str) -> None:
    with awake.connect() as sock:
        sock.sendall(b"POST %s HTTP/1.1\r\n" % path.encode() + HOST + b"Content-Length: 30000000\r\n\r\n")
        answer = b""
        for _ in range(30):
            sock.sendall(b"x" * 1_000_000)
        while b"}" not in answer:
            answer += sock.recv(65536)
        assert answer.split(b" ")[1] in (b"413", b"400")
    wait_until(lambda: in_flight(awake) == 0, "the request to end")


def test_answers_that_break_off(awake: House) -> None:
    with pytest.raises(http.client.IncompleteRead):
        awake.http("/truncated")
    status, body = awake.json("/garbage")
    assert status == 502
    assert body["error"]["code"] == "bad_gateway"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"X: " + b"a" * 40_000, 431),
    ],
)
def test_bad_requests(awake: House, lines: bytes, status: int) -> None:
    answer = exchange(awake, b"POST /v1/x HTTP/1.1\r\n" + HOST + lines)
    assert int(answer.split(b" ")[1]) == status
    assert b"x-should-retry: false" in answer and b"Connection: close" in answer
    assert json.loads(answer.split(b"\r\n\r\n")[1])["error"]["type"] == "invalid_request_error"
    assert answer.count(b"x-should-retry") == 1  # nothing after it was taken for a request


def test_unknown_host(awake: House) -> None:
    status, body = awake.json("/", name="nobody")
    assert status == 404
    assert body["error"]["code"] == "unknown_host"


def test_upgraded_connection_is_a_tunnel_and_counts_as_in_flight(awake: House) -> None:
    upgrade = b"GET /upgrade HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with awake.connect() as sock:
        sock.sendall(upgrade + b"early,")  # a client that does not wait for the 101
        assert receive(sock, b"EARLY,").startswith(b"HTTP/1.1 101")
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")  # no longer HTTP: nothing of it is looked at
        assert receive(sock, b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
        assert in_flight(awake) == 1
        assert "requests in flight 1" in awake.control("sleep", "whisper")["error"]["message"]
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, b"") == b""
    wait_until(lambda: in_flight(awake) == 0, "the tunnel to end")


def test_client_that_upgrades_and_sends_all_at_once(awake: House) -> None:
    upgrade = b"GET /upgrade HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with awake.connect() as sock:
        sock.sendall(upgrade + b"all there is")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, b"").endswith(b"ALL THERE IS")


HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_before_its_handshake_is_answered_is_forgotten(awake: House, reset: bool) -> None:
    with awake.connect() as sock:
        sock.sendall(b"GET /mute HTTP/1.1\r\n" + HOST + HANDSHAKE)
        wait_until(lambda: in_flight(awake) == 1, "the request to arrive")
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: in_flight(awake) == 0, "the request to end")


def test_what_follows_a_handshake_that_failed_is_no_request(awake: House) -> None:
    follows = b"GET /v1/y HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = exchange(awake, b"GET /v1/x HTTP/1.1\r\n" + HOST + HANDSHAKE + follows)
    assert answer.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in answer and b"/v1/y" not in answer
    answer = exchange(awake, b"GET / HTTP/1.1\r\nHost: nobody\r\n" + HANDSHAKE + follows)
    assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n" + HANDSHAKE,
        b"GET /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n" + HANDSHAKE,
        b"GET /v1/x HTTP/1.0\r\n" + HOST + b"Content-Length: 3\r\n" + HANDSHAKE,
        b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nHTTP2-Settings: x\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_what_is_no_handshake_for_a_websocket_is_a_request_with_its_body(awake: House, raw: bytes) -> None:
    answer = exchange(awake, raw + b"abc", b"}}")
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["size"] == 3 and not {"upgrade", "http2-settings"} & seen["headers"].keys()


def test_interim_answers_do_not_pass(awake: House) -> None:
    response, body = awake.http("/hints")
    assert response.status == 200 and response.getheader("Set-Cookie") is None and b'"/hints"' in body
    answer = exchange(awake, b"GET /hints HTTP/1.1\r\n" + HOST + b"\r\n", b"}}")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_answer_without_a_length_that_breaks_off_does_not_look_whole(awake: House) -> None:
    with awake.connect() as sock:
        sock.sendall(b"GET /reset HTTP/1.1\r\n" + HOST + b"\r\n")
        with pytest.raises(ConnectionResetError):
            receive(sock, b"")


def test_targets_that_are_no_paths(awake: House) -> None:
    absolute = f"GET http://whisper.{DOMAIN}/v1/x?y HTTP/1.1\r\nHost: nobody.example.org\r\n\r\n"
    seen = json.loads(exchange(awake, absolute.encode(), b"}}").partition(b"\r\n\r\n")[2])
    assert (seen["path"], seen["headers"]["host"]) == ("/v1/x?y", f"whisper.{DOMAIN}")
    starts = awake.status()["lastRequest"]
    answer = exchange(awake, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ") and awake.status()["lastRequest"] >= starts
    unknown = exchange(awake, b"OPTIONS * HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n")
    assert unknown.startswith(b"HTTP/1.1 404 ")


def test_fields_for_the_next_one_only_reach_nobody_else(awake: House) -> None:
    answer = exchange(
        awake,
        b"GET /v1/x HTTP/1.1\r\n" + HOST + b"Connection: close, X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\n\r\n",
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head.split(b"\r\n")
    seen = json.loads(body)["headers"]
    assert seen["x-yours"] == "2" and not {"connection", "x-mine"} & seen.keys()


def test_uploads_and_downloads_take_constant_memory(awake: House) -> None:
    def resident() -> int:
        assert awake.process is not None
        lines = Path(f"/proc/{awake.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024

    before = resident()
    size = 200 << 20
    with awake.connect() as sock:
        sock.sendall(b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
        piece = b"x" * (1 << 20)
        for _ in range(200):
            sock.sendall(piece)
        assert b'"size": %d' % size in receive(sock, b"}}")
        sock.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: in_flight(awake) == 1, "the request to arrive")  # we read late
        left = size
        while left > 0:  # the head makes it end a little early
            left -= len(sock.recv(1 << 20))
    assert resident() - before < 30  # MiB


def test_websockets_and_event_streams(empty_house: House) -> None:
    house = empty_house
    house.add("live", program="websocket_child.py")
    house.start()

    async def talk() -> None:
        headers = {"Host": f"live.{DOMAIN}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{house.port}", headers=headers) as session:
            async with session.ws_connect("/v1/realtime", protocols=["realtime"]) as socket:
                assert socket.protocol == "realtime"
                for text in ("hello", "x" * 300_000):
                    await socket.send_str(text)
                    assert await socket.receive_str() == text[::-1]
                await socket.send_bytes(bytes(range(256)))
                assert await socket.receive_bytes() == bytes(range(256))[::-1]
            async with session.post("/events", data=b"x") as response:
                assert await response.text() == "data: 0\n\ndata: 1\n\ndata: 2\n\n"

    asyncio.run(talk())

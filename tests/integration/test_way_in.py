"""The way in as somebody tries it who knows HTTP well: what is held, lost or done twice, and who learns what."""

import base64
import json
import os
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.heard import plain
from tests.integration.conftest import ORIGIN
from tests.integration.kit import SAID, Kit, until

KEY = "openai-insecure-api-key"


def ask(kit: Kit, first: str, *lines: str, body: bytes = b"", key: str | None = None, name: str = "localhost") -> str:
    """What nginx answers, word for word, to a request that no client would make."""
    with kit.connection(name) as connection:
        key = kit.api_key if key is None else key
        head = [first, f"Host: {name}", *([f"Authorization: Bearer {key}"] if key else []), *lines]
        connection.sendall("\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + body)
        return received(connection).decode("latin-1")


def received(connection: socket.socket) -> bytes:
    """All until the other side closes."""
    try:
        return b"".join(iter(lambda: connection.recv(65536), b""))
    except ssl.SSLEOFError:  # it closed without a word of TLS
        return b""


def seen(answer: str) -> dict[str, object]:
    head, _, text = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 "), answer
    return dict(json.loads(text))


def websocket(kit: Kit, path: str = "/echo/v1/realtime", **fields: str) -> ssl.SSLSocket:
    """A connection with its handshake sent."""
    connection = kit.connection()
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"]
    lines += [f"Authorization: Bearer {fields.pop('key', kit.api_key)}"] * ("Sec_WebSocket_Protocol" not in fields)
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def opened(connection: ssl.SSLSocket) -> dict[str, object]:
    """What the service saw of the handshake that it took."""
    with connection.makefile("rb") as file:
        head = b"".join(iter(file.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 101 "), head
        length = file.read(2)[1]
        return dict(json.loads(file.read(int.from_bytes(file.read(2), "big") if length == 126 else length)))


def close_code(connection: ssl.SSLSocket) -> int:
    frame = received(connection)
    assert frame[:1] == b"\x88", frame
    return int.from_bytes(frame[2:4], "big")


# Held, lost or done twice


def test_a_post_goes_to_a_service_once(kit: Kit) -> None:
    kit.awake("echo")
    with kit.http() as client:
        assert client.get("/echo/v1/x").status_code == 200  # leaves connections behind
        before = kit.log("echo").count("swallowed")
        answer = client.post("/echo/v1/swallow", content=b"x" * 1000)
        assert answer.status_code == 502 and answer.json()["error"]["code"] == "bad_gateway"
    assert kit.log("echo").count("swallowed") == before + 1


def test_a_killed_service_is_started_by_the_next_request(kit: Kit) -> None:
    kit.awake()
    starts = kit.state()["starts"]
    for number in range(1, 3):
        pid = kit.state()["pid"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: kit.state()["pid"] != pid, "its end is known")  # noqa: B023
        assert plain(kit.transcribed().text) == SAID
        assert kit.state()["starts"] == starts + number
    assert kit.state()["lastError"] is None


def test_why_it_died_is_told_without_what_it_said(kit: Kit) -> None:
    kit.awake()
    os.kill(kit.state()["pid"], signal.SIGKILL)
    until(lambda: kit.state()["state"] == "asleep", "its end is known")
    with kit.http() as client:
        told = client.get("/whisper/health").json()
    assert told["error"] == "it was killed (signal 9), perhaps because memory ran out"
    assert kit.state()["lastError"].startswith(f"{told['error']}; it said: ")


def test_a_restart_waits_no_longer_for_a_websocket_than_it_should(kit: Kit) -> None:
    kit.awake("echo")
    starts = kit.state("echo")["starts"]
    with websocket(kit) as connection, ThreadPoolExecutor(2) as pool:
        opened(connection)
        restarting = pool.submit(kit.cli, "restart", "echo")
        until(lambda: kit.state("echo")["state"] == "draining", "it drains")
        with kit.http() as client:
            waiting = pool.submit(client.post, "/echo/v1/x", content=b"x")
            assert close_code(connection) == 1012
            assert waiting.result().status_code == 200
        restarting.result()
    assert kit.state("echo")["starts"] == starts + 1


def test_who_leaves_before_a_handshake_is_answered_keeps_nothing_awake(kit: Kit) -> None:
    kit.awake("echo")
    with websocket(kit, "/echo/v1/mute"):
        until(lambda: kit.state("echo")["inFlight"] == 1, "the service has it")
    until(lambda: kit.state("echo")["inFlight"] == 0, "it is forgotten")
    kit.awake()
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 1")
    answer = ask(kit, "POST /whisper/v1/realtime HTTP/1.1", *lines, body=b"x")
    assert not answer.startswith("HTTP/1.1 101 ") and answer.startswith("HTTP/1.1 4")
    until(lambda: kit.state()["inFlight"] == 0, "nothing is in flight")


@pytest.mark.parametrize(
    ("first", "lines"),
    [
        (
            "POST /echo/v1/x HTTP/1.1",
            ("Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "Connection: Upgrade, HTTP2-Settings"),
        ),
        ("POST /echo/v1/x HTTP/1.1", ("Upgrade: websocket", "Connection: Upgrade")),
        ("GET /echo/v1/x HTTP/1.0", ("Upgrade: websocket", "Connection: Upgrade")),
    ],
)
def test_a_connection_becomes_a_websocket_or_nothing(kit: Kit, first: str, lines: tuple[str, ...]) -> None:
    told = seen(ask(kit, first, "Content-Length: 3", *lines, body=b"abc"))
    assert told["body"] == 3
    assert not {"upgrade", "http2-settings", "connection"} & set(told["headers"])  # type: ignore[call-overload]


def test_an_interim_answer_is_not_taken_for_the_answer(kit: Kit) -> None:
    with kit.http() as client:
        for _ in range(3):
            answer = client.get("/echo/v1/hints")
            assert answer.status_code == 200 and answer.json()["path"] == "/v1/hints"
            assert "set-cookie" not in answer.headers and answer.headers["content-security-policy"] == "sandbox"


def test_a_target_with_a_host_in_it(kit: Kit) -> None:
    answer = ask(kit, f"GET {kit.origin}/echo/v1/x?y HTTP/1.1")
    assert seen(answer)["path"] == "/v1/x?y"


# What a service may tell nginx


@pytest.mark.parametrize("place", ["/_auth", "/echo/v1/accel?/_auth", "/index.html", "@greffier_403"])
def test_a_service_sends_nobody_elsewhere(kit: Kit, place: str) -> None:
    with kit.http() as client:
        answer = client.get(f"/echo/v1/accel?{place}")
        assert answer.json()["path"] == f"/v1/accel?{place}"
        assert not [name for name in answer.headers if name.startswith("x-accel")]
        origin = client.get("/echo/v1/origin", headers={"Origin": ORIGIN}).headers
    assert "clear-site-data" not in origin and "x-upstream" not in origin["access-control-expose-headers"]


def test_script_is_for_the_path_that_the_service_sees(kit: Kit) -> None:
    def policy(path: str) -> tuple[int, bool]:
        head = ask(kit, f"GET {path} HTTP/1.1").partition("\r\n\r\n")[0].lower()
        return int(head.split()[1]), "\r\ncontent-security-policy: sandbox" in head

    assert policy("/echo/docs") == policy("/echo/docs/start.js") == policy("/echo/docs?x") == (200, False)
    for path in ("/echo/docsx", "/echo/x/docs", "/echo//docs", "/echo/%64ocs", "/echo/docs/a/b", "/echo/x?/docs"):
        assert policy(path) == (200, True), path
    for path in (
        "/echo/x/../docs",
        "/echo/docs/../x",
        "/echo/docs/%2E%2e/x",
        "/echo/./docs",
        "/echo/docs/.",
        "/x/../echo/x",
    ):
        assert policy(path)[0] == 400, path


# Who learns what


def test_no_path_tells_a_stranger_which_services_there_are(kit: Kit) -> None:
    def told(path: str) -> bytes:
        with kit.connection() as connection:
            connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n".encode())
            return connection.recv(12)  # its status

    names = ("echo", "whisper", "nobody")
    for form in ("/{}", "/{}/", "/{}/docs", "/%65{}", "/{}/%2e/x", "//{}/"):
        assert {told(form.format(name)) for name in names} == {b"HTTP/1.1 401"}, form


@pytest.mark.parametrize(
    ("first", "lines", "status"),
    [
        ("GET /whisper/ HTTP/1.1", ("Transfer-Encoding: gzip",), 501),
        ("GET /whisper/ HTTP/9.9", (), 505),
        ("GET /whisper/ HTTP/1.1", ("Content-Length: x",), 400),
        ("nonsense", (), 400),
    ],
)
def test_what_nginx_itself_refuses_is_json_without_its_version(
    kit: Kit, first: str, lines: tuple[str, ...], status: int
) -> None:
    head, _, body = ask(kit, first, *lines, key="").partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ") and "nginx/" not in head + body
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    port = kit.ports["http"]
    with socket.create_connection(("127.0.0.1", port)) as plain_http:
        plain_http.sendall("\r\n".join([first, "Host: localhost", *lines, "", ""]).encode())
        assert b"nginx/" not in received(plain_http)


def test_a_key_in_the_wrong_place_is_in_no_log(kit: Kit) -> None:
    """Typed as the user's name, as curl's -u has it, it must not lie where everybody on the host reads."""
    basic = base64.b64encode(f"{kit.api_key}:".encode()).decode()
    with kit.http(key="") as client:
        answer = client.get("/whisper/health", headers={"Authorization": f"Basic {basic}", "User-Agent": "misplaced"})
    assert answer.status_code == 401
    assert len(kit.logged("misplaced", " - - [", " 401 ")) == 1
    for name in ("nginx-access", "nginx-error", "autostart"):
        assert kit.api_key not in kit.log(name)
    with kit.http() as client:
        client.get("/whisper/health", headers={"User-Agent": "in-place"})
    assert len(kit.logged("in-place", " - anna [")) == 1


@pytest.mark.parametrize(
    "protocols",
    [
        f"realtime, {KEY}.{{key}}, {KEY}.{{key}}",
        f"{KEY}.{{key}}, realtime, {KEY.upper()}.{{key}}",
        f"{KEY}.{{key}},{KEY}.other,{KEY}.{{key}}",
        f"realtime, {KEY.upper()}.{{key}}",
    ],
)
def test_no_key_among_the_subprotocols_reaches_a_service(kit: Kit, protocols: str) -> None:
    kit.awake("echo")
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x")
    with kit.connection() as connection:
        head = ["GET /echo/v1/realtime HTTP/1.1", "Host: localhost", *lines]
        head += [f"Authorization: Bearer {kit.api_key}", f"Sec-WebSocket-Protocol: {protocols.format(key=kit.api_key)}"]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        told = json.dumps(opened(connection))
    assert kit.api_key not in told and KEY not in told.lower() and "greffier" not in told.lower()


def test_a_user_who_is_removed_has_no_websocket_any_more(kit: Kit) -> None:
    keys = {name: json.loads(kit.cli("users", "add", name, "--json").stdout)["api_key"] for name in ("berta", "clara")}
    kit.awake("echo")
    kit.ask("hold", "whisper")  # so that the service is asked for by name alone
    kit.ask("release", "whisper")
    with websocket(kit, key=keys["berta"]) as berta, websocket(kit, key=keys["clara"]) as clara, websocket(kit) as anna:
        assert all("greffier" not in json.dumps(opened(one)).lower() for one in (berta, clara, anna))
        kit.cli("users", "remove", "berta")
        assert close_code(berta) == 1008
        kit.cli("users", "rotate", "clara")
        assert close_code(clara) == 1008
        anna.sendall(b"still here")
        assert anna.recv(10) == b"still here"
    kit.cli("users", "remove", "clara")

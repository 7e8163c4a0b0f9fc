"""Pages of other sites, websockets, and what of a request reaches a service."""

import base64
import json
import os
from typing import Any

import pytest

from tests.heard import plain
from tests.integration.conftest import ORIGIN
from tests.integration.kit import JFK, MODEL, SAID, Kit

HOSTILE = "https://evil.example"


def _post(kit: Kit, **headers: str) -> Any:
    """What a browser sends that remembers the password."""
    basic = base64.b64encode(f"anna:{kit.password}".encode()).decode()
    with kit.http(key="") as client:
        return client.post(
            "/echo/v1/anything", content=b"x" * 100, headers={"Authorization": f"Basic {basic}", **headers}
        )


def test_a_hostile_page_cannot_post_with_the_password_that_a_browser_remembers(kit: Kit) -> None:
    starts = kit.asleep("echo")
    refused = [
        _post(kit, Origin=HOSTILE, **{"Sec-Fetch-Site": "cross-site"}),
        _post(kit, Origin=HOSTILE),
        _post(kit, Origin="null"),
        _post(kit, Origin=ORIGIN + ".evil.example"),
        _post(kit, Origin=f"http://localhost:{kit.ports['https']}"),
        _post(kit, **{"Sec-Fetch-Site": "cross-site"}),
        _post(kit, **{"Sec-Fetch-Site": "same-site"}),
    ]
    for answer in refused:
        assert answer.status_code == 403, answer.request.headers
        assert answer.json()["error"]["code"] == "forbidden" and answer.headers["x-should-retry"] == "false"
        assert "access-control-allow-origin" not in answer.headers
    assert kit.state("echo")["starts"] == starts


def test_pages_that_may_post(kit: Kit) -> None:
    taken = [
        _post(kit, Origin=ORIGIN, **{"Sec-Fetch-Site": "cross-site"}),
        _post(kit, Origin=kit.origin, **{"Sec-Fetch-Site": "same-origin"}),
        _post(kit, **{"Sec-Fetch-Site": "none"}),
        _post(kit, **{"Sec-Fetch-Site": "same-origin"}),
        _post(kit),
    ]
    assert [answer.status_code for answer in taken] == [200] * len(taken)
    assert [answer.headers.get("access-control-allow-origin") for answer in taken] == [ORIGIN, None, None, None, None]
    assert all("access-control-allow-credentials" not in answer.headers for answer in taken)


def test_an_allowed_page_transcribes_with_a_key(kit: Kit) -> None:
    with kit.http(name="whisper.localhost") as client:
        answer = client.post(
            "/v1/audio/transcriptions",
            files={"file": ("speech.wav", JFK.read_bytes())},
            data={"model": MODEL},
            headers={"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        )
    assert plain(answer.json()["text"]) == SAID
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_the_portals_page_may_call_a_services_own_address(kit: Kit) -> None:
    with kit.http(name="echo.localhost") as client:
        answer = client.post("/v1/anything", headers={"Origin": kit.origin})
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == kit.origin
        assert client.post("/v1/anything", headers={"Origin": HOSTILE}).status_code == 403


def test_a_link_from_another_site_may_be_followed(kit: Kit) -> None:
    with kit.http() as client:
        answer = client.get("/echo/v1/anything", headers={"Sec-Fetch-Site": "cross-site", "Origin": HOSTILE})
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", [ORIGIN, HOSTILE])
def test_preflights_need_no_password_and_allow_who_may(kit: Kit, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type"
    starts = kit.asleep("echo")
    with kit.http(key="", name="echo.localhost") as client:
        answer = client.options("/v1/audio/transcriptions", headers=asked)
    assert answer.status_code == 204
    allowed = {name: value for name, value in answer.headers.items() if name.startswith("access-control-allow")}
    if origin == ORIGIN:
        assert allowed["access-control-allow-origin"] == ORIGIN
        assert "POST" in allowed["access-control-allow-methods"]
        assert allowed["access-control-allow-headers"] == "authorization, content-type"
    else:
        assert allowed == {}
    assert kit.state("echo")["starts"] == starts


@pytest.mark.parametrize("portal", [True, False], ids=["portal", "host name"])
def test_what_reaches_a_service(kit: Kit, portal: bool) -> None:
    own = {
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Real-IP": "203.0.113.7",
        "api-key": kit.api_key,
    }
    with kit.http(name="localhost" if portal else "echo.localhost") as client:
        answer = client.get(("/echo" if portal else "") + "/v1/a%2Fb?c=%20d", headers=own)
    seen = answer.json()
    headers = seen["headers"]
    assert seen["path"] == "/v1/a%2Fb?c=%20d"
    assert headers["host"] == "echo.localhost"
    assert headers.get("x-forwarded-prefix", "") == ("/echo" if portal else "")
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] != "evil.example"
    assert not {"authorization", "api-key"} & set(headers)
    assert kit.api_key not in json.dumps(seen) and kit.password not in json.dumps(seen)


def test_a_services_answer_cannot_touch_the_portals_origin(kit: Kit) -> None:
    with kit.http() as client:
        below = client.get("/echo/v1/anything").headers
    assert below["content-security-policy"] == "sandbox" and below["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in below and "service-worker-allowed" not in below
    with kit.http(name="echo.localhost") as client:
        assert client.get("/v1/anything").headers["set-cookie"] == "upstream=1"


def _upgrade(
    kit: Kit, protocols: str, *, origin: str = "", path: str = "/echo/v1/realtime", azure: str = ""
) -> tuple[str, Any]:
    """Answer's head, and what the service saw of the request where it took it."""
    lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{kit.ports['https']}", "Connection: Upgrade"]
    lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    lines.append(f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}")
    lines += [f"Sec-WebSocket-Protocol: {protocols}"] if protocols else []
    lines += [f"Origin: {origin}"] if origin else []
    lines += [f"api-key: {azure}"] if azure else []
    with kit.connection() as connection, connection.makefile("rwb") as file:
        file.write("\r\n".join([*lines, "", ""]).encode())
        file.flush()
        head = b"".join(iter(file.readline, b"\r\n")).decode()
        if not head.startswith("HTTP/1.1 101 "):
            return head, None
        length = file.read(2)[1]
        seen = json.loads(file.read(int.from_bytes(file.read(2), "big") if length == 126 else length))
        file.write(b"there and back")
        file.flush()
        assert file.read(14) == b"there and back"
        assert kit.state("echo")["inFlight"] == 1
        return head, seen


@pytest.mark.parametrize(
    ("protocols", "left"),
    [
        ("realtime, openai-insecure-api-key.{key}, openai-beta.realtime-v1", "realtime, openai-beta.realtime-v1"),
        ("openai-insecure-api-key.{key}, realtime", "realtime"),
        ("realtime,openai-insecure-api-key.{key}", "realtime"),
    ],
)
def test_a_websocket_with_the_key_as_subprotocol(kit: Kit, protocols: str, left: str) -> None:
    kit.asleep("echo")
    head, seen = _upgrade(kit, protocols.format(key=kit.api_key), origin=kit.origin)
    assert "sec-websocket-protocol: realtime\r\n" in head.lower()
    assert seen["path"] == "/v1/realtime"
    assert seen["headers"]["sec-websocket-protocol"] == left
    assert kit.api_key not in json.dumps(seen) and "authorization" not in seen["headers"]


def test_a_websocket_with_the_key_as_azures_client_sends_it(kit: Kit) -> None:
    _, seen = _upgrade(kit, "", path="/echo/openai/realtime?deployment=x", azure=kit.api_key)
    assert seen["path"] == "/openai/realtime?deployment=x" and kit.api_key not in json.dumps(seen)
    assert _upgrade(kit, "realtime", azure="wrong")[0].startswith("HTTP/1.1 401 ")


def test_a_websocket_needs_a_password_and_a_page_that_may(kit: Kit) -> None:
    starts = kit.asleep("echo")
    key = f"realtime, openai-insecure-api-key.{kit.api_key}"
    assert _upgrade(kit, "realtime", origin=kit.origin)[0].startswith("HTTP/1.1 401 ")
    assert _upgrade(kit, "realtime, openai-insecure-api-key.wrong")[0].startswith("HTTP/1.1 401 ")
    assert _upgrade(kit, key, origin=HOSTILE)[0].startswith("HTTP/1.1 403 ")
    assert kit.state("echo")["starts"] == starts
    assert _upgrade(kit, key, origin=ORIGIN)[1] is not None
    assert _upgrade(kit, key)[1] is not None  # no page at all

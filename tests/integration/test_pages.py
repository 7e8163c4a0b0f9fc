"""What a browser shows: the portal's page and each service's own pages, at both of its addresses."""

import json
import re
from urllib.parse import urljoin

import pytest

from tests.integration.kit import MODEL, Kit

ADDRESSES = pytest.mark.parametrize(
    ("name", "prefix"), [("localhost", "/whisper"), ("whisper.localhost", "")], ids=["portal", "host name"]
)


def test_the_portals_page_names_the_services(kit: Kit) -> None:
    starts = kit.asleep()
    with kit.http() as client:
        page = client.get("/")
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert f"{kit.origin}/whisper/v1" in page.text and MODEL in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert 'href="/whisper/docs"' in page.text
        moved = client.get("/whisper")
        assert moved.status_code == 308 and moved.headers["location"] == "/whisper/"
        missing = client.get("/nothing/here")
        assert missing.status_code == 404 and missing.json()["error"]["code"] == "not_found"
    assert kit.state()["starts"] == starts


@ADDRESSES
def test_the_api_pages_and_all_they_load(kit: Kit, name: str, prefix: str) -> None:
    kit.awake()
    with kit.http(name=name) as client:
        page = client.get(f"{prefix}/docs", headers={"X-Forwarded-Prefix": "/evil"})
        assert page.status_code == 200 and "/evil" not in page.text
        assert "sandbox" not in page.headers["content-security-policy"]
        assert "unsafe-inline" not in page.headers["content-security-policy"].split("script-src")[1].split(";")[0]
        assert not re.search(r"<script(?![^>]*\bsrc=)", page.text)
        assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(assets) >= 3
        kinds = set()
        for asset in assets:
            assert not re.match(r"(https?:)?//", asset), asset
            answer = client.get(urljoin(f"{prefix}/docs", asset))
            assert answer.status_code == 200, asset
            kinds.add(answer.headers["content-type"].split(";")[0])
        assert {"text/javascript", "text/css"} <= kinds
        slash = client.get(f"{prefix}/docs/")
        assert slash.status_code == 308 and urljoin(f"{prefix}/docs/", slash.headers["location"]) == f"{prefix}/docs"
        start = client.get(urljoin(f"{prefix}/docs", next(a for a in assets if a.endswith("start.js")))).text
        assert "openapi.json" in start and f"{prefix}/openapi.json" not in start.replace("./openapi.json", "")


@ADDRESSES
@pytest.mark.parametrize("awake", [True, False], ids=["awake", "asleep"])
def test_the_api_description_is_relative(kit: Kit, name: str, prefix: str, awake: bool) -> None:
    kit.asleep()
    if awake:
        kit.awake()
    with kit.http(name=name) as client:
        answer = client.get(f"{prefix}/openapi.json", headers={"X-Forwarded-Prefix": "/evil"})
    document = answer.json()
    assert document["servers"] == [{"url": "./"}] and "/evil" not in answer.text
    assert "/v1/audio/transcriptions" in document["paths"]


def test_the_description_of_a_sleeping_service_is_its_own(kit: Kit) -> None:
    kit.asleep()
    with kit.http() as client:
        asleep = client.get("/whisper/openapi.json").json()
        kit.awake()
        assert client.get("/whisper/openapi.json").json() == asleep


def test_only_pages_of_the_kit_run_script_in_the_portals_origin(kit: Kit) -> None:
    kit.awake()
    with kit.http() as client:
        for path in ("/whisper/v1/models", "/whisper/health", "/whisper/v1/nothing"):
            headers = client.get(path).headers
            assert headers["content-security-policy"] == "sandbox", path
            assert headers["x-content-type-options"] == "nosniff", path


ODD = {
    "/whisper/../../etc/passwd": 400,
    "/whisper/%zz": 400,
    "/whisper/%2e%2e/echo/v1": 400,
    "//whisper/v1/models": 400,
    "/_greffier_400": 404,
    "/_auth": 404,
    "/_preflight": 404,
    f"/{'x' * 9000}": 414,
}


@pytest.mark.parametrize(("path", "status"), ODD.items(), ids=lambda value: str(value)[:30])
def test_odd_addresses(kit: Kit, path: str, status: int) -> None:
    """Sent as they are: there is no client that would tidy them up."""
    with kit.connection() as connection:
        head = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {kit.api_key}", "Connection: close"]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"

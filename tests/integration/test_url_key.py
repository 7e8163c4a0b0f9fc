"""Clients with one setting, a base URL: a key in its path, and networks that need none."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.heard import plain
from tests.integration.conftest import OPEN, ORIGIN
from tests.integration.kit import JFK, MODEL, SAID, Kit, deployed, inventory, service

AUDIO = "/v1/audio/transcriptions"


def made(kit: Kit, name: str, service: str, *words: str) -> str:
    """The path of a new user's URL, such as /k/…"""
    told = json.loads(kit.cli("users", *(words or ("add", name, "--url-key", "--service", service)), "--json").stdout)
    assert told.keys() == {"user", "url"} and told["user"] == f"{name}+{service}"
    url = urlsplit(told["url"])
    assert (url.scheme, url.netloc) == ("https", f"{service}.localhost:{kit.ports['https']}")
    return url.path


@pytest.fixture(scope="module")
def path(kit: Kit) -> str:
    return made(kit, "pbx", "echo")


def test_a_client_that_knows_an_address_alone_transcribes(kit: Kit) -> None:
    path = made(kit, "voicemail", "whisper")
    host = f"whisper.localhost:{kit.ports['https']}"
    kit.asleep()
    form = ("-F", f"file=@{JFK}", "-F", f"model={MODEL}")
    status, body = kit.curl("--resolve", f"{host}:127.0.0.1", f"https://{host}{path}{AUDIO}", *form)
    assert status == 200 and plain(json.loads(body)["text"]) == SAID


def test_a_service_sees_neither_key_nor_prefix(kit: Kit, path: str) -> None:
    key = path.rpartition("/")[2]
    with kit.http(key="", name="echo.localhost") as client:
        for below in ("/v1/anything", "/v1/a%20b?x=1&y=%2F", "/"):
            answer = client.get(path + below, headers={"Referer": f"https://echo.localhost{path}/docs"})
            assert answer.status_code == 200 and answer.headers["referrer-policy"] == "no-referrer"
            assert answer.json()["path"] == below
            assert key not in answer.text and "authorization" not in answer.json()["headers"]
        posted = client.post(f"{path}{AUDIO}", content=b"x" * 1000)
        assert (posted.json()["method"], posted.json()["body"]) == ("POST", 1000)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("whisper.localhost", ""), ("localhost", ""), ("localhost", "/echo"), ("localhost", "/whisper")],
)
def test_it_opens_nothing_but_its_service(kit: Kit, path: str, name: str, prefix: str) -> None:
    key = path.rpartition("/")[2]
    with kit.http(key="", name=name) as client:
        assert client.get(f"{prefix}{path}/v1/models").status_code == 401
        for headers in ({"Authorization": f"Bearer {key}"}, {"api-key": key}, {"Authorization": f"Basic {key}="}):
            assert client.get("/whisper/v1/models", headers=headers).status_code == 401
    with kit.http(key=key, name="echo.localhost") as client:  # nor that one, in another way
        assert client.get("/v1/models").status_code == 401


def test_another_users_key_is_none_in_a_path(kit: Kit) -> None:
    with kit.http(key="", name="echo.localhost") as client:
        assert client.get(f"/k/{kit.api_key}/v1/models").status_code == 401
        for path in (f"/k/{'A' * 40}/v1/models", "/k/short/v1/models", "/k//v1/models", "/k"):
            assert client.get(path).status_code == 401


def test_no_log_and_no_error_page_has_it(kit: Kit, path: str) -> None:
    key = path.rpartition("/")[2]
    with kit.http(key="", name="echo.localhost") as client:
        client.get(f"{path}/v1/anything", headers={"User-Agent": "a-camera"})
        for odd in (
            f"{path}/../../v1/x", f"/%6b/{key}/v1/x", f"/k%2F{key}/v1/x", f"/x/..{path}/v1/x",
            f"/K/{key}/v1/x", path, f"/k/{'B' * 60}/v1/x", f"{path}x/v1/x",
        ):  # fmt: skip
            answer = client.get(odd)
            assert key not in answer.text and answer.status_code in (200, 401, 404), odd
        client.get("/v1/x", headers={"Referer": f"https://echo.localhost{path}/docs"})
        mute = client.get(f"{path}/v1/broken")
        assert key not in mute.text
    with kit.connection("echo.localhost") as connection:
        connection.sendall(f"GET /{path}/v1/x HTTP/1.1\r\nHost: echo.localhost\r\n\r\n".encode())
        told = connection.recv(65536).decode()
        assert told.startswith("HTTP/1.1 401") and key not in told
    with kit.connection("echo.localhost") as connection:  # nginx logs an upload that is too large as an error
        head = f"POST {path}/v1/x HTTP/1.1", "Host: echo.localhost", f"Content-Length: {1 << 40}", "", ""
        connection.sendall("\r\n".join(head).encode())
        told = connection.recv(65536).decode()
        assert told.startswith("HTTP/1.1 413") and key not in told
    seen = kit.logged("a-camera")
    assert len(seen) == 1 and "/k/***/v1/anything" in seen[0] and "pbx+echo" in seen[0]
    for name in ("nginx-access", "nginx-error", "autostart", "echo"):
        assert key not in kit.log(name), name


def test_it_is_listed_rotated_and_revoked_as_others_are(kit: Kit) -> None:
    before = made(kit, "camera", "echo")
    assert kit.cli("users", "add", "camera", "--url-key", "--service", "echo", status=2).stderr.count("already exists")
    assert "camera+echo" in [user["name"] for user in json.loads(kit.cli("users", "list", "--json").stdout)]
    after = made(kit, "camera", "echo", "rotate", "camera+echo")
    with kit.http(key="", name="echo.localhost") as client:
        assert [client.get(f"{path}/v1/x").status_code for path in (before, after)] == [401, 200]
        kit.cli("users", "remove", "camera+echo")
        assert client.get(f"{after}/v1/x").status_code == 401


def test_the_command_says_what_is_missing(kit: Kit) -> None:
    told = kit.cli("users", "add", "x", "--url-key", status=2).stderr
    assert "Say which service it is for: --service NAME. Services: whisper, echo." in " ".join(told.split())
    assert "belongs to --url-key" in kit.cli("users", "add", "x", "--service", "echo", status=2).stderr
    assert (
        "There is no service 'nope'" in kit.cli("users", "add", "x", "--url-key", "--service", "nope", status=2).stderr
    )
    plain_url = kit.cli("users", "add", "door", "--url-key", "--service", "echo").stdout
    user, base, openai = plain_url.splitlines()
    assert user == "user      door+echo"
    assert base.startswith(f"base URL  https://echo.localhost:{kit.ports['https']}/k/")
    assert openai.split() == ["OpenAI's", f"{base.split()[-1]}/v1"]
    kit.cli("users", "remove", "door+echo")


def test_a_page_of_an_origin_that_is_named_may_use_it(kit: Kit, path: str) -> None:
    """Its three calls need no preflight; one that asks first is answered too."""
    with kit.http(key="", name="echo.localhost") as client:
        page = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        for answer in (
            client.get(f"{path}{AUDIO}/lookup?user_uuid=a&message_id=b", headers=page),
            client.post(f"{path}{AUDIO}", files={"user_uuid": (None, "a")}, headers=page),
            client.get(f"{path}{AUDIO}/some-id", headers=page),
        ):
            assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == ORIGIN
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "content-type"}
        told = client.options(f"{path}{AUDIO}/some-id", headers=page | asked)
        assert told.status_code == 204 and "DELETE" in told.headers["access-control-allow-methods"]
        assert client.post(f"{path}{AUDIO}", headers=page | {"Origin": "https://evil.example"}).status_code == 403


def test_a_deploy_is_content_where_its_own_check_needs_no_password(tmp_path: Path) -> None:
    services = {"whisper": service(open_to=["127.0.0.0/8"])}
    with deployed(tmp_path / "open", inventory(services)) as kit, kit.http(key="", name="whisper.localhost") as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get(f"/k/{'0' * 32}/v1/models").status_code == 401
        kit.cli("deploy")


def test_networks_that_need_no_password(kit: Kit) -> None:
    with kit.http(key="", name="echo.localhost", address=OPEN) as client:
        assert client.get("/v1/anything").status_code == 200
        assert client.post("/v1/anything", content=b"x").json()["body"] == 1
        hostile = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert client.post("/v1/anything", content=b"x", headers=hostile).status_code == 403
        assert client.options("/v1/anything", headers={"Origin": ORIGIN}).status_code == 204
    with kit.http(key="", name="echo.localhost", address="127.0.0.8") as client:
        assert client.get("/v1/anything").status_code == 401
        forged = {"X-Forwarded-For": OPEN, "X-Real-IP": OPEN, "Forwarded": f"for={OPEN}"}
        assert client.get("/v1/anything", headers=forged).status_code == 401
        assert client.options("/v1/anything", headers={"Origin": ORIGIN}).status_code == 204
    for name, path in (("whisper.localhost", "/v1/models"), ("localhost", "/echo/v1/models"), ("localhost", "/")):
        with kit.http(key="", name=name, address=OPEN) as client:
            assert client.get(path).status_code == 401
    with kit.http(name="echo.localhost", address="127.0.0.8") as client:  # and a key opens as ever
        assert client.get("/v1/anything").status_code == 200

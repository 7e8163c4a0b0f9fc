"""Whether names point at a host: what it finds before an authority is asked."""

import http.server
import io
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.host import pointing

ELSEWHERE, HERE = "127.0.0.3", "127.0.0.2"


class _Web(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.endswith("/leads-on"):
            self.send_response(301)
            self.send_header("Location", "https://example.org/")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What HERE serves, by a proxy before it as far as the host can see; ELSEWHERE is another one's."""
    roots = {HERE: tmp_path / "here", ELSEWHERE: tmp_path / "elsewhere"}
    servers = []
    for address, root in roots.items():
        root.mkdir()

        def made(*words: object, root: Path = root) -> _Web:
            return _Web(*words, directory=str(root))  # type: ignore[arg-type]

        servers.append(http.server.ThreadingHTTPServer((address, servers[0].server_port if servers else 0), made))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
    monkeypatch.setattr(pointing, "PORT", servers[0].server_port)
    monkeypatch.setattr(pointing, "own", lambda address: address == "127.0.0.1")
    yield roots[HERE]
    for server in servers:
        server.shutdown()
        server.server_close()


def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], webroot: Path, names: object) -> object:
    text = json.dumps({"names": names, "webroot": str(webroot)}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert pointing.main() == 0
    return json.loads(capsys.readouterr().out)


def test_what_each_name_points_at(
    web: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = socket.gaierror(socket.EAI_NONAME, "not known")
    known: dict[str, list[str] | Exception] = {
        "own.test": ["127.0.0.1"],
        "behind-a-proxy.test": [HERE],
        "moved.test": [ELSEWHERE],
        "half-moved.test": ["127.0.0.1", ELSEWHERE],
        "silent.test": ["127.0.0.4"],  # perhaps an address of the host's that it does not reach from within
        "gone.test": gone,
        "unanswered.test": socket.gaierror(socket.EAI_AGAIN, "try again"),
        "odd.test": UnicodeError(),
    }

    def addresses(name: str) -> list[str]:
        found = known[name]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(pointing, "addresses", addresses)
    assert asked(monkeypatch, capsys, web, list(known)) == {
        "own.test": "",
        "behind-a-proxy.test": "",
        "moved.test": f"points at {ELSEWHERE}, where another host answers",
        "half-moved.test": f"points at {ELSEWHERE}, where another host answers",
        "silent.test": "",
        "gone.test": "has no address",
        "unanswered.test": "could not be looked up from the host: its DNS did not answer",
        "odd.test": "does not exist in DNS",
    }
    assert not [path for path in web.rglob("*") if path.is_file()], "nothing stays of the proof"


def test_one_that_leads_on_may_lead_here(web: Path) -> None:
    assert not pointing.elsewhere(ELSEWHERE, "x.test", "leads-on")
    assert pointing.elsewhere(ELSEWHERE, "x.test", "token")


def test_an_address_is_the_hosts_own_or_not() -> None:
    assert pointing.own("127.0.0.1") and not pointing.own("192.0.2.1") and not pointing.own("2001:db8::1")
    assert "127.0.0.1" in pointing.addresses("localhost")

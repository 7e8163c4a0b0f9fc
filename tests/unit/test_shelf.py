"""What keeps a model from being fetched, told before it is tried."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.config.source import Source
from deploy.config.stack import HostStack, Stack
from deploy.models import cache
from deploy.types import Reference
from deploy.workspace import Workspace


class Hub(BaseHTTPRequestHandler):
    """Knows the gated model of somebody and the open one of anybody; hf_right has accepted the terms."""

    def do_GET(self) -> None:
        if self.path == "/api/models/somebody/gated/auth-check":
            self._answer(200 if self.headers["Authorization"] == "Bearer hf_right" else 403, {})
        elif self.path in ("/api/models/somebody/gated", "/api/models/anybody/open"):
            self._answer(200, {"gated": "manual" if "gated" in self.path else False})
        else:
            self._answer(401, {})

    def _answer(self, status: int, document: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def obstacle(host: HostStack, model: str, token: str | None = None) -> str:
    named = (("HF_TOKEN", Reference("env", "A_TOKEN")),) if token else ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_TOKEN", token or "")
        host = replace(host, services=(replace(host.services[0], tokens=named),))
        return cache.obstacle(Workspace(Path("i.yml"), Source("i.yml", {}, {}), Stack((host,))), host, model)


def test_a_gated_model(one: HostStack, hub: str) -> None:
    told = obstacle(one, "somebody/gated")
    assert told.startswith(
        f"somebody/gated is gated: accept its terms at {hub}/somebody/gated, and give a service the secret HF_TOKEN"
    )
    assert "the token in HF_TOKEN gives no access" in obstacle(one, "somebody/gated", "hf_other")
    assert obstacle(one, "somebody/gated", "hf_right") == ""


def test_a_model_that_is_open_or_not_there(one: HostStack, hub: str) -> None:
    assert obstacle(one, "anybody/open") == ""
    assert obstacle(one, "nobody/none").startswith("nobody/none is private or does not exist")


def test_a_hub_that_does_not_answer_is_no_obstacle_of_the_models(
    one: HostStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert obstacle(one, "somebody/gated") == ""

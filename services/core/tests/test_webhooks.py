"""Webhooks of jobs, at a receiver of the tests' own; the published package verifies their signatures."""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from test_jobs import ended, settings, submit
from toy import Toy

from stt_core.fetch.addresses import hosts
from stt_core.jobs.outbox import BACKOFF, JITTER, pause
from stt_core.jobs.signature import Secret
from stt_core.kind import Kind
from stt_testing.service import Service, serving, until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Receiver(ThreadingHTTPServer):
    """Answers with `statuses` in turn, then 204; keeps (headers, body) of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}/hook?token=hidden"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Nothing to tell."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def service(folder: Path, **more: Any) -> Iterator[Service]:
    engine = Toy()
    asked = settings(folder, webhook_secret=SECRET, **{"url_allow": hosts("localhost"), **more})
    with serving(Kind("Webhooks", lambda: engine), asked) as running:
        yield running


def listed(running: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.get("/v1/webhooks").json()["data"]
    return found


def test_the_end_of_a_job_is_told_and_verified(tmp_path: Path, receiver: Receiver) -> None:
    with service(tmp_path) as running:
        job = ended(running, submit(running, callback_url=receiver.url)["job_id"])
        until(lambda: listed(running)[0]["status"] == "delivered", "delivered")
        ((headers, body),) = receiver.got
        told = Verifier(SECRET).verify(body, headers)
        assert told["type"] == "transcription.completed"
        assert told["data"]["job_id"] == job["job_id"] and told["data"]["text"] == job["text"]
        assert listed(running)[0]["url"].endswith("/hook")  # what follows may be a secret


def test_a_try_that_failed_is_made_again_under_the_same_id(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [500]
    with service(tmp_path, webhook_url=receiver.url) as running:
        ended(running, submit(running)["job_id"])
        until(lambda: len(receiver.got) == 2, "tried again")
        until(lambda: listed(running)[0]["status"] == "delivered", "delivered")
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        for headers, body in receiver.got:
            Verifier(SECRET).verify(body, headers)


def test_who_wants_no_more_is_left_alone_until_it_is_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [410]
    with service(tmp_path, webhook_url=receiver.url) as running:
        ended(running, submit(running)["job_id"])
        until(lambda: listed(running)[0]["status"] == "dead", "given up")
        dead = listed(running)[0]
        assert "410" in dead["error"]
        httpx.post(f"{running.url}/v1/webhooks/{dead['id']}/resend")
        until(lambda: listed(running)[0]["status"] == "delivered", "delivered")
        assert json.loads(receiver.got[0][1]) == json.loads(receiver.got[1][1])
        assert httpx.post(f"{running.url}/v1/webhooks/nothing/resend").status_code == 404


def test_a_private_address_is_not_called(tmp_path: Path, receiver: Receiver) -> None:
    with service(tmp_path, url_allow=hosts("")) as running:
        ended(running, submit(running, callback_url=receiver.url)["job_id"])
        until(lambda: listed(running)[0]["attempts"] == 1, "tried")
        assert not receiver.got and "not public" in listed(running)[0]["error"]
        assert running.get("/status").json()["wake_at"] > 0  # the next try is owed


def test_the_receiver_of_the_docs_takes_what_is_signed_and_refuses_all_else(tmp_path: Path) -> None:
    """With 400, whatever the shape: 500 would have the sender try again for a day."""
    page = (Path(__file__).parents[3] / "docs" / "jobs.md").read_text()
    (program,) = re.findall(r"```python\n(import os\n.*?)```", page, re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "WEBHOOK_SECRET": SECRET, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

            def listens() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            until(listens, "the receiver listens")
            body = json.dumps({"data": {"job_id": "one", "status": "completed"}}).encode()
            headers = Secret.parsed(SECRET).headers("msg_1", int(time.time()), body)
            assert client.post("/", content=body, headers=headers).status_code == 204
            for wrong in ("v1,AAAA", "v1", "v1,a,b", "v1,abc", ""):
                bad = {**headers, "webhook-signature": wrong}
                assert client.post("/", content=body, headers=bad).status_code == 400
            assert client.post("/", content=b"\xff", headers=headers).status_code == 400
            assert client.post("/", content=body).status_code == 400
            late = Secret.parsed(SECRET).headers("msg_1", int(time.time()) - 900, body)
            assert client.post("/", content=body, headers=late).status_code == 400
    finally:
        child.terminate()
        assert child.communicate()[0] == "one completed\n"


@pytest.mark.parametrize("wrong", ["secret", "whsec_", "whsec_short", SECRET[:-4] + "-_==", "whsec_" + "A" * 400])
def test_a_wrong_secret_is_refused_without_being_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="must") as told:
        Secret.parsed(wrong)
    assert wrong.removeprefix("whsec_") not in str(told.value) or wrong in ("secret", "whsec_")


@given(st.floats(0, 1))
def test_tries_last_a_day(spread: float) -> None:
    pauses = [pause(number, spread) for number in range(1, len(BACKOFF) + 1)]
    assert pauses == sorted(pauses, key=lambda one: one or 0) and pause(len(BACKOFF) + 1, spread) is None
    assert 86_400 <= sum(one or 0 for one in pauses) <= 86_400 * (1 + JITTER) * 1.02

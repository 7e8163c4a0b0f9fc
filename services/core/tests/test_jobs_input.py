"""Jobs and what others get wrong: URLs that lead astray, uploads that break off, receivers that never answer."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from test_jobs import PATH, pair, settings
from test_jobs_store import database  # noqa: F401
from test_webhooks import Receiver
from toy import Toy

from stt_core.fetch.addresses import hosts
from stt_core.jobs import outbox as outboxes
from stt_core.jobs.database import Sqlite
from stt_core.jobs.delivery import Delivery, Limits
from stt_core.jobs.outbox import Outbox
from stt_core.kind import Kind
from stt_testing import sounds
from stt_testing.service import Service, serving, until
from stt_testing.site import Page, page, site


@pytest.fixture
def engine() -> Toy:
    return Toy()


@pytest.fixture
def service(engine: Toy, tmp_path: Path) -> Iterator[Service]:
    asked = settings(tmp_path, url_allow=hosts("localhost"), queue=1)
    with serving(Kind("Input", lambda: engine), asked) as running:
        yield running


def nothing_is_kept(service: Service, folder: Path) -> None:
    assert service.get(PATH).json()["data"] == []
    until(lambda: not list((folder / "jobs" / "recordings").iterdir()), "no recording is left")


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(bytes(65_536))


def shorter(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("content-length", "5000")
    request.end_headers()
    request.wfile.write(b"RIFF")


ASTRAY: dict[str, tuple[Page, int, str]] = {
    "leads to a private address": (page(status=302, location="http://127.0.0.1:1/x.wav"), 400, "not public"),
    "leads to the cloud's own": (page(status=302, location="http://169.254.169.254/x"), 400, "not public"),
    "never ends": (endless, 413, "larger"),
    "lies about its length": (shorter, 400, "broke off"),
    "is a web page": (page(b"<!doctype html><title>Log in</title>", content_type="text/html"), 400, "web page"),
    "is not there": (page(status=404), 400, "404"),
}


@pytest.mark.parametrize("case", ASTRAY)
@pytest.mark.parametrize("names", [pair("1"), {"async": "true"}])
def test_a_url_that_leads_astray_makes_no_job(
    service: Service, tmp_path: Path, case: str, names: dict[str, str]
) -> None:
    found, status, said = ASTRAY[case]
    with site({"/a.wav": found}) as there:
        url = f"http://localhost:{there.port}/a.wav"
        answer = service.post(None, url=url, **names)
    assert answer.status_code == status and said in answer.json()["error"]["message"], answer.text
    nothing_is_kept(service, tmp_path)


def test_an_upload_that_breaks_off_makes_no_job(service: Service, tmp_path: Path) -> None:
    """As a gigabyte does that is cut at half: what came until then is deleted."""
    audio = sounds.clip(10) * 10
    request = httpx.Request("POST", service.url + PATH, data=pair("1"), files={"file": ("a.wav", audio)})
    body = request.read()
    address = urlsplit(service.url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        head = "\r\n".join([f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())])
        connection.sendall(head.encode() + b"\r\n\r\n" + body[: len(body) // 2])
        time.sleep(0.2)
    nothing_is_kept(service, tmp_path)
    assert service.post(sounds.clip(2), **pair("1")).json()["cached"] is False


def test_jobs_are_taken_while_all_places_of_requests_are_held(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(service.post, sounds.clip(2))
        until(lambda: service.queued() == 1, "the only place is held")
        assert service.post(sounds.clip(2)).status_code == 429
        assert service.post(sounds.clip(2), **pair("1")).status_code == 200
        assert service.post(sounds.clip(2), **{"async": "true"}).status_code == 202
        preferred = httpx.post(
            service.url + PATH, files={"file": ("a.wav", sounds.clip(2))}, headers={"Prefer": "respond-async"}
        )
        assert preferred.status_code == 202
        after = [("file", ("a.wav", sounds.clip(2))), ("async", (None, "true"))]
        assert httpx.post(service.url + PATH, files=after).status_code == 429  # it came too late
        engine.gate.set()
        assert held.result().status_code == 200


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a receiver that takes each call and never answers."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = []

        def take() -> None:
            while not stop.is_set():
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        for connection in taken:
            connection.close()


def test_a_receiver_that_never_answers_holds_up_nobody_and_ends_as_a_dead_letter(
    database: Sqlite,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outboxes, "BACKOFF", (0.1,))
    outbox = Outbox(database, "test")
    delivery = Delivery(outbox, None, hosts("127.0.0.1, localhost"), limits=Limits(whole=0.3))
    with silent() as never, Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        for number, url in enumerate([never, never, never, receiver.url]):
            now = time.time()
            database.write(
                lambda connection, n=number, u=url, t=now: outbox.enqueue(connection, f"job-{n}", u, "{}", t)  # type: ignore[misc]
            )
        delivery.start()
        try:
            until(lambda: len(receiver.got) == 1, "the other is told meanwhile")
            until(lambda: len(outbox.listed("dead", "", 10)) == 3, "given up after the second try")
            dead = outbox.listed("dead", "", 10)
            assert {(one.attempts, one.error) for one in dead} == {(2, "It did not answer within 0.3 s.")}
            assert outbox.next_due() is None
            assert outbox.resend(dead[0].id) is not None
            delivery.wake()
            until(lambda: len(outbox.listed("dead", "", 10)) == 3, "tried again, and dead again")
        finally:
            delivery.stop()
            receiver.shutdown()
            thread.join()

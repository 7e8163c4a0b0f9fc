"""A running service as the tests see it."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from openai import OpenAI

from stt_core.engine.protocol import Engine
from stt_core.fetch.addresses import hosts
from stt_core.kind import Kind
from stt_core.server import Server, process
from stt_core.settings import Settings

UPLOAD_LIMIT = 4_000_000
QUEUE = 4
URL_ALLOW = "localhost"
DEADLINE = 120.0
TLS = httpx.create_ssl_context()
"""Not needed for http, and made anew for each request it would be half of its time."""


@dataclass(frozen=True)
class Service:
    """Where it listens, and the model that it was started with."""

    url: str
    model: str
    wyoming: int = 0  # port on 127.0.0.1

    def client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=DEADLINE)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=DEADLINE, verify=TLS)

    def post(
        self,
        file: bytes | None,
        name: str = "audio.wav",
        *,
        path: str = "/v1/audio/transcriptions",
        **fields: Any,
    ) -> httpx.Response:
        files = None if file is None else {"file": (name, file)}
        data = {key.replace("__", "[]"): value for key, value in fields.items()}
        return httpx.post(
            self.url + path,
            files=files or {"nothing": ("", b"")},
            data=data,
            timeout=DEADLINE,
            verify=TLS,
        )

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def queued(self) -> int:
        return int(self.get("/status").json()["queue"]["requests"])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; says what did not come about."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


def required(variable: str) -> Path:
    """A folder that the environment names."""
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: `make test` sets it to a folder that it has filled."
    return Path(value)


@contextmanager
def in_thread(engine: Engine, model: str, queue: int = QUEUE) -> Iterator[Service]:
    """The service around an engine, in this process."""
    with TemporaryDirectory() as jobs:
        settings = Settings(
            port=0,
            model=model,
            max_upload_bytes=UPLOAD_LIMIT,
            queue=queue,
            url_allow=hosts(URL_ALLOW),
            wyoming_port=0,
            jobs_dir=Path(jobs),
        )
        with serving(Kind("Contract", lambda: engine), settings) as service:
            yield service


@contextmanager
def serving(kind: Kind, settings: Settings) -> Iterator[Service]:
    """A kind of service with these settings, in this process."""
    with process(kind, settings) as server, at_work(server):
        port = server.listener.getsockname()[1]
        wyoming = server.wyoming.getsockname()[1] if server.wyoming else 0
        service = Service(f"http://127.0.0.1:{port}", settings.model, wyoming)
        until(lambda: service.get("/ready").status_code == 200, "ready")
        yield service


@contextmanager
def at_work(server: Server) -> Iterator[None]:
    """A server at work in a thread, which holds the program up no longer than DEADLINE."""
    thread = threading.Thread(target=server.run, name="service", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive(), "the service does not stop"


@contextmanager
def in_process(
    command: list[str], environment: Mapping[str, str], model: str, log: Path
) -> Iterator[tuple[Service, "subprocess.Popen[bytes]"]]:
    """The service as its own process, as autostart starts it."""
    variables = {
        "STT_PORT": "0",
        "STT_MODEL": model,
        "STT_MAX_UPLOAD_BYTES": str(UPLOAD_LIMIT),
        "STT_QUEUE": str(QUEUE),
        "STT_URL_ALLOW": URL_ALLOW,
        "STT_WYOMING_PORT": "0",
    }
    with log.open("wb") as stream:
        child = subprocess.Popen(command, env={**os.environ, **variables, **environment}, stderr=stream)
    try:
        until(lambda: child.poll() is not None or b"listening on" in log.read_bytes(), "listening")
        assert child.poll() is None, log.read_text()
        found = re.search(r"listening on (\S+) port (\d+)", log.read_text())
        wyoming = re.search(r"listening for Wyoming on \S+ port (\d+)", log.read_text())
        assert found and wyoming
        service = Service(f"http://{found[1]}:{found[2]}", model, int(wyoming[1]))
        until(lambda: child.poll() is not None or service.get("/ready").status_code == 200, "ready")
        yield service, child
    finally:
        child.terminate()
        try:
            child.wait(timeout=DEADLINE)
        finally:
            child.kill()

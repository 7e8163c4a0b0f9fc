"""The service as a process of its own, without nginx and autostart: what is measured is the service."""

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.path.host import MODEL, SERVICES, environment
from bench.speech.client import Client
from deploy import ROOT
from deploy.workspace import models_folder

CODE = ":".join(f"{ROOT}/services/{part}/src" for part in ("core", "whisper", "ctranslate2", "faster-whisper"))
"""Where the services' environment finds them."""
PATIENCE = 120.0
"""Seconds that a server may take to load its model."""
HOURS_OF_WAV = 500_000_000
"""Bytes of an upload: more than four hours of 16 kHz wav."""


class Served(Client):
    """The running service."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(url, MODEL)
        self.pid = process.pid


@contextmanager
def running(log: Path, python: Path = SERVICES) -> Iterator[Served]:
    """The service with its model loaded; ends with the block. Raises RuntimeError with what it logged."""
    settings = {
        "STT_PORT": "0",
        "STT_MODEL": MODEL,
        "STT_MODELS_DIR": str(models_folder()),
        "STT_MAX_UPLOAD_BYTES": str(HOURS_OF_WAV),
    }
    with process((str(python), "-m", "stt_faster_whisper"), log, environment(PYTHONPATH=CODE, **settings)) as child:
        pattern = rb"listening on [\d.]+ port (\d+)"
        until(child, log, lambda: re.search(pattern, log.read_bytes()) is not None)
        found = re.search(pattern, log.read_bytes())
        assert found
        url = f"http://127.0.0.1:{found[1].decode()}"
        until(child, log, lambda: answers(f"{url}/ready"))
        served = Served(url, child)
        try:
            yield served
        finally:
            served.close()


@contextmanager
def process(command: Sequence[str], log: Path, variables: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that writes to a log; ends with the block."""
    with log.open("wb") as stream:
        child = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=stream, stderr=stream)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until(child: "subprocess.Popen[bytes]", log: Path, condition: Callable[[], bool]) -> None:
    """Wait while a server starts. Raises RuntimeError with the end of its log."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if child.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{child.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether something takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

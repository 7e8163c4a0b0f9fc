"""The bench's service as a process, and a client of it. Plain Python: the kit's environment runs it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from bench.path.host import SERVICES, environment
from bench.speech.service import answers, until
from deploy import ROOT
from deploy.client.demo import SAMPLE

CODE = os.pathsep.join([str(ROOT), f"{ROOT}/services/core/src"])
PATH = "/v1/audio/transcriptions"
PATIENCE = 300.0
BYTES = 20_000
"""Of a recording: a voice message of some ten seconds is about as large, as telephones compress it."""


def recording() -> bytes:
    """A wav file of 20 kB with half a second of speech, so that it is not left out as silence."""
    with wave.open(str(SAMPLE)) as file:
        file.setpos(file.getframerate())
        samples = file.readframes((BYTES - 44) // (file.getnchannels() * file.getsampwidth()))
        parameters = file.getparams()
    buffer = BytesIO()
    with wave.open(buffer, "wb") as cut:
        cut.setparams(parameters)
        cut.writeframes(samples)
    return buffer.getvalue()


class Served:
    """A running service. process: may be killed by who has it."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self.url, self.process = url, process

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as response:
            document: dict[str, Any] = json.loads(response.read())
            return document

    def submit(self, message: str, audio: bytes, **fields: str) -> tuple[int, dict[str, Any]]:
        """Status and answer. Raises OSError where there is no answer."""
        body, kind = form({"user_uuid": "bench", "message_id": message, **fields}, audio)
        request = urllib.request.Request(self.url + PATH, body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def form(fields: Mapping[str, str], audio: bytes) -> tuple[bytes, str]:
    """The body of a multipart form with a file, and its content type."""
    edge = "greffier-bench-edge"
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return "".join(
        [*parts, head]
    ).encode() + audio + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Served]:
    """The service with its jobs in a folder; ends with the block. Raises RuntimeError with what it logged."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    usual = {"STT_PORT": "0", "STT_MODEL": "bench", "STT_JOBS_DIR": str(folder / "jobs"), "STT_URL_ALLOW": "localhost"}
    variables = environment(**{"PYTHONPATH": CODE, "STT_JOBS_PENDING": "1000000", **usual, **settings})
    with log.open("wb") as stream:
        child = subprocess.Popen(
            (str(SERVICES), "-m", "bench.jobs.engine"), cwd=folder, env=variables, stdout=stream, stderr=stream
        )
    try:
        pattern = rb"listening on [\d.]+ port (\d+)"
        until(child, log, lambda: re.search(pattern, log.read_bytes()) is not None)
        found = re.search(pattern, log.read_bytes())
        assert found
        url = f"http://127.0.0.1:{found[1].decode()}"
        until(child, log, lambda: answers(f"{url}/ready"))
        yield Served(url, child)
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def waited(condition: Any, what: str, seconds: float = PATIENCE) -> None:
    """Raises RuntimeError where a condition does not come about."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"it did not come to this: {what}")
        time.sleep(0.1)

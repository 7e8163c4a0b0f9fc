"""The whisperx service as a process of its own, and those that do one of its stages in warm processes of theirs."""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from bench import warm
from bench.path.host import MODEL, environment
from bench.speech import service
from bench.speech.client import PATIENCE
from bench.warm import Warm
from deploy import ROOT
from deploy.models import fetching
from deploy.workspace import models_folder

WHISPERX = ROOT / ".venvs" / "whisperx" / "bin" / "python"
PEERS = ROOT / ".venvs" / "diarization-peers" / "bin" / "python"
CODE = f"{service.CODE}:{ROOT}/services/speakers/src:{ROOT}/services/whisperx/src"
WEIGHTS = fetching.folder(str(models_folder()), "greffier/open-diarization")
LIMIT = 500_000_000
"""Bytes of an upload: more than four hours of 16 kHz wav."""


@dataclass(frozen=True)
class Answer:
    """Of /transcribe; wall time in seconds, the upload included."""

    seconds: float
    text: str
    body: Mapping[str, Any]
    """Empty where the text alone was asked for."""


class Served:
    """The running service."""

    def __init__(self, url: str, pid: int) -> None:
        self.pid = pid
        self._client = httpx2.Client(base_url=url, timeout=PATIENCE)

    def transcribe(self, audio: Path, **options: str) -> Answer:
        """Raises RuntimeError with the service's sentence where it refuses."""
        began = time.monotonic()
        with audio.open("rb") as file:
            answer = self._client.post("/transcribe", files={"file": file}, data=options)
        taken = time.monotonic() - began
        if answer.status_code != 200:
            raise RuntimeError(f"/transcribe answered {answer.status_code}: {answer.text[:500]}")
        if options.get("response_format") == "text":
            return Answer(taken, answer.text.strip(), {})
        body = answer.json()
        return Answer(taken, "".join(segment["text"] for segment in body["segments"]).strip(), body)

    def close(self) -> None:
        self._client.close()


@contextmanager
def running(log: Path) -> Iterator[Served]:
    """The service with its model loaded; ends with the block. Raises RuntimeError with what it logged."""
    settings = {
        "STT_PORT": "0",
        "STT_MODEL": MODEL,
        "STT_MODELS_DIR": str(models_folder()),
        "STT_MAX_UPLOAD_BYTES": str(LIMIT),
        "STT_DIARIZER": "open",
    }
    there = environment(PYTHONPATH=CODE, **settings)
    with service.process((str(WHISPERX), "-m", "stt_whisperx"), log, there) as child:
        pattern = rb"listening on [\d.]+ port (\d+)"
        service.until(child, log, lambda: re.search(pattern, log.read_bytes()) is not None)
        found = re.search(pattern, log.read_bytes())
        assert found
        url = f"http://127.0.0.1:{found[1].decode()}"
        service.until(child, log, lambda: service.answers(f"{url}/ready"))
        served = Served(url, child.pid)
        try:
            yield served
        finally:
            served.close()


def threads() -> int:
    """What all of them compute with."""
    return len(os.sched_getaffinity(0))


@contextmanager
def ours(module: str, *arguments: str) -> Iterator[Warm]:
    """A module of the bench in the service's environment, asked as bench.warm says."""
    with warm.started(module, (str(WHISPERX), "-m", module, *arguments), ROOT, _environment(CODE)) as process:
        yield process


@contextmanager
def theirs(module: str, *arguments: str) -> Iterator[Warm]:
    """The same in the peers' environment."""
    with warm.started(module, (str(PEERS), "-m", module, *arguments), ROOT, _environment("")) as process:
        yield process


def _environment(path: str) -> dict[str, str]:
    return environment(PYTHONPATH=path, OMP_NUM_THREADS=str(threads()), PYTHONWARNINGS="ignore")


def turns(text: str) -> list[list[Any]]:
    """What a diarizer's process answers: [start, end, speaker] of each turn, in seconds."""
    found: list[list[Any]] = json.loads(text)
    return found

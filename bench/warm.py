"""A transcriber in a warm process of its own: asked by a line of JSON, answering by one.

Asked {"audio": path, …options}, it answers {"seconds": wall time of reading the file and transcribing it, "text": …}.
Plain Python: the process that answers runs in whichever environment has its library.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_SIZE = 8
BEAM_SIZE = 5
"""What all of them are asked to use, as the service does."""


@dataclass(frozen=True)
class Timed:
    """One transcription; wall time in seconds."""

    seconds: float
    text: str


class Warm:
    """The asking side. threads: how many the process computes with."""

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self._process = process
        self._name = name
        self.threads = int(self._answer()["threads"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def transcribe(self, audio: Path, **options: Any) -> Timed:
        """Raises RuntimeError when the process has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"audio": str(audio), **options}) + "\n")
        self._process.stdin.flush()
        return Timed(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self._name} ended; its reason stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def started(name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Warm]:
    """The process, its model loaded; ends with the block."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Warm(process, name)
    finally:
        process.terminate()
        process.wait()


def answer(threads: int, transcribe: Callable[..., str]) -> None:
    """The answering side, until standard input ends. transcribe: takes the audio's path and the options."""
    print(json.dumps({"threads": threads}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        text = transcribe(asked.pop("audio"), **asked)
        print(json.dumps({"seconds": time.monotonic() - began, "text": text}), flush=True)

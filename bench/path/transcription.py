"""Served transcription against the raw library, on the same audio, in turns."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import openai

from bench.path.host import MODEL, SERVICES, Deployed, environment
from bench.report import Figure, Goal, spread
from deploy import ROOT
from deploy.operations import models
from deploy.operations.report import Reporter

ROUNDS = {60: 5, 300: 3}
"""Length of the audio in seconds -> measured turns of each side."""
UNBATCHED_ROUNDS = 3
WARM_UP = ROOT / "examples" / "jfk.wav"
GOAL = Goal("at least", 0.95)


@dataclass(frozen=True)
class Timed:
    """One transcription; wall time in seconds."""

    seconds: float
    text: str


class Raw:
    """The library's process, asked line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.threads = int(self._answer()["threads"])

    def transcribe(self, audio: Path, *, batched: bool) -> Timed:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"audio": str(audio), "batched": batched}) + "\n")
        self._process.stdin.flush()
        return Timed(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the raw library's process ended; its reason stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def raw_library(model: str) -> Iterator[Raw]:
    """The library's process, with the model loaded."""
    command = (str(SERVICES), "-m", "bench.path.raw", model)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT}/services/core/src"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Raw(process)
    finally:
        process.terminate()
        process.wait()


def measure(there: Deployed, folder: Path, report: Reporter) -> Iterator[Figure]:
    """Figures of every length of audio."""
    with report.step("Reading paragraphs aloud"):
        command = (str(SERVICES), "-m", "bench.speech", str(folder), *map(str, ROUNDS))
        subprocess.run(command, cwd=ROOT, check=True)
    http = openai.DefaultHttpxClient(verify=there.trust)
    with (
        openai.OpenAI(base_url=there.base_url, api_key=there.key.api_key, http_client=http, max_retries=0) as client,
        raw_library(models.folder(there.host.layout.models, MODEL)) as raw,
    ):
        _served(client, WARM_UP)
        raw.transcribe(WARM_UP, batched=True)
        for seconds, rounds in ROUNDS.items():
            yield from _compare(client, raw, folder / f"{seconds}.wav", seconds, rounds, report)


def _compare(
    client: openai.OpenAI, raw: Raw, audio: Path, seconds: int, rounds: int, report: Reporter
) -> Iterator[Figure]:
    library: list[Timed] = []
    served: list[Timed] = []
    with report.step(f"Transcribing {seconds} s of speech, {rounds} times by the library and {rounds} times served"):
        for _ in range(rounds):
            library.append(raw.transcribe(audio, batched=True))
            served.append(_served(client, audio))
    ours, theirs = _median(served), _median(library)
    how = (
        f"median of {rounds} in turns, {_spread(library)} against {_spread(served)}; base int8, beam 5, VAD, "
        f"{raw.threads} threads; library: BatchedInferencePipeline(batch_size=8) in its own warm process"
    )
    yield Figure(f"served against the raw library, {seconds} s of speech (throughput ratio)", theirs / ours, how, GOAL)
    words = difference(library[0].text, served[0].text)
    how = "word edits between both transcripts by the library's words, case and punctuation left out"
    yield Figure(f"words that differ, {seconds} s of speech (share)", words, how)
    if seconds == min(ROUNDS):
        with report.step(f"The library unbatched, {UNBATCHED_ROUNDS} times"):
            single = [raw.transcribe(audio, batched=False) for _ in range(UNBATCHED_ROUNDS)]
        how = f"median of {UNBATCHED_ROUNDS}, {_spread(single)}; WhisperModel.transcribe with VAD"
        yield Figure(
            f"served against the library unbatched, {seconds} s of speech (throughput ratio)",
            _median(single) / ours,
            how,
        )
    yield Figure(f"real-time factor served, {seconds} s of speech", ours / seconds, "wall time by length of the audio")


def _served(client: openai.OpenAI, audio: Path) -> Timed:
    began = time.monotonic()
    with audio.open("rb") as file:
        answer = client.audio.transcriptions.create(model=MODEL, file=file)
    return Timed(time.monotonic() - began, answer.text)


def _median(timed: list[Timed]) -> float:
    return median(one.seconds for one in timed)


def _spread(timed: list[Timed]) -> str:
    return spread([one.seconds for one in timed])


def difference(before: str, after: str) -> float:
    """Words to insert, delete or replace (Levenshtein) by the words of `before`."""
    old, new = (re.findall(r"[\w']+", text.lower()) for text in (before, after))
    row = list(range(len(new) + 1))
    for i, word in enumerate(old, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(new, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1] / max(1, len(old))

"""Served transcription against the raw library, on the same audio, in turns."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import openai

from bench.path.host import MODEL, SERVICES, Deployed
from bench.report import Figure, Goal, spread
from bench.speech.peers import raw_library
from bench.speech.words import edits
from bench.warm import Timed, Warm
from deploy import ROOT
from deploy.models import fetching
from deploy.reporting import Reporter

ROUNDS = {60: 5, 300: 3}
"""Length of the audio in seconds -> measured turns of each side."""
UNBATCHED_ROUNDS = 3
WARM_UP = ROOT / "examples" / "jfk.wav"
GOAL = Goal("at least", 0.95)


def measure(there: Deployed, folder: Path, report: Reporter) -> Iterator[Figure]:
    """Figures of every length of audio."""
    with report.step("Reading paragraphs aloud"):
        command = (str(SERVICES), "-m", "bench.speech.maker", str(folder), *map(str, ROUNDS))
        subprocess.run(command, cwd=ROOT, check=True)
    http = openai.DefaultHttpxClient(verify=there.trust)
    with (
        openai.OpenAI(base_url=there.base_url, api_key=there.key.api_key, http_client=http, max_retries=0) as client,
        raw_library(fetching.folder(there.host.layout.models, MODEL)) as raw,
    ):
        _served(client, WARM_UP)
        raw.transcribe(WARM_UP, batched=True)
        for seconds, rounds in ROUNDS.items():
            yield from _compare(client, raw, folder / f"{seconds}.wav", seconds, rounds, report)


def _compare(
    client: openai.OpenAI, raw: Warm, audio: Path, seconds: int, rounds: int, report: Reporter
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
    """Words to insert, delete or replace by the words of `before`."""
    old, new = (re.findall(r"[\w']+", text.lower()) for text in (before, after))
    return edits(old, new) / max(1, len(old))

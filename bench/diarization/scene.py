"""What the scenarios share: the conversations, and the processes, each made when it is first wanted."""

import json
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.diarization import service
from bench.diarization.service import CODE, PEERS, WEIGHTS, WHISPERX, Served
from bench.path.host import MODEL, environment
from bench.speech.scene import SOUNDS
from bench.warm import Warm
from deploy import ROOT
from deploy.models import fetching
from deploy.reporting import Reporter
from deploy.workspace import models_folder

SAMPLE = ("import pathlib, pyannote", "print(pathlib.Path(list(pyannote.__path__)[0], 'audio', 'sample'))")
"""Where pyannote.audio keeps the telephone call of two people that comes with it."""


@dataclass(frozen=True)
class Recording:
    """A sound file with its reference; of a conversation of the bench, also who says what.

    part: whose voices they are; said: (speaker, text) in the order of their beginnings, empty where nobody wrote
    all of it down.
    """

    name: str
    part: str
    condition: str
    speakers: int
    seconds: float
    audio: Path
    reference: Path
    said: tuple[tuple[str, str], ...] = ()


class Scene:
    """A folder for one run; everything that was started ends with the stack."""

    def __init__(self, folder: Path, report: Reporter, stack: ExitStack) -> None:
        self.folder = folder
        self.report = report
        self._stack = stack
        self.threads = service.threads()

    model = fetching.folder(str(models_folder()), MODEL)

    @cached_property
    def conversations(self) -> list[Recording]:
        """The split that is scored; bench.diarization.conversations says what is in it."""
        folder = self.folder / "score"
        self.peers("bench.diarization.conversations", "score", str(folder), str(SOUNDS))
        return [_recording(one) for one in json.loads((folder / "conversations.json").read_text())]

    @cached_property
    def sample(self) -> Recording:
        """Thirty seconds of two people on the telephone, with the words of its .stm file."""
        command = (str(WHISPERX), "-c", "; ".join(SAMPLE))
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        source = Path(found.strip())
        for name in ("sample.wav", "sample.rttm"):
            shutil.copy(source / name, self.folder)
        lines = [line.split(maxsplit=5) for line in (source / "sample.stm").read_text().splitlines()]
        said = tuple((fields[2], fields[5]) for fields in lines)
        audio = self.folder / "sample.wav"
        return Recording("sample", "sample", "", 2, seconds(audio), audio, audio.with_suffix(".rttm"), said)

    @cached_property
    def open(self) -> Warm:
        """The service's own diarizer."""
        return self._warm(service.ours("bench.diarization.opened", WEIGHTS, str(self.threads)))

    @cached_property
    def pipeline(self) -> Warm:
        """pyannote.audio's, with the same weights."""
        return self._warm(service.ours("bench.peers.diarization.pipeline", WEIGHTS, str(self.threads)))

    @cached_property
    def resemblyzer(self) -> Warm:
        return self._warm(service.theirs("bench.peers.diarization.resembled", str(self.threads)))

    @cached_property
    def whisperx(self) -> Warm:
        """The whisperx library's own transcription."""
        return self._warm(service.ours("bench.peers.diarization.library", self.model, str(self.threads)))

    @cached_property
    def served(self) -> Served:
        served = self._stack.enter_context(service.running(self.folder / "service.log"))
        served.transcribe(self.sample.audio, diarize="true", language="en")
        return served

    def speech(self, length: int) -> Path:
        """English, read aloud, of so many seconds."""
        command = (str(WHISPERX), "-m", "bench.speech.maker", str(self.folder), f"{length}")
        self._run(command, CODE, "")
        return self.folder / f"{length}.wav"

    def _warm(self, started: Any) -> Warm:
        process: Warm = self._stack.enter_context(started)
        process.transcribe(self.sample.audio)
        return process

    def scored(self, asked: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
        """What bench.diarization.scoring answers."""
        found: list[dict[str, float]] = json.loads(self.peers("bench.diarization.scoring", told=json.dumps(asked)))
        return found

    def peers(self, module: str, *arguments: str, told: str = "") -> str:
        """What a module prints in the peers' environment. Raises CalledProcessError."""
        return self._run((str(PEERS), "-m", module, *arguments), "", told)

    def services(self, code: str) -> str:
        """What a line of Python prints in the service's environment. Raises CalledProcessError."""
        return self._run((str(WHISPERX), "-c", code), CODE, "")

    def _run(self, command: Sequence[str], path: str, told: str) -> str:
        there = environment(PYTHONPATH=path, PYTHONWARNINGS="ignore")
        done = subprocess.run(command, cwd=ROOT, env=there, input=told, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout


@contextmanager
def standing(report: Reporter) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, ExitStack() as stack:
        yield Scene(Path(name), report, stack)


def _recording(found: dict[str, Any]) -> Recording:
    utterances = sorted(found["said"], key=lambda one: float(one["start"]))
    said = tuple((one["speaker"], one["text"]) for one in utterances)
    return Recording(
        found["name"],
        found["part"],
        found["condition"],
        found["speakers"],
        found["seconds"],
        Path(found["audio"]),
        Path(found["reference"]),
        said if all(text for _, text in said) else (),
    )


def joined(name: str, recordings: Sequence[Recording]) -> Recording:
    """One after the other as one file, beside the first; a voice keeps its name."""
    folder = recordings[0].audio.parent
    audio, reference = folder / f"{name}.wav", folder / f"{name}.rttm"
    lines: list[str] = []
    at = 0.0
    with wave.open(str(audio), "wb") as whole:
        for one in recordings:
            with wave.open(str(one.audio)) as part:
                if not lines:
                    whole.setparams(part.getparams())
                whole.writeframes(part.readframes(part.getnframes()))
            for line in one.reference.read_text().splitlines():
                fields = line.split()
                fields[1], fields[3] = name, f"{float(fields[3]) + at:.3f}"
                lines.append(" ".join(fields) + "\n")
            at += seconds(one.audio)
    reference.write_text("".join(lines))
    voices = {line.split()[7] for line in lines}
    return Recording(name, "", "", len(voices), at, audio, reference)


def seconds(audio: Path) -> float:
    """The length of a wav file."""
    with wave.open(str(audio)) as file:
        return float(file.getnframes() / file.getframerate())

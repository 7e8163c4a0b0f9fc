"""What the scenarios share: the speech, and the service and its peers, each started when it is first wanted."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from bench.path.host import MODEL, SERVICES, environment
from bench.speech import peers, service
from bench.speech.client import Client
from bench.speech.service import Served
from bench.warm import Timed, Warm
from deploy import ROOT
from deploy.models import fetching
from deploy.reporting import Reporter
from deploy.workspace import models_folder

WARM_UP = ROOT / "examples" / "jfk.wav"
SOUNDS = models_folder().parent / "sounds"
"""What scripts/sounds fetches."""


class Scene:
    """A folder for one run; everything that was started ends with the stack."""

    def __init__(self, folder: Path, report: Reporter, stack: ExitStack) -> None:
        self.folder = folder
        self.report = report
        self._stack = stack

    model = fetching.folder(str(models_folder()), MODEL)

    @cached_property
    def library(self) -> Warm:
        library = self._stack.enter_context(peers.raw_library(self.model))
        library.transcribe(WARM_UP, batched=True)
        return library

    @cached_property
    def threads(self) -> int:
        return self.library.threads

    @cached_property
    def served(self) -> Served:
        served = self._stack.enter_context(service.running(self.folder / "service.log"))
        served.transcribe(WARM_UP)
        return served

    @cached_property
    def openai_whisper(self) -> Warm:
        original = self._stack.enter_context(peers.openai_whisper(self.model, self.threads))
        original.transcribe(WARM_UP)
        return original

    @cached_property
    def faster_whisper_server(self) -> Client:
        server = self._stack.enter_context(peers.faster_whisper_server(self.model, self.threads, self.folder))
        server.transcribe(WARM_UP)
        return server

    @cached_property
    def wyoming(self) -> Warm:
        home = self._stack.enter_context(peers.wyoming_faster_whisper(self.model, self.threads, self.folder))
        home.transcribe(WARM_UP)
        return home

    def speech(self, *seconds: int) -> list[Path]:
        """English, read aloud, of these lengths; each is the beginning of the longer ones."""
        self.run("maker", str(self.folder), *map(str, seconds))
        return [self.folder / f"{length}.wav" for length in seconds]

    def pieces(self, audio: Path, *spans: tuple[float, float]) -> list[Path]:
        """Stretches of a file, in seconds, as files of their own."""
        self.run("pieces", str(audio), str(self.folder), *(f"{start}-{end}" for start, end in spans))
        return [self.folder / f"{audio.stem}-{start}-{end}.wav" for start, end in spans]

    def corpus(self) -> list[dict[str, str]]:
        """What word errors are counted on; bench.speech.corpus says what is in it."""
        folder = self.folder / "corpus"
        self.run("corpus", str(folder), str(SOUNDS), str(peers.PEERS))
        clips: list[dict[str, str]] = json.loads((folder / "corpus.json").read_text())
        return clips

    def run(self, module: str, *arguments: str) -> str:
        """What a module of bench.speech prints in the services' environment. Raises CalledProcessError."""
        command = (str(SERVICES), "-m", f"bench.speech.{module}", *arguments)
        there = environment(PYTHONPATH=service.CODE)
        return subprocess.run(command, cwd=ROOT, env=there, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def standing(report: Reporter) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, ExitStack() as stack:
        yield Scene(Path(name), report, stack)


def in_turns(rounds: int, *sides: Callable[[], Timed]) -> list[list[Timed]]:
    """What each side took, measured one after the other in every round."""
    taken: list[list[Timed]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, times in zip(sides, taken, strict=True):
            times.append(side())
    return taken

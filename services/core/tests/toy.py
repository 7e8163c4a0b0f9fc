"""A deterministic engine: it says how many seconds it heard, one word each."""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import replace

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine.protocol import (
    Capabilities,
    Logprob,
    Options,
    Progress,
    Segment,
    Transcript,
    Window,
    WindowResult,
    Word,
    join,
)

ABLE = Capabilities(
    languages=("en", "fr"),
    word_times=True,
    prompt=True,
    hotwords=True,
    translation=True,
    logprobs=True,
    speakers=True,
)


class Toy:
    """`gate` holds every forward while it is closed; `batches` are the requests of each forward."""

    def __init__(self, able: Capabilities = ABLE) -> None:
        self._able = able
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[Hashable]] = []
        self.asked: Options | None = None
        self.poison: str | None = None

    @property
    def capabilities(self) -> Capabilities:
        return self._able

    def load(self, model: str) -> None:
        pass

    def group(self, window: Window) -> Hashable:
        if window.options.prompt == "beyond words":
            raise ValueError("no tokens for this")
        return window.options.temperature

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        self.asked = windows[0].options
        self.batches.append([window.options.prompt for window in windows])
        assert self.gate.wait(60)
        if any(window.options.prompt == self.poison for window in windows):
            raise RuntimeError("poisoned")
        return [heard(window) for window in windows]

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        """Known voices take turns, or A and B."""
        transcript = join(audio, results, options)
        if not options.speakers:
            return transcript
        names = [voice.name for voice in options.voices] or ["A", "B"]
        return replace(
            transcript,
            segments=tuple(
                replace(segment, speaker=names[index % len(names)]) for index, segment in enumerate(transcript.segments)
            ),
        )


def heard(window: Window) -> WindowResult:
    seconds = len(window.samples) / SAMPLE_RATE
    unit = "translated" if window.options.task == "translate" else "second"
    words = tuple(
        Word(f" {unit}{index}", float(index), min(index + 1.0, seconds), 0.9) for index in range(max(1, int(seconds)))
    )
    segment = Segment(
        0.0,
        seconds,
        "".join(word.text for word in words),
        words=words if window.options.word_times else (),
        logprobs=tuple(Logprob(word.text.encode(), -0.1) for word in words) if window.options.logprobs else (),
    )
    return WindowResult(window.language or "en", (segment,))

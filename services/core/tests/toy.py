"""A deterministic engine: it says how many seconds it heard, one word each."""

import threading
from collections.abc import Hashable, Sequence

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine import Capabilities, Options, Segment, Transcript, Window, WindowResult, Word, join


class Toy:
    """`gate` holds every forward while it is closed; `batches` are the requests of each forward."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[Hashable]] = []
        self.poison: str | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(languages=("en", "fr"), word_times=True, prompt=True, hotwords=True)

    def load(self, model: str) -> None:
        pass

    def group(self, window: Window) -> Hashable:
        return window.options.temperature

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        self.batches.append([window.options.prompt for window in windows])
        assert self.gate.wait(60)
        if any(window.options.prompt == self.poison for window in windows):
            raise RuntimeError("poisoned")
        return [heard(window) for window in windows]

    def finish(self, audio: AudioSource, results: Sequence[WindowResult], options: Options) -> Transcript:
        return join(audio, results, options)


def heard(window: Window) -> WindowResult:
    seconds = len(window.samples) / SAMPLE_RATE
    words = tuple(
        Word(f" second{index}", float(index), min(index + 1.0, seconds), 0.9)
        for index in range(max(1, int(seconds)))
    )
    text = "".join(word.text for word in words)
    segment = Segment(0.0, seconds, text, words=words if window.options.word_times else ())
    return WindowResult(window.language or "en", (segment,))

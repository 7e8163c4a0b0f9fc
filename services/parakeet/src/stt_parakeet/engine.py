"""Parakeet and its relatives as an engine."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from stt_core import memory
from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine.protocol import (
    Capabilities,
    Options,
    Progress,
    Segment,
    Transcript,
    Window,
    WindowResult,
    join,
)
from stt_core.errors import BadRequest
from stt_parakeet.feeding import Feed, feed
from stt_parakeet.language import Identifier
from stt_parakeet.models import Known, known_as
from stt_parakeet.recognizer import Heard, Recognizer
from stt_parakeet.words import parted, segments, whole, words

Place = Callable[[str], Path]
"""Name of a model -> its folder, complete and unchanged. Raises StartError."""


class Parakeet:
    """One model in memory: what is `known` of it, and what hears with it, once it is loaded."""

    def __init__(self, place: Place, threads: int) -> None:
        self._place = place
        self._threads = threads
        self.known: Known | None = None
        self.recognizer: Recognizer | None = None
        self._identifier = Identifier()

    @property
    def capabilities(self) -> Capabilities:
        known = self._loaded
        return Capabilities(
            known.languages, word_times=known.timed, logprobs=known.timed, translation=known.translation
        )

    def load(self, model: str) -> None:
        folder = self._place(model)
        size = sum(file.stat().st_size for file in folder.rglob("*.onnx*"))
        memory.require(size, f"the model {model}")
        self.known = known_as(model)
        if len(self.known.languages) > 1:
            self._identifier.prepare(self.known.languages)
        self.recognizer = Recognizer(folder, self.known, self._threads)

    def group(self, window: Window) -> Hashable:
        """Each window runs alone: on a processor, a forward over several takes longer than one after the other."""
        if self._loaded.told and window.options.language is None:
            raise BadRequest(
                "This model has to be told which language is spoken: send `language`, such as fr.", param="language"
            )
        return id(window)

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        return [self._heard(window) for window in windows]

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        return join(audio, results, options)

    def _heard(self, window: Window) -> WindowResult:
        assert self.recognizer is not None, "load comes first"
        options = window.options
        said: dict[str, str] = {}
        if self._loaded.told and options.language:
            said = {"language": options.language}
            if options.task == "translate":
                said["target_language"] = "en"
        fed = feed(window, timed=self._loaded.timed)
        found = self._segments(window, fed, self.recognizer.hear(fed.samples, **said))
        language, probability = window.language, None
        if found and language is None:
            text = "".join(segment.text for segment in found)
            language, probability = self._identifier.identified(text, options.languages)
        segments = tuple(_of(segment, options, language) for segment in found)
        return WindowResult(language if found else options.language, segments, language_probability=probability)

    def _segments(self, window: Window, fed: Feed, heard: Heard) -> list[Segment]:
        if heard.tokens is None:
            speech = window.speech or ((0.0, len(window.samples) / SAMPLE_RATE),)
            return whole(heard.text, speech[0][0], speech[-1][1], heard.logprobs)
        spoken = fed.own(list(parted(heard.tokens)))
        found = words(spoken, len(window.samples) / SAMPLE_RATE)
        return segments(found, spoken, _joints(window))

    @property
    def _loaded(self) -> Known:
        assert self.known is not None, "load comes first"
        return self.known


def _joints(window: Window) -> list[float]:
    """Seconds into the window at which a stretch of the file ends and another, later one begins."""
    found: list[float] = []
    at = 0
    for span, following in zip(window.spans, window.spans[1:], strict=False):
        at += span.length
        if following.start > span.end:
            found.append(at / SAMPLE_RATE)
    return found


def _of(segment: Segment, options: Options, language: str | None) -> Segment:
    """With what was asked for."""
    return Segment(
        segment.start,
        segment.end,
        segment.text,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        words=segment.words if options.word_times else (),
        logprobs=segment.logprobs if options.logprobs else (),
        language=language,
    )

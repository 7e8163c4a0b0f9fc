"""Whisper by CTranslate2: batched windows, with the guards of the library's sequential mode."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt_core import modeldir
from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine import Capabilities, Options, Segment, Transcript, Window, WindowResult, Word, join
from stt_faster_whisper.decoding import TEMPERATURES, Decoding, Slice, best, slices
from stt_faster_whisper.whisper import LANES, Whisper


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """What is known of a window that is decoded once more.

    done: segments before `offset` (seconds), which are settled.
    tried: failed decodings of what follows, whose encoding is kept; empty where a rest is still unread.
    """

    done: tuple[Segment, ...] = ()
    offset: float = 0.0
    tried: tuple[Decoding, ...] = ()
    encoded: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A window that was decoded well enough: its slices, and where it was left unread."""

    row: int
    language: str
    decoding: Decoding
    slices: list[Slice]
    unread: float | None
    duration: float


FRESH = Again()


class FasterWhisper:
    """One model in memory."""

    def __init__(self, models: Path, device: str, compute_type: str, threads: int) -> None:
        self._models = models
        self._device = device
        self._compute_type = compute_type
        self._threads = threads
        self._loaded: Whisper | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self._whisper.languages, word_times=True, prompt=True, hotwords=True, lanes=LANES)

    def load(self, model: str) -> None:
        folder = modeldir.verified(self._models, model)
        self._loaded = Whisper(folder, self._device, self._compute_type, self._threads)

    def group(self, window: Window) -> Hashable:
        """Prompts of one length share a forward, whatever their languages; a failed window runs alone."""
        if window.again is not None and window.again.tried:
            return id(window.again)
        context = self._whisper.context(window.options.prompt, window.options.hotwords)
        return len(context), window.options.temperature, window.options.segments

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        states: list[Again] = [window.again or FRESH for window in windows]
        encoded = self._encoded(windows, states)
        languages = self._languages(windows, encoded)
        contexts = [self._whisper.context(one.options.prompt, one.options.hotwords) for one in windows]
        temperature = _temperature(windows[0], states[0])
        timestamps = windows[0].options.segments
        decodings = self._whisper.decode(encoded, languages, contexts, temperature, timestamps)

        results: list[WindowResult] = [WindowResult(language) for language in languages]
        heard: list[Heard] = []
        for row, (window, state, decoding) in enumerate(zip(windows, states, decodings, strict=True)):
            tried = (*state.tried, decoding)
            if decoding.failed and window.options.temperature is None:
                if len(tried) < len(TEMPERATURES):
                    retry = Again(state.done, state.offset, tried, self._whisper.rows(encoded, [row]))
                    results[row] = WindowResult(languages[row], again=retry)
                    continue
                decoding = best(tried)
            heard.append(self._read(row, languages[row], decoding, _duration(window, state)))
        words = self._words(encoded, [one for one in heard if windows[one.row].options.word_times])
        for one in heard:
            state = states[one.row]
            segments = (*state.done, *self._segments(one, words.get(one.row), state.offset))
            rest = None if one.unread is None else Again(segments, state.offset + one.unread)
            results[one.row] = WindowResult(one.language, segments, again=rest)
        return results

    def finish(self, audio: AudioSource, results: Sequence[WindowResult], options: Options) -> Transcript:
        return join(audio, results, options)

    @property
    def _whisper(self) -> Whisper:
        assert self._loaded is not None, "load comes first"
        return self._loaded

    def _encoded(self, windows: Sequence[Window], states: Sequence[Again]) -> Any:
        if states[0].encoded is not None:  # a failed window is alone in its batch
            return states[0].encoded
        return self._whisper.encode(
            [
                window.samples[round(state.offset * SAMPLE_RATE) :]
                for window, state in zip(windows, states, strict=True)
            ]
        )

    def _languages(self, windows: Sequence[Window], encoded: Any) -> list[str]:
        if all(window.language for window in windows):
            return [window.language or "" for window in windows]
        heard: dict[Hashable, str] = {}
        for window, found in zip(windows, self._whisper.detect(encoded), strict=True):
            heard.setdefault(window.request, found)  # one file, one language: that of its first window
        return [window.language or heard[window.request] for window in windows]

    def _read(self, row: int, language: str, decoding: Decoding, duration: float) -> Heard:
        if decoding.silent:
            return Heard(row, language, decoding, [], None, duration)
        found, unread = slices(decoding.tokens, self._whisper.timestamp_begin, duration)
        found = [one for one in found if self._whisper.text(one.tokens).strip()]
        return Heard(row, language, decoding, found, unread, duration)

    def _words(self, encoded: Any, heard: Sequence[Heard]) -> dict[int, list[tuple[Word, ...]]]:
        """The words of each slice, by row. Windows of one language are aligned together."""
        words: dict[int, list[tuple[Word, ...]]] = {}
        spoken = [one for one in heard if one.slices]
        for language in sorted({one.language for one in spoken}):
            same = [one for one in spoken if one.language == language]
            rows = self._whisper.rows(encoded, [one.row for one in same])
            aligned = self._whisper.align(
                rows, language, [one.slices for one in same], [one.duration for one in same]
            )
            words |= {one.row: found for one, found in zip(same, aligned, strict=True)}
        return words

    def _segments(self, heard: Heard, words: list[tuple[Word, ...]] | None, offset: float) -> list[Segment]:
        aligned = words or [() for _ in heard.slices]
        return [
            Segment(
                start=offset + one.start,
                end=offset + one.end,
                text=self._whisper.text(one.tokens),
                tokens=one.tokens,
                temperature=heard.decoding.temperature,
                avg_logprob=heard.decoding.avg_logprob,
                compression_ratio=heard.decoding.compression_ratio,
                no_speech_prob=heard.decoding.no_speech_prob,
                words=tuple(
                    Word(word.text, offset + word.start, offset + word.end, word.probability) for word in own
                ),
            )
            for one, own in zip(heard.slices, aligned, strict=True)
        ]


def _temperature(window: Window, state: Again) -> float:
    """That of the batch: it is part of the group."""
    if window.options.temperature is not None:
        return window.options.temperature
    return TEMPERATURES[len(state.tried)]


def _duration(window: Window, state: Again) -> float:
    return len(window.samples) / SAMPLE_RATE - state.offset

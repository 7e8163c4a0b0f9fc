"""Whisper over batched windows, with the guards of its sequential mode, whichever library runs the model."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.audio.level import raised
from stt_core.engine.protocol import (
    Capabilities,
    Options,
    Progress,
    Samples,
    Segment,
    Task,
    Transcript,
    Window,
    WindowResult,
    join,
)
from stt_whisper.decoding import Decoding, best, temperature
from stt_whisper.detection import Verdict, verdict
from stt_whisper.model import USUAL, Model, Prompt, sayable
from stt_whisper.reading import Part, Reading, read, unheard
from stt_whisper.trimming import FULL, frames


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """What is known of a window that comes once more.

    language: the one it is decoded in; None while more must be heard to tell.
    probability: of that language, where it was heard.
    parts: what is still to be decoded; the first is decoded next. None: all of the window.
    done: segments that are settled, in any order.
    tried: failed decodings of the first part.
    encoded: the first part, encoded in full; None where it is not yet.
    """

    language: str | None = None
    probability: float | None = None
    parts: tuple[Part, ...] | None = None
    done: tuple[Segment, ...] = ()
    tried: tuple[Decoding, ...] = ()
    encoded: Any = None


FRESH = Continuation()
UNSURE = Continuation()
"""Of a window that was heard, in a language that one window does not tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A window in this forward, its row there, and what is known of it, its language included."""

    row: int
    window: Window
    known: Continuation
    language: str

    @property
    def part(self) -> Part:
        return _part(self.window, self.known)


class Windowed:
    """One model in memory, once `_loaded` is set: by `load`, which who derives from this brings."""

    def __init__(self) -> None:
        self._loaded: Model | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            self._whisper.languages,
            word_times=True,
            prompt=True,
            hotwords=True,
            translation=self._whisper.multilingual,
            logprobs=True,
            workers=self._whisper.workers,
        )

    def group(self, window: Window) -> Hashable:
        """Prompts and encodings of one length share a forward, whatever their languages; a failed window runs
        alone."""
        state = window.again or FRESH
        if state.tried:
            return id(state)
        context = self._whisper.context(window.options.prompt, window.options.hotwords)
        return len(context), window.options.temperature, _length(window, state)

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        states: list[Continuation] = [window.again or FRESH for window in windows]
        encoded = states[0].encoded  # a failed window is alone in its batch
        if encoded is None:
            sounds = [_samples(window, state) for window, state in zip(windows, states, strict=True)]
            encoded = self._whisper.encode(sounds, _length(windows[0], states[0]))
        verdicts = self._verdicts(windows, states, encoded)
        entries = []
        for row, (window, state) in enumerate(zip(windows, states, strict=True)):
            if language := state.language or window.language:
                entries.append(Entry(row, window, replace(state, language=language), language))
            elif said := verdicts[row]:
                known = replace(state, language=said.language, probability=said.probability)
                entries.append(Entry(row, window, known, said.language))
        results = [WindowResult(None, again=_waiting(windows, row)) for row in range(len(windows))]
        if entries:
            encoded = self._whisper.rows(encoded, [entry.row for entry in entries])
            for entry, result in zip(entries, self._results(entries, encoded), strict=True):
                results[entry.row] = result
        return _confirmed(windows, states, results)

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        return join(audio, results, options)

    @property
    def _whisper(self) -> Model:
        assert self._loaded is not None, "load comes first"
        return self._loaded

    def _verdicts(
        self, windows: Sequence[Window], states: Sequence[Continuation], encoded: Any
    ) -> dict[int, Verdict | None]:
        """The language of each row that has none yet; None where more of its file must be heard.

        Where several languages may be spoken, each window has its own. Else a file has one: its first window
        tells it where that is sure, else together with the second when it comes again. None that only happens
        to be in the same forward has a say.
        """
        unknown = [
            row
            for row, (window, state) in enumerate(zip(windows, states, strict=True))
            if not (state.language or window.language)
        ]
        heard = self._whisper.detect(encoded) if unknown else []

        def said(*rows: int) -> Verdict:
            seconds = [len(windows[row].samples) / SAMPLE_RATE for row in rows]
            evidence = [(one, heard[row]) for one, row in zip(seconds, rows, strict=True)]
            return verdict(evidence, windows[rows[0]].options.languages)

        found: dict[int, Verdict | None] = {}
        requests: dict[Hashable, list[int]] = {}
        for row in unknown:
            if windows[row].options.languages:
                found[row] = said(row)
            else:
                requests.setdefault(windows[row].request, []).append(row)
        for rows in requests.values():
            again = states[rows[0]] is UNSURE
            first = said(*rows[:2]) if again else said(rows[0])
            final = first.sure or again or windows[rows[0]].only
            found |= dict.fromkeys(rows, first if final else None)
        return found

    def _results(self, entries: Sequence[Entry], encoded: Any) -> list[WindowResult]:
        """What each turn gave; `encoded` has their rows."""
        asked = entries[0].window.options.temperature  # of all: it is part of the group
        now = temperature(entries[0].known.tried, asked)
        assert now is not None, "a window comes again only where something is left to try"
        prompts = [
            Prompt(
                entry.language,
                entry.window.options.task,
                self._whisper.context(entry.window.options.prompt, entry.window.options.hotwords),
            )
            for entry in entries
        ]
        results: dict[int, WindowResult] = {}
        heard: dict[int, Decoding] = {}
        first = entries[0]
        # One that failed is alone. What goes in circles takes all the tokens there are, at every temperature.
        max_tokens = sayable(first.part.seconds) if first.known.tried else USUAL
        for place, decoding in enumerate(self._whisper.decode(encoded, prompts, now, max_tokens)):
            entry = entries[place]
            tried = (*entry.known.tried, decoding)
            if not decoding.failed:
                heard[place] = decoding
            elif entry.part.lone:
                results[place] = self._settled(entry, Reading())  # it was a guess that something is there
            elif temperature(tried, asked) is None:
                heard[place] = best(tried)
            else:
                kept = self._whisper.rows(encoded, [place]) if decoding.full else None
                results[place] = WindowResult(
                    entry.window.language, again=replace(entry.known, tried=tried, encoded=kept)
                )
        for place, reading in self._readings(entries, encoded, heard):
            results[place] = self._settled(entries[place], reading)
        return [results[place] for place in range(len(entries))]

    def _readings(
        self, entries: Sequence[Entry], encoded: Any, heard: dict[int, Decoding]
    ) -> Iterator[tuple[int, Reading]]:
        """What each decoding says and where. Windows of one language and task are aligned together."""
        spoken: list[tuple[str, Task, int]] = []
        for place, decoding in heard.items():
            entry = entries[place]
            if decoding.hopeless:
                yield place, Reading()
            elif not decoding.text.strip():
                yield place, unheard(entry.window, entry.part)
            else:
                spoken.append((entry.language, entry.window.options.task, place))
        for (language, task), group in groupby(sorted(spoken), key=lambda one: one[:2]):
            places = [place for *_, place in group]
            aligned = self._whisper.align(
                self._whisper.rows(encoded, places),
                language,
                task,
                [heard[place].tokens for place in places],
                [entries[place].part.seconds for place in places],
            )
            for place, one in zip(places, aligned, strict=True):
                entry = entries[place]
                yield place, read(self._whisper, entry.window, entry.part, language, heard[place], one)

    def _settled(self, entry: Entry, reading: Reading) -> WindowResult:
        """The window's result, or what is left of it to decode."""
        known, options = entry.known, entry.window.options
        done = (*known.done, *(replace(one, language=entry.language) for one in reading.segments))
        parts = (*reading.rest, *(known.parts or ())[1:])
        language = entry.language if done else options.language
        if parts:
            again = replace(known, parts=parts, done=done, tried=(), encoded=None)
            return WindowResult(language, again=again)
        segments = tuple(sorted(done, key=lambda segment: segment.start))
        return WindowResult(language, segments, language_probability=known.probability)


def _waiting(windows: Sequence[Window], row: int) -> Continuation:
    """What a window waits as that has no language yet: the first of its request to be heard with the next."""
    first = all(other.request != windows[row].request for other in windows[:row])
    return UNSURE if first else FRESH


def _confirmed(
    windows: Sequence[Window], states: Sequence[Continuation], results: Sequence[WindowResult]
) -> list[WindowResult]:
    """A window in which nobody spoke tells no language: those that took theirs from it come again, as they
    would have been heard after it."""
    found = list(results)
    empty: set[Hashable] = set()
    seen: set[Hashable] = set()
    for row, (window, state, result) in enumerate(zip(windows, states, results, strict=True)):
        if window.language or state.language or window.options.languages:
            continue
        if window.request in empty:
            found[row] = WindowResult(None, again=FRESH)
        elif window.request not in seen and state is not UNSURE and not (result.again or result.segments):
            empty.add(window.request)  # of an UNSURE one, the next has told the language as well
        seen.add(window.request)
    return found


def _part(window: Window, state: Continuation) -> Part:
    whole = Part(0.0, len(window.samples) / SAMPLE_RATE)
    return whole if state.parts is None else state.parts[0]


def _samples(window: Window, state: Continuation) -> Samples:
    """What is to be decoded next, as loud as speech usually is."""
    part = _part(window, state)
    return raised(window.samples[round(part.start * SAMPLE_RATE) : round(part.end * SAMPLE_RATE)])


def _length(window: Window, state: Continuation) -> int:
    """Frames of its encoding: by its own length alone, and in full where a trimmed one failed or is in doubt.

    A window that tells no language alone shares its forward with the next one in the file, which is long:
    together they did not fit into one.
    """
    part = _part(window, state)
    doubted = state.tried or part.lone or state is UNSURE
    return FULL if doubted else frames(round(part.seconds * SAMPLE_RATE))

"""Whisper over batched windows, with the guards of its sequential mode, whichever library runs the model."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine import (
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
from stt_faster_whisper.decoding import SHORTEST_REST, Decoding, Slice, best, slices, temperature
from stt_faster_whisper.detection import Verdict, verdict
from stt_faster_whisper.model import Aligner, Model, Prompt, Windows
from stt_faster_whisper.trimming import FULL, frames, long


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """What is known of a window that comes once more.

    language: the one it is decoded in; None while more must be heard to tell.
    probability: of that language, where it was heard.
    done: segments before `offset` (seconds), which are settled.
    tried: failed decodings of what follows; empty where a rest is still unread.
    encoded: what follows, encoded in full; None where it is not yet.
    room: the usual tokens were too few for what follows; it is decoded with times, so that it can be gone
        on with where all of them are too few.
    """

    language: str | None = None
    probability: float | None = None
    done: tuple[Segment, ...] = ()
    offset: float = 0.0
    tried: tuple[Decoding, ...] = ()
    encoded: Any = None
    room: bool = False


FRESH = Again()
UNSURE = Again()
"""Of a window that was heard, in a language that one window does not tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A window in this forward, its row there, and what is known of it, its language included."""

    row: int
    window: Window
    known: Again
    language: str

    @property
    def duration(self) -> float:
        """Seconds that are to be decoded."""
        return len(self.window.samples) / SAMPLE_RATE - self.known.offset


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A turn that was decoded well enough: its slices, and the second from which it was left unread."""

    turn: Turn
    decoding: Decoding
    slices: list[Slice] = field(default_factory=list)
    unread: float | None = None


Item = TypeVar("Item")


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
            lanes=self._whisper.lanes,
        )

    def group(self, window: Window) -> Hashable:
        """Prompts of one length share a forward, whatever their languages; a failed window runs alone."""
        if window.again is not None and window.again.tried:
            return id(window.again)
        context = self._whisper.context(window.options.prompt, window.options.hotwords)
        # An unsure one is to be heard together with its neighbour.
        length = window.again is UNSURE or long(len(window.samples))
        room = window.again is not None and window.again.room
        return len(context), window.options.temperature, window.options.segments, length, room

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        states: list[Again] = [window.again or FRESH for window in windows]
        encoded = states[0].encoded  # a failed window is alone in its batch
        if encoded is None:
            encoded = self._encoded(windows, states)
        verdicts = self._verdicts(windows, states, encoded)
        turns = []
        for row, (window, state) in enumerate(zip(windows, states, strict=True)):
            if language := state.language or window.language:
                turns.append(Turn(row, window, replace(state, language=language), language))
            elif said := verdicts[window.request]:
                known = replace(state, language=said.language, probability=said.probability)
                turns.append(Turn(row, window, known, said.language))
        results = [WindowResult(None, again=UNSURE) for _ in windows]
        if turns:
            encoded = self._whisper.rows(encoded, [turn.row for turn in turns])
            for turn, result in zip(turns, self._results(turns, encoded), strict=True):
                results[turn.row] = result
        return results

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        return join(audio, results, options)

    @property
    def _whisper(self) -> Model:
        assert self._loaded is not None, "load comes first"
        return self._loaded

    def _encoded(self, windows: Sequence[Window], states: Sequence[Again]) -> Any:
        left = [
            window.samples[round(state.offset * SAMPLE_RATE) :]
            for window, state in zip(windows, states, strict=True)
        ]
        length = FULL if states[0].tried else max(frames(len(samples)) for samples in left)
        return self._whisper.encode(left, length)

    def _verdicts(
        self, windows: Sequence[Window], states: Sequence[Again], encoded: Any
    ) -> dict[Hashable, Verdict | None]:
        """The language of each request that has none yet; None where more of its file must be heard."""
        rows: dict[Hashable, list[int]] = {}
        for row, (window, state) in enumerate(zip(windows, states, strict=True)):
            if not (state.language or window.language):
                rows.setdefault(window.request, []).append(row)
        heard = self._whisper.detect(encoded) if rows else []
        found: dict[Hashable, Verdict | None] = {}
        for request, own in rows.items():
            said = verdict(
                [(len(windows[row].samples) / SAMPLE_RATE, heard[row]) for row in own],
                windows[own[0]].options.languages,
            )
            last = windows[own[0]].only or states[own[0]] is UNSURE
            found[request] = said if said.sure or last else None
        return found

    def _results(self, turns: Sequence[Turn], encoded: Any) -> list[WindowResult]:
        """What each turn gave; `encoded` has their rows."""
        first = turns[0]
        asked = first.window.options.temperature  # of all: it is part of the group
        now = temperature(first.known.tried, asked)
        assert now is not None, "a window comes again only where something is left to try"
        prompts = [
            Prompt(
                turn.language,
                turn.window.options.task,
                self._whisper.context(turn.window.options.prompt, turn.window.options.hotwords),
            )
            for turn in turns
        ]
        room = first.known.room  # of all, too
        timed = first.window.options.segments or room
        decodings = self._whisper.decode(encoded, prompts, now, timed, room)
        heard: dict[int, Heard] = {}
        results: dict[int, WindowResult] = {}
        for place, (turn, decoding) in enumerate(zip(turns, decodings, strict=True)):
            tried = (*turn.known.tried, decoding)
            if decoding.failed and temperature(tried, asked) is not None:
                whole = self._whisper.rows(encoded, [place]) if decoding.full else None
                again = replace(turn.known, tried=tried, encoded=whole)
                results[place] = WindowResult(turn.window.language, again=again)
                continue
            kept = best(tried) if decoding.failed else decoding
            if kept.short and not room:
                again = replace(turn.known, tried=(), encoded=None, room=True)
                results[place] = WindowResult(turn.window.language, again=again)
            else:
                heard[place] = self._read(turn, kept)
        words = self._aligned(
            encoded,
            {place: one for place, one in heard.items() if one.turn.window.options.word_times},
            lambda aligner, *given: aligner.words(*given),
        )
        logprobs = self._aligned(
            encoded,
            {place: one for place, one in heard.items() if one.turn.window.options.logprobs},
            lambda aligner, *given: aligner.logprobs(*given),
        )
        for place, one in heard.items():
            results[place] = self._result(one, words.get(place), logprobs.get(place))
        return [results[place] for place in range(len(turns))]

    def _read(self, turn: Turn, decoding: Decoding) -> Heard:
        if decoding.hopeless:
            return Heard(turn, decoding)
        found, unread = slices(decoding.tokens, self._whisper.timestamp_begin, turn.duration)
        if decoding.short and unread is None and found and turn.duration - found[-1].end >= SHORTEST_REST:
            unread = found[-1].end
        return Heard(turn, decoding, [one for one in found if self._whisper.text(one.tokens).strip()], unread)

    def _aligned(
        self,
        encoded: Any,
        heard: Mapping[int, Heard],
        align: Callable[[Aligner, Any, Windows, Sequence[float]], list[list[tuple[Item, ...]]]],
    ) -> dict[int, list[tuple[Item, ...]]]:
        """What `align` gives for each slice, by row. Windows of one language and task go together."""
        found: dict[int, list[tuple[Item, ...]]] = {}
        kinds = {
            place: (one.turn.language, one.turn.window.options.task)
            for place, one in heard.items()
            if one.slices
        }
        for kind in sorted(set(kinds.values())):
            places = [place for place, own in kinds.items() if own == kind]
            aligned = align(
                self._whisper.aligner(*kind),
                self._whisper.rows(encoded, places),
                [heard[place].slices for place in places],
                [heard[place].turn.duration for place in places],
            )
            found |= dict(zip(places, aligned, strict=True))
        return found

    def _result(
        self,
        heard: Heard,
        words: list[tuple[Word, ...]] | None,
        logprobs: list[tuple[Logprob, ...]] | None,
    ) -> WindowResult:
        turn, offset = heard.turn, heard.turn.known.offset
        own = tuple(
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
                    replace(word, start=offset + word.start, end=offset + word.end)
                    for word in (words[place] if words else ())
                ),
                logprobs=logprobs[place] if logprobs else (),
            )
            for place, one in enumerate(heard.slices)
        )
        segments = (*turn.known.done, *own)
        language = turn.language if segments else turn.window.options.language
        if heard.unread is None:
            return WindowResult(language, segments, language_probability=turn.known.probability)
        rest = Again(turn.language, turn.known.probability, segments, offset + heard.unread)
        return WindowResult(language, again=rest)

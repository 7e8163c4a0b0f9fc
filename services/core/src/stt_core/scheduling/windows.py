"""From the probability of speech to windows of at most 30 s, cut where nobody speaks. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE
from stt_core.audio.vad import FRAME
from stt_core.engine.protocol import NOTHING, Samples, Span, Stretch, VadOptions

LIMIT = 30 * SAMPLE_RATE
"""Samples of a window: what Whisper's encoder hears at once."""

HYSTERESIS = 0.15
"""So far below the threshold for speech a frame counts as silence, as Silero has it."""
SHORT = SAMPLE_RATE * 2
"""A pause shorter than this is kept whole: a word spoken softly may be in it."""
BEFORE = 2 * SAMPLE_RATE
AFTER = SAMPLE_RATE
"""What a window is told of the other side of a cut in the middle of speech."""
MIN_FRAMES = 3
"""Frames of speech that a span must have when no other is as near as SHORT. In 18 minutes of music the
detector took single ones for speech; the shortest word has more, and soft speech is in no single place."""


class Segmenter:
    """Spans of speech, in order, without overlap and of at most LIMIT samples, from a stream of frames."""

    def __init__(self, vad: VadOptions) -> None:
        self._speech = vad.threshold
        self._silence = vad.threshold - min(HYSTERESIS, vad.threshold / 2)
        self._enough = round(vad.silence * SAMPLE_RATE)  # a pause this long ends a span
        self._margin = round(vad.padding * SAMPLE_RATE)  # kept where a silence is left out
        self._short = max(SHORT, 2 * self._margin)  # or the margins of two spans would overlap
        self._longest = LIMIT - self._short - FRAME
        self._at = 0
        self._left = 0  # where the open span starts, margin included
        self._start: int | None = None  # where its speech starts
        self._pause: int | None = None  # where the pause that may end it starts
        self._heard: list[float] = []  # probabilities since _start
        self._near = False  # to the span before
        self._begun = True  # the open span, not cut off from the one before
        self._given = 0  # where the last cut was: what is before it has gone out
        self._closed: Stretch | None = None  # ended, but its right margin depends on what follows
        self._doubtful = False  # the closed one is dropped, unless another follows it soon

    @property
    def keep_from(self) -> int:
        """The first sample that a span still to come may hold, or be told of."""
        if self._closed is not None:
            first = self._closed.start
        else:
            first = self._left if self._start is not None else self._at - self._margin
        return max(0, first - BEFORE)

    def push(self, probabilities: Iterable[float]) -> Iterator[Stretch]:
        """One probability a frame."""
        for probability in probabilities:
            if self._start is None and probability >= self._speech:
                yield from self._open()
            if self._start is None:
                if self._closed is not None and self._at - self._closed.end >= self._short:
                    yield from self._leave(self._closed.end + self._margin)
            else:
                yield from self._follow(self._start, probability)
            self._at += FRAME

    def end(self, total: int) -> Iterator[Stretch]:
        """No more frames; the file has `total` samples."""
        if self._start is not None:
            self._close(self._start, total)
        if self._closed is not None:
            yield from self._leave(min(total, self._closed.end + self._margin))

    def _open(self) -> Iterator[Stretch]:
        self._left = max(self._given, self._at - self._margin)
        self._near = self._closed is not None and self._at - self._closed.end < self._short
        if self._closed is not None and self._near:
            self._left = self._at - (self._at - self._closed.end) // 2
            yield self._release(self._left)
        elif self._closed is not None:
            yield from self._leave(self._closed.end + self._margin)
        self._start, self._pause, self._heard, self._begun = self._at, None, [], True

    def _follow(self, start: int, probability: float) -> Iterator[Stretch]:
        self._heard.append(probability)
        if probability >= self._speech:
            self._pause = None
        elif probability < self._silence and self._pause is None:
            self._pause = self._at
        if self._pause is not None and self._at - self._pause >= self._enough:
            self._close(start, self._pause)
        elif self._at + FRAME - start > self._longest:
            yield self._cut(start)

    def _cut(self, start: int) -> Stretch:
        # Nobody paused for 30 s: cut where speech is least likely in the last third, but for AFTER.
        first = len(self._heard) * 2 // 3
        smooth = np.convolve(self._heard[first : -(-AFTER // -FRAME)], np.ones(3), mode="valid")
        frame = first + int(np.argmin(smooth)) + 1
        cut = start + frame * FRAME
        span = Stretch(self._left, cut, Span(start, cut), self._begun, ended=False)
        self._left = self._start = self._given = cut
        self._begun = False
        self._near = True
        self._heard = self._heard[frame:]
        self._pause = None if self._pause is None else max(self._pause, cut)
        return span

    def _close(self, start: int, end: int) -> None:
        if end <= self._left:  # cut inside a pause, behind which nobody spoke
            self._start = None
            return
        voiced = sum(probability >= self._speech for probability in self._heard)
        self._doubtful = voiced < MIN_FRAMES and not self._near
        self._closed, self._start = Stretch(self._left, end, Span(start, end), self._begun), None

    def _leave(self, end: int) -> Iterator[Stretch]:
        """The closed span, behind which nobody speaks for a while."""
        span = self._release(end)
        if not self._doubtful:
            yield span

    def _release(self, end: int) -> Stretch:
        assert self._closed is not None
        span, self._closed = replace(self._closed, end=end), None
        return span


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A window as it is cut: its samples, the spans that they came from, and what is around it."""

    samples: Samples
    spans: tuple[Stretch, ...]
    before: Samples
    after: Samples


def windows(
    blocks: Iterable[Samples], probabilities: Callable[[NDArray[np.float32]], list[float]], vad: VadOptions
) -> Iterator[Cut]:
    """Windows of speech, as soon as each is full.

    blocks: the whole file. probabilities: of speech, one for each whole frame it is given, in order.
    """
    segmenter, tape = Segmenter(vad), _Tape()
    packer = _Packer(tape)
    for block in blocks:
        tape.add(block)
        for span in segmenter.push(probabilities(tape.unheard())):
            yield from packer.add(span)
        tape.forget(segmenter.keep_from)
    total = tape.end
    for span in segmenter.push(probabilities(tape.rest())):
        yield from packer.add(replace(span, end=min(span.end, total)))
    for span in segmenter.end(total):
        yield from packer.add(span)
    yield from packer.end()


class _Packer:
    """Spans joined until the next one would not fit."""

    def __init__(self, tape: "_Tape") -> None:
        self._tape = tape
        self._spans: list[Stretch] = []
        self._samples: list[Samples] = []
        self._before = self._after = NOTHING

    def add(self, span: Stretch) -> Iterator[Cut]:
        if sum(held.length for held in self._spans) + span.length > LIMIT:
            yield from self.end()
        if not self._spans and not span.begun:
            self._before = self._tape.cut(Span(max(0, span.start - BEFORE), span.start)).copy()
        self._after = NOTHING if span.ended else self._tape.cut(Span(span.end, span.end + AFTER)).copy()
        self._spans.append(span)
        self._samples.append(self._tape.cut(span).copy())  # a view would keep the whole tape alive

    def end(self) -> Iterator[Cut]:
        if self._spans:
            yield Cut(np.concatenate(self._samples), tuple(self._spans), self._before, self._after)
        self._spans, self._samples = [], []
        self._before = self._after = NOTHING


class _Tape:
    """The last stretch of a file: what the detector has not heard yet, and what spans may still hold."""

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._start = 0
        self._heard = 0

    @property
    def end(self) -> int:
        return self._start + len(self._samples)

    def add(self, block: Samples) -> None:
        self._samples = np.concatenate([self._samples, block])

    def unheard(self) -> Samples:
        """The whole frames that the detector has not heard."""
        heard = self._heard
        self._heard += (self.end - heard) // FRAME * FRAME
        return self.cut(Span(heard, self._heard))

    def rest(self) -> Samples:
        """The last samples, filled up with silence to a whole frame."""
        rest = self.cut(Span(self._heard, self.end))
        return np.pad(rest, (0, -len(rest) % FRAME))

    def cut(self, span: Span) -> Samples:
        return self._samples[span.start - self._start : span.end - self._start]

    def forget(self, before: int) -> None:
        if before > self._start:
            self._samples = self._samples[before - self._start :].copy()
            self._start = before

"""What of a window a model hears, and where its tokens belong. Pure.

A window that was cut in the middle of speech is heard with what lies on the other side of the cut, and each word is
taken where it begins: by one of the two windows, whichever it is longer in. For that, both must find it at the same
time. So each span lies in what is heard as it lies in the file, on the grid of the model's frames: the frames of the
two windows are then made of the same samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.protocol import Samples, Stretch, Window
from stt_parakeet.words import Token

GRID = 1280
"""Samples of a frame of 80 ms: Parakeet's features are 10 ms apart, and its encoder takes eight together."""


@dataclass(frozen=True, slots=True)
class Part:
    """Where a span of the window is: from which sample on in what is heard, and in the window; how many it has."""

    heard: int
    window: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """samples: what the model hears. parts: what of it is the window's own, in order."""

    samples: Samples
    parts: tuple[Part, ...]

    def own(self, words: list[list[Token]]) -> list[list[Token]]:
        """The words that begin in the window, with their times in it."""
        return [list(self._moved(word, part)) for word in words if (part := self._of(word[0]))]

    def _of(self, token: Token) -> Part | None:
        at = round(token.start * SAMPLE_RATE)
        return next((part for part in self.parts if part.heard <= at < part.heard + part.length), None)

    def _moved(self, word: list[Token], part: Part) -> Iterator[Token]:
        offset = (part.window - part.heard) / SAMPLE_RATE
        end = (part.window + part.length) / SAMPLE_RATE
        for token in word:
            yield Token(token.text, min(token.start + offset, end), token.logprob)


def feed(window: Window, *, timed: bool = True) -> Feed:
    """As it is, where it begins and ends in pauses; else with its surroundings, on the file's grid.

    timed: what is heard of the surroundings can be told from the rest by its time.
    """
    spans = window.spans
    first, last = spans[0], spans[-1]
    cut = (isinstance(first, Stretch) and not first.begun) or (isinstance(last, Stretch) and not last.ended)
    if not cut or not timed:
        return Feed(window.samples, (Part(0, 0, len(window.samples)),))
    # From the first frame of the file's grid that lies in what is before the window, if anything does.
    before = max(0, len(window.before) - (-(first.start - len(window.before)) % GRID))
    pieces: list[Samples] = [window.before[len(window.before) - before :]]
    length, at, parts = before, 0, []
    for span in spans:
        gap = (span.start - length) % GRID
        pieces += [np.zeros(gap, np.float32), window.samples[at : at + span.length]]
        parts.append(Part(length + gap, at, span.length))
        length += gap + span.length
        at += span.length
    pieces.append(window.after)
    return Feed(np.concatenate(pieces), tuple(parts))

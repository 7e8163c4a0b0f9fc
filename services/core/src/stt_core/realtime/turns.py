"""From the probability of speech to turns: when somebody begins to speak, pauses, and has ended. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stt_core.audio import SAMPLE_RATE
from stt_core.audio.vad import FRAME
from stt_core.scheduling.windows import HYSTERESIS

MIN_FRAMES = 3
"""Frames of speech within a second, and none of silence between, that begin a turn: a click has fewer."""
PAUSE = SAMPLE_RATE * 192 // 1000
"""A silence that may be the end. What was said is worth decoding now: mostly it is all."""
LONG = SAMPLE_RATE * 10
"""From this length on, a part of a turn ends at its next pause: its text need not wait for the end."""
LONGEST = SAMPLE_RATE * 28
"""A part in which nobody pauses is cut before it is longer than Whisper hears at once."""


@dataclass(frozen=True, slots=True)
class Rules:
    """threshold: the probability at which speech begins. prefix: samples before it that belong to the turn.
    silence: samples without speech that end it."""

    threshold: float = 0.5
    prefix: int = SAMPLE_RATE * 300 // 1000
    silence: int = SAMPLE_RATE * 500 // 1000


@dataclass(frozen=True, slots=True)
class Began:
    """A turn, and its first part, at this sample."""

    at: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Perhaps the end of the turn. It ends here if no `Resumed` comes before `Ended`."""

    at: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """It was not the end."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A part ends at this sample, and the next one begins, whatever follows."""

    at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over at this sample. `Paused` or `Settled` came after all that was said in it."""

    at: int


Mark = Began | Paused | Resumed | Settled | Ended


class Turns:
    """Marks from a stream of probabilities, one for each FRAME of samples from `at` on."""

    def __init__(self, rules: Rules, at: int) -> None:
        self.rules = rules
        self._at = at  # the end of the last frame
        self._floor = at  # the end of the last turn
        self._part: int | None = None  # where the part begins; None while nobody speaks
        self._maybe: list[float] = []  # probabilities since the first that may begin a turn
        self._quiet: int | None = None  # where the silence began
        self._paused = False
        self._heard: list[float] = []  # probabilities in this part

    @property
    def keep_from(self) -> int:
        """The first sample that a turn, or the open part of one, may hold."""
        if self._part is not None:
            return self._part
        return max(self._floor, self._at - len(self._maybe) * FRAME - self.rules.prefix)

    def reset(self) -> None:
        """The turn was taken away; who goes on speaking begins another."""
        self._floor, self._part, self._maybe = self._at, None, []

    def push(self, probabilities: Iterable[float]) -> Iterator[Mark]:
        for probability in probabilities:
            self._at += FRAME
            if self._part is not None:
                yield from self._follow(self._part, probability)
            elif self._begins(probability):
                start = self.keep_from
                self._part, self._heard, self._maybe = start, self._maybe, []
                self._quiet, self._paused = None, False
                yield Began(start)

    def _begins(self, probability: float) -> bool:
        if self._silent(probability) or len(self._maybe) * FRAME >= SAMPLE_RATE:
            self._maybe = []
        if not self._maybe and probability < self.rules.threshold:
            return False
        self._maybe.append(probability)
        return sum(one >= self.rules.threshold for one in self._maybe) >= MIN_FRAMES

    def _silent(self, probability: float) -> bool:
        return probability < self.rules.threshold - min(HYSTERESIS, self.rules.threshold / 2)

    def _follow(self, part: int, probability: float) -> Iterator[Mark]:
        self._heard.append(probability)
        if probability >= self.rules.threshold:
            if self._paused:
                yield Resumed()
            self._quiet, self._paused = None, False
        elif self._quiet is None and self._silent(probability):
            self._quiet = self._at - FRAME
        silence = 0 if self._quiet is None else self._at - self._quiet
        if silence >= min(PAUSE, self.rules.silence) and self._quiet is not None and not self._paused:
            self._paused = True
            yield self._settle(self._at) if self._at - part >= LONG else Paused(self._at)
        if silence >= self.rules.silence and self._quiet is not None:
            self.reset()
            yield Ended(self._at)
        elif self._at - part >= LONGEST:
            yield self._settle(self._weakest())

    def _settle(self, at: int) -> Settled:
        self._part = at
        self._heard = self._heard[len(self._heard) - (self._at - at) // FRAME :]
        return Settled(at)

    def _weakest(self) -> int:
        """Where in the last third of the part speech is least likely."""
        first = len(self._heard) * 2 // 3
        smooth = np.convolve(self._heard[first:], np.ones(3), mode="valid")
        return self._at - (len(self._heard) - first - int(np.argmin(smooth)) - 1) * FRAME

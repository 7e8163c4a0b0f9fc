"""What a diarizer is, and the values that pass between it and the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_core.engine.protocol import Samples
from stt_speakers.sound import Sound

Embedding = NDArray[np.float32]
"""One voice: shape (dimension,), of length 1."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A speaker turn, in seconds. Speakers are numbered from 0, in the order in which they first speak."""

    start: float
    end: float
    speaker: int


@dataclass(frozen=True, slots=True, eq=False)
class Diarization:
    """Who spoke when, in order of the turns' starts.

    turns: all that was said; they overlap where people did.
    exclusive: one speaker at a time, for subtitles and words.
    voices: of each speaker; None where too little was said alone to tell.
    """

    turns: tuple[Turn, ...]
    exclusive: tuple[Turn, ...]
    voices: tuple[Embedding | None, ...]


class Diarizer(Protocol):
    """Tells speakers apart. Any thread may call it, one at a time."""

    @property
    def name(self) -> str:
        """As /status says it: `open`, or the name of a model."""

    def load(self) -> None:
        """Read the weights; nothing where they are in memory. Raises DiarizationUnavailable."""

    def diarize(
        self,
        sound: Sound,
        min_speakers: int | None,
        max_speakers: int | None,
        progress: Callable[[float], None],
    ) -> Diarization:
        """min_speakers, max_speakers: bounds. progress: called with the share that is done.

        What `progress` raises ends the work.
        """

    def voice(self, samples: Samples) -> Embedding | None:
        """Of a clip with one speaker; None where there is too little speech in it."""


class DiarizationUnavailable(Exception):
    """Diarization is unavailable; the message is a sentence that says why and what to do."""

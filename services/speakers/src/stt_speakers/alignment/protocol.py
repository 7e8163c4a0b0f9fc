"""What an aligner is."""

from collections.abc import Callable, Sequence
from typing import Protocol

from stt_core.engine.protocol import Segment
from stt_speakers.sound import Sound


class Aligner(Protocol):
    """Finds the times of words. Any thread may call it, one at a time."""

    @property
    def name(self) -> str:
        """As /status says it: `wav2vec2`, `pocketsphinx` or `attention`."""

    def align(
        self, sound: Sound, segments: Sequence[Segment], progress: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        """The segments with their words timed anew, and their own start and end by them.

        Every segment has words already, by Whisper's cross-attention: their text and number stay, and a word
        that cannot be found in the sound keeps its place between its neighbours. Words are in order and
        do not overlap. progress: told of the share that is done; what it raises ends the work.
        """


class AlignmentUnavailable(Exception):
    """A language's aligner cannot be had; the message is a sentence that says why and what to do."""

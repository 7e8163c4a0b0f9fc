"""How much of its 30 s Whisper's encoder is given. Pure."""

import math

from stt_core.audio import SAMPLE_RATE

FRAMES_PER_SECOND = 100
FULL = 3000
"""Frames of a window of 30 s, on which Whisper was trained."""
PADDING = 4.0
"""Seconds of silence after the audio. With 8, base hears what it hears in 30 s; with 4, it says two phrases
of eighty over and over, which `Decoding.echoes` tells; with 2 it is nine, with 1 nineteen. Other words change
no more than by chance (bench.speech.trimming)."""


def frames(samples: int, padding: float = PADDING) -> int:
    """Frames that the encoder is given for a window of so many samples, silence after it included."""
    seconds = samples / SAMPLE_RATE + padding
    return min(FULL, 2 * math.ceil(seconds * FRAMES_PER_SECOND / 2))  # the encoder halves them


def long(samples: int) -> bool:
    """Short windows share no forward with long ones: all of a forward are encoded at one length.

    Of two neighbours in a file at least one is long: together they did not fit into one window.
    """
    return samples > FULL / FRAMES_PER_SECOND * SAMPLE_RATE / 2

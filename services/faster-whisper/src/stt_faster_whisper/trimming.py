"""How much of its 30 s Whisper's encoder is given. Pure."""

import math

from stt_core.audio import SAMPLE_RATE

FRAMES_PER_SECOND = 100
FULL = 3000
"""Frames of a window of 30 s, on which Whisper was trained."""
PADDING = 4.0
"""Seconds of silence after the audio. Of eighty phrases of a second or more, in five languages, base says
none over and over with 8, as with 30 s; two with 4, eight with 2, seventeen with 1. `Decoding.echoes` tells
them all, and they are encoded in full; the word error rate is then the same (bench.speech.trimming)."""
WORTH = 2500
"""Frames from which on all are taken: little would be saved, and speech may really say a thing twice."""


def frames(samples: int, padding: float = PADDING) -> int:
    """Frames that the encoder is given for a window of so many samples, silence after it included."""
    seconds = samples / SAMPLE_RATE + padding
    needed = 2 * math.ceil(seconds * FRAMES_PER_SECOND / 2)  # the encoder halves them
    return needed if needed < WORTH else FULL


def long(samples: int) -> bool:
    """Short windows share no forward with long ones: all of a forward are encoded at one length.

    Of two neighbours in a file at least one is long: together they did not fit into one window.
    """
    return samples > FULL / FRAMES_PER_SECOND * SAMPLE_RATE / 2

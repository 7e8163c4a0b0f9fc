"""How much of its 30 s Whisper's encoder is given. Pure."""

import math

from stt_core.audio import SAMPLE_RATE

FRAMES_PER_SECOND = 100
FULL = 3000
"""Frames of a window of 30 s, on which Whisper was trained."""
PADDING = 4.0
"""Seconds of silence after the audio at least. With less Whisper says short phrases over and over;
`Decoding.loops` tells them, and they are encoded in full."""
LENGTHS = (800, 1200, 1600, 2000, 2400, FULL)
"""Frames that an encoding may have. Each window has one by its own length alone, so it is heard the same
whatever runs beside it, and windows of like lengths still share a forward.

Of the 255 words of 40 phrases in five languages 6 are not as in 30 s, and no phrase is said twice; with each
window trimmed to its own frames it was 8, and four phrases. The same phrases in 30 s, begun 8 ms earlier,
differ in 11: trimming costs no more than chance. An encoding of 8 s takes a ninth of one of 30 s."""


def frames(samples: int, padding: float = PADDING) -> int:
    """Frames that the encoder is given for a window of so many samples, silence after it included."""
    needed = math.ceil((samples / SAMPLE_RATE + padding) * FRAMES_PER_SECOND)
    return next((length for length in LENGTHS if length >= needed), FULL)

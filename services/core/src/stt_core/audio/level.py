"""How loud speech is, and what makes quiet speech as loud as it is usually recorded. Pure."""

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE

FRAME = 512
"""Samples of which one loudness is taken: 32 ms at 16 kHz."""
AUDIBLE = 10 ** (-30 / 20)
"""Speech whose loudest frame has this root mean square is heard as it is. Of six prompts in three languages
and a recording, Silero loses next to nothing 20 dB below their usual level, some from 40 dB on, and all at
60; Whisper base's words change from about 40 dB on."""
USUAL = 10 ** (-20 / 20)
"""What quiet speech is raised to for the model that writes it down."""
MOST = 10 ** (70 / 20)
"""Silence is not raised for ever: what is 100 dB below full scale is no speech."""
FALL = 3.0
"""Decibels by which the loudest frame fades each second, so that whoever speaks softly after a loud voice is
heard after some seconds, and a pause between two sentences raises nothing."""


class Level:
    """A running measure of a stream: the loudest frame so far, faded by FALL. It looks at nothing to come."""

    def __init__(self) -> None:
        self._loudest = -np.inf  # decibels

    def gains(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to multiply each frame with, at least 1; frames of shape (frames, FRAME)."""
        fade = FALL * FRAME / SAMPLE_RATE * np.arange(1, len(frames) + 1)
        own = 20 * np.log10(np.maximum(loudness(frames), 1e-9)) + fade
        running = np.maximum(np.maximum.accumulate(own), self._loudest) - fade
        self._loudest = float(running[-1])
        gains: NDArray[np.float32] = np.clip(AUDIBLE / 10 ** (running / 20), 1.0, MOST).astype(np.float32)
        return gains


def loudness(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each frame, without what does not swing: its standard deviation."""
    found: NDArray[np.float64] = frames.std(axis=1, dtype=np.float64)
    return found


def raised(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quiet samples, shape (samples,), made as loud as speech usually is; all others as they are."""
    whole = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loudest = float(loudness(whole).max()) if len(whole) else 0.0
    if not 0.0 < loudest < AUDIBLE:
        return samples
    louder: NDArray[np.float32] = np.clip(samples * np.float32(min(MOST, USUAL / loudest)), -1.0, 1.0)
    return louder

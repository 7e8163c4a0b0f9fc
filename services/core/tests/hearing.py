"""Tones to make recordings of, and what is heard of them afterwards."""

import io

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import AudioFile
from stt_testing import sounds

FRAME = 320
"""Samples that are looked at together: 20 ms, and 50 Hz."""


def tone(pitch: int, seconds: float) -> NDArray[np.int16]:
    time = np.arange(round(seconds * sounds.RATE)) / sounds.RATE
    return (9_000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16)


def heard(file: bytes, *, track: int | None = None, channel: int | None = None) -> NDArray[np.float32]:
    return np.concatenate(list(AudioFile(io.BytesIO(file), track=track, channel=channel).blocks()))


def seconds(samples: NDArray[np.float32]) -> float:
    return len(samples) / sounds.RATE


def spans(samples: NDArray[np.float32], pitch: int) -> list[tuple[float, float]]:
    """From when to when a tone is the loudest that is heard, in seconds."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1))
    there = (np.abs(levels.argmax(1) - pitch * FRAME / sounds.RATE) <= 1) & (levels.max(1) > 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [
        (float(first) * FRAME / sounds.RATE, float(last) * FRAME / sounds.RATE)
        for first, last in edges.reshape(-1, 2)
        if last - first >= 3
    ]

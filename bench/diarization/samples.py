"""The samples of a wav file, as the bench writes them."""

import wave

import numpy as np
from numpy.typing import NDArray

HEAD = 44
"""Bytes before the samples, in a file of Python's wave module."""


def mapped(path: str) -> NDArray[np.int16]:
    """16 kHz mono, of shape (samples,), left on disk until it is read."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2), path
        count = file.getnframes()
    return np.memmap(path, np.int16, "r", HEAD, (count,))

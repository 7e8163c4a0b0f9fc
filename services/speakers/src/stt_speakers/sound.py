"""A whole file's samples: on disk, so that hours of audio take no memory.

As they were decoded: 16 bit would leave a step or three of what lies at -80 dBFS.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine.protocol import Samples


class Sound:
    """Float32 mono at 16 kHz, read where it is wanted."""

    def __init__(self, samples: np.ndarray) -> None:
        """samples: shape (samples,), int16 or float32; it may be mapped from a file."""
        self._samples = samples

    @property
    def length(self) -> int:
        """In samples."""
        return len(self._samples)

    @property
    def duration(self) -> float:
        return self.length / SAMPLE_RATE

    def between(self, first: int, last: int) -> Samples:
        """The samples [first, last); fewer where the file begins or ends within them."""
        part = self._samples[max(0, first) : max(0, last)]
        return part.astype(np.float32) / np.float32(32768) if part.dtype == np.int16 else np.asarray(part)


@contextmanager
def decoded(audio: AudioSource) -> Iterator[Sound]:
    """The sound of a source, in a temporary file while it is needed. Raises AudioError."""
    with tempfile.TemporaryFile() as file:
        for block in audio.blocks():
            file.write(block.astype(np.float32, copy=False).tobytes())
        file.flush()
        yield Sound(np.memmap(file, np.float32, "r") if file.tell() else np.zeros(0, np.float32))

"""What one file may take of time and memory. A few bytes can ask for gigabytes or hours."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from stt_core.errors import AudioError

LONGEST_SECONDS = 24 * 3600
"""A few megabytes of compressed silence can unfold to weeks."""
RATES = range(1_000, 768_001)
"""Sample rates. One second at 1 Hz would unfold to 16,000 samples, and at 400 MHz a filter takes 2 GB."""
CHANNELS = 64
"""libswresample's own limit (SWR_CH_MAX)."""
PACKET_BYTES = 16_000_000
"""Of sound; a second of 24 bit, 192 kHz and eight channels is a third of it."""
PIECE_BYTES = 40_000_000
"""What FFmpeg may read into memory at once; it asks for more only to hold a picture, or a packet, whole."""
TRACKS = 100
"""Tracks, pictures and attachments that are looked at; each costs memory even where nobody hears it."""
PATIENCE = 60.0
PACE = 0.1
"""Decoding may take PATIENCE, and PACE times what it gave, in seconds of processor time. Usual is 0.002."""


class Effort:
    """The processor time that one file takes; whoever waits for its audio is not its fault."""

    def __init__(self) -> None:
        self._began = time.thread_time()
        self._given = 0.0

    def check(self) -> None:
        """Raises AudioError when the file has had more than its share."""
        if time.thread_time() - self._began > PATIENCE + PACE * self._given:
            raise AudioError("Decoding the file takes too long. It may be damaged.")

    @contextmanager
    def resting(self, given: float) -> Iterator[None]:
        """Others work with what came; `given` are the seconds of audio so far."""
        self._given = given
        left = time.thread_time()
        yield
        self._began += time.thread_time() - left


class Reader:
    """The file as FFmpeg sees it: bytes that come to an end when the effort does."""

    def __init__(self, file: IO[bytes], effort: Effort, start: int = 0) -> None:
        """start: where in the file it begins, in bytes."""
        self._effort = effort
        self._file = file
        self.start = start

    def read(self, size: int) -> bytes:
        self._effort.check()
        if size > PIECE_BYTES:
            raise AudioError("The file holds a picture or another part that is too large.")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset if whence else offset + self.start, whence) - self.start

    def tell(self) -> int:
        return self._file.tell() - self.start

"""How long a file is by its head, for whoever must know before it is decoded; and how long it may be."""

import os
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import tracks
from stt_core.audio.bounds import LONGEST_SECONDS, Effort, Reader
from stt_core.audio.source import AudioSource
from stt_core.errors import AudioError

RATE = 16_000
"""Bytes a second where the head does not say: 128 kbit/s, as MP3 usually has."""
MICROSECONDS = 1_000_000
QUICK = {"probesize": "2048"}
"""A wav file's head says it all: FFmpeg need not decode what follows, which takes six times as long."""


def declared(file: IO[bytes]) -> float:
    """Seconds, as far as can be told without decoding. Raises AudioError for what is no sound."""
    file.seek(0, os.SEEK_END)
    size = file.tell()
    if size == 0:
        raise AudioError("The file is empty.")
    file.seek(0)
    head = file.read(12)
    quick = QUICK if head[:4] == b"RIFF" and head[8:] == b"WAVE" else {}
    file.seek(0)
    with tracks.opened(Reader(file, Effort()), **quick) as container:
        length = (container.duration or 0) / MICROSECONDS
    file.seek(0)
    return min(LONGEST_SECONDS, length if length > 0 else size / RATE)


def check(seconds: float, longest: int) -> None:
    """Raises AudioError for a recording of more than `longest` seconds; 0 allows any."""
    if longest and seconds > longest:
        raise AudioError(f"Audio too long: {_minutes(seconds)} minutes. Maximum allowed: {_minutes(longest)} minutes.")


def bounded(source: AudioSource, longest: int) -> Iterator[NDArray[np.float32]]:
    """Its blocks. Raises AudioError as soon as there are more than `longest` seconds; 0 allows any."""
    for block in source.blocks():
        check(source.duration, longest)
        yield block


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}".removesuffix(".0")

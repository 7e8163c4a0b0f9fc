"""Audio as the rest of the service sees it: blocks of samples, from the start of a file to its end."""

from collections.abc import Iterable, Iterator
from typing import IO, Protocol

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from stt_core.audio import decoding
from stt_core.audio.bounds import LONGEST_SECONDS, Effort
from stt_core.audio.mixing import Everything, Mix, Mono, Single
from stt_core.audio.resampling import SAMPLE_RATE, Resampler, Shape, shape
from stt_core.errors import AudioError

BLOCK_SECONDS = 4
BLOCK = BLOCK_SECONDS * SAMPLE_RATE
RAMP = SAMPLE_RATE // 100
"""Samples over which a change of level takes place."""


class AudioSource(Protocol):
    """Audio from its start to its end, once or more often; whoever made it closes it.

    duration: seconds that `blocks` has given so far.
    """

    @property
    def duration(self) -> float: ...

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Blocks of shape (samples,), float32 mono 16 kHz in [-1, 1]."""

    def close(self) -> None: ...


class AudioFile:
    """One uploaded file."""

    def __init__(self, file: IO[bytes], *, track: int | None = None, channel: int | None = None) -> None:
        """track: the one to be heard, counted from 1; None for the one that FFmpeg would choose.

        channel: the only one to be heard, counted from 0; None for all of them, mixed.
        """
        self._file = file
        self._track = track
        self._channel = channel
        self._duration = 0.0
        self._gaps = 0.0  # seconds of it that the file only left out

    @property
    def duration(self) -> float:
        return self._duration

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The file from its start as blocks of shape (samples,), float32 mono 16 kHz in [-1, 1].

        What is silent by the container's clock is, and a file that breaks off gives what could be decoded.
        Raises AudioError when nothing could be.
        """
        self._file.seek(0, 2)
        if self._file.tell() == 0:
            raise AudioError("The file is empty.")
        self._file.seek(0)
        total, self._gaps = 0, 0.0
        effort = Effort()
        for block in _within(_blocks(self._samples(effort))):
            total += len(block)
            self._duration = total / SAMPLE_RATE
            if self._duration > LONGEST_SECONDS:
                raise AudioError(f"The audio is longer than {LONGEST_SECONDS // 3600} hours; send it in parts.")
            with effort.resting(self._duration - self._gaps):
                yield block
        if total == 0:
            raise AudioError("The file holds no sound that can be decoded.")

    def close(self) -> None:
        self._file.close()

    def _samples(self, effort: Effort) -> Iterator[Mono]:
        part: _Part | None = None
        for number, (silence, frame) in enumerate(decoding.frames(self._file, self._track, effort)):
            if number == 0:
                self._check(frame.layout.nb_channels)
            if part is not None and (silence or part.shape != shape(frame)):
                yield from part.end()
                part = None
            self._gaps += silence
            yield from _silence(silence)
            if part is None:
                part = _Part(frame, self._channel)
            yield from part.add(frame)
        if part is not None:
            yield from part.end()

    def _check(self, count: int) -> None:
        if self._channel is not None and self._channel >= count:
            raise AudioError(f"The file's sound has no channel {self._channel + 1}: it has {count}.")


class RawPcm(AudioFile):
    """An upload of nothing but samples: 16 bit, little endian, mono, 16 kHz."""

    def _samples(self, effort: Effort) -> Iterator[Mono]:
        while data := self._file.read(2 * BLOCK):
            yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)


def channels(file: IO[bytes], track: int | None = None) -> int:
    """How many channels a track has: 1 for mono, 2 for stereo. Raises AudioError as its `blocks` would."""
    for _, frame in decoding.frames(file, track, Effort()):
        return frame.layout.nb_channels
    raise AudioError("The file holds no sound that can be decoded.")


class _Part:
    """Frames of one shape without a gap, on their way to be one channel."""

    def __init__(self, frame: AudioFrame, channel: int | None) -> None:
        self.shape: Shape = shape(frame)
        self._resampler = Resampler(frame)
        self._mix: Mix = Single(channel) if channel is not None else Everything(_names(frame))

    def add(self, frame: AudioFrame) -> Iterator[Mono]:
        yield from map(self._mix.add, self._resampler.push(frame))

    def end(self) -> Iterator[Mono]:
        yield from map(self._mix.add, self._resampler.end())
        yield self._mix.end()


def _names(frame: AudioFrame) -> list[str]:
    return [channel.name for channel in frame.layout.channels]


def _silence(seconds: float) -> Iterator[Mono]:
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        yield np.zeros(min(left, BLOCK), np.float32)
        left -= BLOCK


def _blocks(pieces: Iterable[Mono]) -> Iterator[Mono]:
    waiting: list[Mono] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= BLOCK:
            yield np.concatenate(waiting)
            waiting, length = [], 0
    if length:
        yield np.concatenate(waiting)


def _within(blocks: Iterable[Mono]) -> Iterator[Mono]:
    """Blocks in [-1, 1]: what is louder, as a recorder of floats may write it, is turned down as a whole."""
    gain = 1.0
    for block in blocks:
        peak = float(np.abs(block).max(initial=0.0))
        before, gain = gain, min(1.0, 1 / max(peak, 1e-9), 2 * gain)
        if before < 1 or gain < 1:
            gains = np.full(len(block), gain, np.float32)
            gains[:RAMP] = np.linspace(before, gain, RAMP, dtype=np.float32)[: len(block)]
            block = np.clip(block * gains, -1, 1)
        yield block

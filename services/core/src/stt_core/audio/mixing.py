"""One channel of all, in which nobody is lost.

Added up, channels in opposite phase cancel: a stereo file whose one side is inverted, as a wrong cable makes
it, would be silence. And what a layout calls the low-frequency channel, a mix leaves out, though a recorder
with three microphones may call its third so. Where the mix is far quieter than its channels are, their
difference is added to it, shifted by 90 degrees: then both are heard, what is in phase and what is not. As
the mix itself goes on unchanged beside that, there is no seam. A file without such places is mixed as ever.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_core.audio.resampling import SAMPLE_RATE, Channels

Mono = NDArray[np.float32]

SIDES = {"FC": 1.0, "FL": 0.5**0.5, "FR": 0.5**0.5, "DL": 0.5**0.5, "DR": 0.5**0.5, "LFE": 0.0, "LFE2": 0.0}
"""How loud a channel is in a mix, by its name; ITU-R BS.775, as libswresample has it."""
AROUND = 0.5
"""The same of every other channel."""
UNNAMED = 1.0
"""The same of a channel that has no place: all are heard alike."""

FRAME = SAMPLE_RATE // 40
"""Samples that are judged together: 25 ms, shorter than a sound of speech."""
STRIDE = 5
"""Every so many samples are looked at once; energies need no more."""
LOST = 0.25
"""The mix's energy where it counts as lost, by what it is when no channel knows of the other."""
RUN = 3
"""Frames in a row that must be lost: one alone may be chance."""
FLOOR = 1e-11
"""Energy of a sample below which there is nothing to be lost: -110 dBFS."""
BEFORE = 10
AFTER = 400
"""Frames around a lost one in which the difference is heard, too: a quarter second before, ten after."""
HALF = 127
"""Samples by which the phase shift looks back and ahead."""


def _shift() -> NDArray[np.float32]:
    """A Hilbert transform's filter, -90 degrees from some 100 Hz on; of shape (2 HALF + 1,)."""
    at = np.arange(-HALF, HALF + 1)
    odd = at % 2 != 0
    ideal = np.where(odd, 2 / (np.pi * np.where(odd, at, 1)), 0.0)
    return (ideal * np.hamming(2 * HALF + 1)).astype(np.float32)


SHIFT = _shift()


class Mix(Protocol):
    """Takes a sound piece by piece, gives it as one channel, in which nothing is moved."""

    def add(self, piece: Channels) -> Mono: ...

    def end(self) -> Mono: ...


class Single:
    """One channel alone. Where a later part of the file has fewer, it is silent."""

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def add(self, piece: Channels) -> Mono:
        if self._channel >= piece.shape[1]:
            return np.zeros(len(piece), np.float32)
        return piece[:, self._channel]

    def end(self) -> Mono:
        return np.zeros(0, np.float32)


def weights(names: Sequence[str]) -> NDArray[np.float32]:
    """What each channel counts in a mix, by its name; together 1."""
    if names[0].startswith("AMBI"):
        # The first is what an omnidirectional microphone hears, the others are differences.
        found = [float(name == "AMBI0" or not name.startswith("AMBI")) for name in names]
    else:
        found = [UNNAMED if name == "NONE" else SIDES.get(name, AROUND) for name in names]
    if not any(found):
        found = [UNNAMED] * len(names)
    return np.array(found, np.float32) / np.float32(sum(found))


class Everything:
    """All channels together."""

    def __init__(self, names: Sequence[str]) -> None:
        """names: of the channels, as FFmpeg has them: FL, FC, LFE, or NONE."""
        self._weights = weights(names)
        heard = np.array([not name.startswith("AMBI") or name == "AMBI0" for name in names], np.float32)
        left_out = self._weights == 0
        self._expected: NDArray[np.float32] = self._weights + left_out * heard / np.float32(len(names))
        self._difference = self._expected * np.where(left_out, np.float32(1), _spread(len(names)))
        # A frame that is given already, as the phase shift looks back, and those that wait for what follows.
        self._held = np.zeros((FRAME, len(names)), np.float32)
        self._first = 0  # the number of the frame that `held` begins with
        self._lately = np.array([-AFTER])
        """For each frame of `held` that is judged, the last lost one up to it."""
        self._quiet = np.zeros(RUN - 1, bool)  # the last frames: whether they were
        self._gain = 0.0  # of the difference, at the end of what was given

    def add(self, piece: Channels) -> Mono:
        if len(self._weights) == 1:
            return piece[:, 0]
        self._held = np.concatenate([self._held, piece])
        self._judge()
        frames = len(self._lately) - 1 - BEFORE
        if frames < 1:
            return np.zeros(0, np.float32)
        mixed: Mono = self._held[FRAME : (1 + frames) * FRAME] @ self._weights
        gains = self._gains(frames)
        if gains.any():
            around = self._held[FRAME - HALF : (1 + frames) * FRAME + HALF] @ self._difference
            mixed += gains * _shifted(around)
        self._held = self._held[frames * FRAME :]
        self._lately = self._lately[frames:]
        self._first += frames
        return mixed

    def end(self) -> Mono:
        left = len(self._held) - FRAME
        if len(self._weights) == 1 or left == 0:
            return np.zeros(0, np.float32)
        return self.add(np.zeros((-left % FRAME + BEFORE * FRAME, len(self._weights)), np.float32))[:left]

    def _judge(self) -> None:
        """Which of the frames that are whole now are lost."""
        start, whole = len(self._lately), len(self._held) // FRAME
        seen = self._held[start * FRAME : whole * FRAME].reshape(-1, STRIDE, self._held.shape[1])
        # A filter around 4 kHz, 17 dB less at 1 and 72 at 40 Hz: neither an offset nor a rumble is speech.
        bent = seen[:, 0] - 2 * seen[:, 2] + seen[:, 4]
        energy = _means(np.square(bent @ self._weights))
        expected = _means(np.square(bent) @ np.square(self._expected))
        quiet = np.concatenate([self._quiet, (energy < LOST * expected) & (expected > FLOOR)])
        lost = np.all([quiet[late : late + whole - start] for late in range(RUN)], axis=0)
        numbers = np.where(lost, np.arange(self._first + start, self._first + whole), self._lately[-1])
        self._lately = np.concatenate([self._lately, np.maximum.accumulate(numbers)])
        self._quiet = quiet[whole - start :]

    def _gains(self, frames: int) -> NDArray[np.float32]:
        """Of the difference, for each sample of the next frames."""
        numbers = np.arange(self._first + 1, self._first + 1 + frames)
        on = (self._lately[1 + BEFORE : 1 + BEFORE + frames] > numbers - AFTER).astype(np.float32)
        before = np.concatenate([[np.float32(self._gain)], on[:-1]])
        self._gain = float(on[-1])
        ramp = np.arange(1, FRAME + 1, dtype=np.float32) / FRAME
        gains: NDArray[np.float32] = (before[:, None] + (on - before)[:, None] * ramp).reshape(-1)
        return gains


def _means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each frame."""
    found: NDArray[np.float32] = values.reshape(-1, FRAME // STRIDE).mean(1)
    return found


def _spread(count: int) -> NDArray[np.float32]:
    """A factor from 1 to -1 for each channel, no two alike: neighbours, which often are a pair, far apart."""
    order = np.argsort(np.argsort(np.arange(count) % 2, kind="stable"))
    factors: NDArray[np.float32] = (1 - 2 * order / max(1, count - 1)).astype(np.float32)
    return factors


def _shifted(values: Mono) -> Mono:
    """By 90 degrees; HALF samples at both ends are only looked at."""
    size = len(values) + 2 * HALF
    found = np.fft.irfft(np.fft.rfft(values, size) * np.fft.rfft(SHIFT, size), size)
    return found[2 * HALF : len(values)].astype(np.float32)

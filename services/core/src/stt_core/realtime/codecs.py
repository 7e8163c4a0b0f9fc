"""The audio formats of OpenAI's Realtime API, as a stream: bytes in pieces of any length to 16 kHz."""

from collections.abc import Iterator
from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE

Pcm16 = NDArray[np.int16]

Encoding = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
RATES: dict[Encoding, int] = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""Samples a second: PCM is 16 bit, little-endian; G.711 has a byte for each sample."""

PIECE = 4 * 48_000
"""Bytes that are decoded at once."""


class Decoder:
    """One stream. How it is cut into pieces does not change what comes out."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._half = b""  # the first byte of a sample whose second is still to come
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def decode(self, data: bytes) -> Iterator[Pcm16]:
        """16 bit samples of shape (samples,) at 16 kHz, a few seconds at a time.

        The resampler keeps the last millisecond to itself until more comes.
        """
        for start in range(0, len(data), PIECE):
            samples = self._samples(data[start : start + PIECE])
            if len(samples):
                yield self._resampled(samples)

    def _samples(self, data: bytes) -> Pcm16:
        if self._encoding != "audio/pcm":
            table = ULAW if self._encoding == "audio/pcmu" else ALAW
            return table[np.frombuffer(data, np.uint8)]
        data = self._half + data
        whole = len(data) // 2 * 2
        self._half = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.int16, copy=False)

    def _resampled(self, samples: Pcm16) -> Pcm16:
        frame: AudioFrame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATES[self._encoding]
        parts = [out.to_ndarray().reshape(-1) for out in self._resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)


def _ulaw() -> Pcm16:
    """ITU-T G.711, table 2: sign, three bits of exponent, four of mantissa, all inverted; 14 bits wide."""
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    size = ((2 * mantissa + 33 << exponent) - 33) << 2
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _alaw() -> Pcm16:
    """ITU-T G.711, table 1: the even bits are inverted; 13 bits wide."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    size = np.where(exponent == 0, 2 * mantissa + 1, 2 * mantissa + 33 << np.maximum(exponent - 1, 0)) << 3
    return np.where(code & 0x80, size, -size).astype(np.int16)


ULAW = _ulaw()
ALAW = _alaw()

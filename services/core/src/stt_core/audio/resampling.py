"""Frames of any rate, format and number of channels as float samples at 16 kHz."""

from collections.abc import Iterator

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from stt_core.audio.bounds import CHANNELS
from stt_core.errors import AudioError

SAMPLE_RATE = 16_000

Channels = NDArray[np.float32]
"""Of shape (samples, channels), at SAMPLE_RATE."""
Shape = tuple[str, str, int]
"""What a resampler is made for: sample format, channel layout and rate."""

LOUDEST = 1e15
"""The most that a sample may be; beyond, sums and products of float32 are no numbers."""
PIECE = 1 << 19
"""Values, of all channels, that are resampled at once: some seconds. Each call has a price of its own."""
OUT = 4 * SAMPLE_RATE
"""Samples of each array that it gives; the last is shorter."""


def shape(frame: AudioFrame) -> Shape:
    return frame.format.name, frame.layout.name, frame.sample_rate


class Resampler:
    """For frames of one shape, channel by channel."""

    def __init__(self, frame: AudioFrame) -> None:
        """Raises AudioError for a sound with more channels than can be heard."""
        kind, layout, rate = shape(frame)
        self.channels = frame.layout.nb_channels
        if not 0 < self.channels <= CHANNELS:
            raise AudioError(f"The audio has {self.channels} channels; 1 to {CHANNELS} are supported.")
        self._waiting = 0
        self._graph = Graph()
        self._graph.threads = 1
        self._source = self._graph.add(
            "abuffer", sample_rate=str(rate), sample_fmt=kind, channel_layout=layout, time_base=f"1/{rate}"
        )
        # Packed: PyAV reads beyond the pointers of planar frames with more than eight channels.
        target = self._graph.add("aformat", sample_rates=str(SAMPLE_RATE), sample_fmts="flt")
        try:
            self._graph.link_nodes(self._source, target, self._graph.add("abuffersink"))
            self._graph.configure()
        except (av.error.FFmpegError, ValueError) as error:
            raise AudioError(f"The audio's channel layout ({layout}) is not supported.") from error
        self._graph.set_audio_frame_size(OUT)

    def push(self, frame: AudioFrame) -> Iterator[Channels]:
        """What is ready; a frame that cannot be resampled is left out like one that cannot be decoded."""
        frame.pts = None  # the clock has placed it
        try:
            self._source.push(frame)
        except (av.error.FFmpegError, ValueError):
            return
        self._waiting += frame.samples * self.channels
        if self._waiting >= PIECE:
            yield from self._pulled()

    def end(self) -> Iterator[Channels]:
        """The rest."""
        self._source.push(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Channels]:
        self._waiting = 0
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.FFmpegError, ValueError):
                return  # more is wanted first, or there is no more
            assert isinstance(frame, AudioFrame)
            values: Channels = frame.to_ndarray().astype(np.float32, copy=False)
            if not np.isfinite(values.sum()):  # of a file of floats, which can hold anything
                values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(-LOUDEST, LOUDEST)
            yield values.reshape(-1, self.channels)

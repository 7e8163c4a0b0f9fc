"""Any audio or video file, decoded in blocks by PyAV: no ffmpeg program, constant memory."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Protocol

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from stt_core.errors import AudioError

SAMPLE_RATE = 16_000
BLOCK_SECONDS = 4
LONGEST_SECONDS = 24 * 3600
"""A few megabytes of compressed silence can unfold to weeks."""

FORMATS = (
    "wav,w64,mp3,mov,mp4,m4a,3gp,matroska,webm,ogg,flac,aac,aiff,au,caf,amr,asf,avi,flv,mpeg,mpegts,ac3,eac3"
)
"""The demuxers that may read an upload. Playlists (hls, concat, dash) are left out: they open other files."""

# A few bytes can ask for gigabytes or hours; what is beyond these is no sound that somebody recorded.
RATES = range(1_000, 768_001)
"""Sample rates. One second at 1 Hz would unfold to 16,000 samples, and at 400 MHz a filter takes 2 GB."""
PACKET_BYTES = 16_000_000
"""Of sound; a second of 24 bit, 192 kHz and eight channels is a third of it."""
PIECE_BYTES = 40_000_000
"""What FFmpeg may read into memory at once; it asks for more only to hold a picture, or a packet, whole."""
TRACKS = 100
"""Tracks, pictures and attachments that are looked at; each costs memory even where nobody hears it."""
PATIENCE = 60.0
PACE = 0.1
"""Decoding may take PATIENCE, and PACE times what it gave, in seconds of processor time. Usual is 0.004."""


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

    def __init__(self, file: IO[bytes], channel: int | None = None) -> None:
        """channel: the only one to be heard, counted from 0; None for all of them, mixed."""
        self._file = file
        self._channel = channel
        self._duration = 0.0

    @property
    def duration(self) -> float:
        return self._duration

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The file from its start as blocks of shape (samples,), float32 mono 16 kHz in [-1, 1].

        A file that breaks off gives what could be decoded. Raises AudioError when nothing could be.
        """
        self._file.seek(0, 2)
        if self._file.tell() == 0:
            raise AudioError("The file is empty.")
        self._file.seek(0)
        total = 0
        effort = _Effort()
        for block in _blocks(self._samples(effort)):
            total += len(block)
            self._duration = total / SAMPLE_RATE
            if self._duration > LONGEST_SECONDS:
                raise AudioError(
                    f"The audio is longer than {LONGEST_SECONDS // 3600} hours; send it in parts."
                )
            with effort.resting(self._duration):
                yield block
        if total == 0:
            raise AudioError("The file's audio track holds no sound that can be decoded.")

    def close(self) -> None:
        self._file.close()

    def _samples(self, effort: "_Effort") -> Iterator[NDArray[np.int16]]:
        with _opened(_Reader(self._file, effort)) as container:
            yield from _resampled(_frames(container, effort), self._channel)


def channels(file: IO[bytes]) -> int:
    """How many channels its sound has: 1 for mono, 2 for stereo. Raises AudioError as its `blocks` would."""
    file.seek(0)
    effort = _Effort()
    with _opened(_Reader(file, effort)) as container:
        for frame in _frames(container, effort):
            return frame.layout.nb_channels
    raise AudioError("The file's audio track holds no sound that can be decoded.")


class RawPcm(AudioFile):
    """An upload of nothing but samples: 16 bit, little endian, mono, 16 kHz."""

    def _samples(self, effort: "_Effort") -> Iterator[NDArray[np.int16]]:
        while data := self._file.read(2 * BLOCK_SECONDS * SAMPLE_RATE):
            yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16, copy=False)


class _Effort:
    """The processor time that one file takes; whoever waits for its audio is not its fault."""

    def __init__(self) -> None:
        self._began = time.thread_time()
        self._given = 0.0

    def check(self) -> None:
        """Raises AudioError when the file has had more than its share."""
        if time.thread_time() - self._began > PATIENCE + PACE * self._given:
            raise AudioError("The file takes too long to decode: it is damaged, or made for that.")

    @contextmanager
    def resting(self, given: float) -> Iterator[None]:
        """Others work with what came; `given` are the seconds of audio so far."""
        self._given = given
        left = time.thread_time()
        yield
        self._began += time.thread_time() - left


class _Reader:
    """The file as FFmpeg sees it: bytes that come to an end when the effort does."""

    def __init__(self, file: IO[bytes], effort: _Effort) -> None:
        self._effort = effort
        self._read = file.read
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        self._effort.check()
        if size > PIECE_BYTES:
            raise AudioError("The file holds a picture or another part that is far too large for a sound.")
        return self._read(size)


def _blocks(arrays: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.float32]]:
    waiting: list[NDArray[np.int16]] = []
    length = 0
    for array in arrays:
        waiting.append(array)
        length += len(array)
        if length >= BLOCK_SECONDS * SAMPLE_RATE:
            yield np.concatenate(waiting).astype(np.float32) / np.float32(32768)
            waiting, length = [], 0
    if length:
        yield np.concatenate(waiting).astype(np.float32) / np.float32(32768)


@cache
def _decoders() -> str:
    """All of FFmpeg's for audio. Without this it unpacks pictures to find out their size: bombs, too."""
    return ",".join(sorted(name for name in av.codecs_available if _hears(name)))


def _hears(name: str) -> bool:
    try:
        return av.Codec(name, "r").type == "audio"
    except ValueError:
        return False  # it only encodes


@contextmanager
def _opened(file: _Reader) -> Iterator[av.container.InputContainer]:
    options = {
        "format_whitelist": FORMATS,
        "codec_whitelist": _decoders(),
        "protocol_whitelist": "none",
        "max_streams": str(TRACKS),
    }
    try:
        container = av.open(file, mode="r", metadata_errors="ignore", options=options)
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(
            "The file cannot be read as audio: it is damaged, or no audio at all. "
            "wav, mp3, m4a, flac, ogg, webm and mp4 are fine."
        ) from error
    with container:
        if not container.streams.audio:
            raise AudioError("The file has no audio track.")
        yield container


def _frames(container: av.container.InputContainer, effort: _Effort) -> Iterator[AudioFrame]:
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, ValueError):
            return  # the file breaks off here
        if packet is None:
            return
        effort.check()
        if packet.size > PACKET_BYTES:
            continue
        try:
            yield from (frame for frame in packet.decode() if isinstance(frame, AudioFrame))
        except (av.error.FFmpegError, ValueError):
            continue  # one damaged packet; the next may be whole


def _resampled(frames: Iterable[AudioFrame], channel: int | None) -> Iterator[NDArray[np.int16]]:
    # 16 bit integers, because libswresample keeps a downmix within range only for them.
    resampler: AudioResampler | None = None
    shape: tuple[object, ...] = ()
    for frame in frames:
        if frame.samples == 0:
            continue
        if frame.sample_rate not in RATES:
            break
        if channel is not None and channel >= frame.layout.nb_channels:
            raise AudioError(
                f"The file's sound has no channel {channel + 1}: it has {frame.layout.nb_channels}."
            )
        frame.pts = None  # broken timestamps must not cut holes
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != shape:
            if resampler is not None:
                yield from _flushed(resampler, None, channel)
            layout = "mono" if channel is None else frame.layout
            resampler, shape = AudioResampler(format="s16p", layout=layout, rate=SAMPLE_RATE), now
        yield from _flushed(resampler, frame, channel)
    if resampler is not None:
        yield from _flushed(resampler, None, channel)


def _flushed(
    resampler: AudioResampler, frame: AudioFrame | None, channel: int | None
) -> Iterator[NDArray[np.int16]]:
    try:
        for out in resampler.resample(frame):
            yield out.to_ndarray()[channel or 0].astype(np.int16, copy=False)
    except (av.error.FFmpegError, ValueError):
        return  # a frame that cannot be resampled is left out like one that cannot be decoded

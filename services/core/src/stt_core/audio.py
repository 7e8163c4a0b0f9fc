"""Any audio or video file, decoded in blocks by PyAV: no ffmpeg program, constant memory."""

from collections.abc import Iterable, Iterator
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

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
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
        for block in _blocks(self._samples()):
            total += len(block)
            self._duration = total / SAMPLE_RATE
            if self._duration > LONGEST_SECONDS:
                raise AudioError(
                    f"The audio is longer than {LONGEST_SECONDS // 3600} hours; send it in parts."
                )
            yield block
        if total == 0:
            raise AudioError("The file's audio track holds no sound that can be decoded.")

    def close(self) -> None:
        self._file.close()

    def _samples(self) -> Iterator[NDArray[np.int16]]:
        return _decoded(self._file)


class RawPcm(AudioFile):
    """An upload of nothing but samples: 16 bit, little endian, mono, 16 kHz."""

    def _samples(self) -> Iterator[NDArray[np.int16]]:
        while data := self._file.read(2 * BLOCK_SECONDS * SAMPLE_RATE):
            yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16, copy=False)


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


def _decoded(file: IO[bytes]) -> Iterator[NDArray[np.int16]]:
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
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
        yield from _resampled(_frames(container))


def _frames(container: av.container.InputContainer) -> Iterator[AudioFrame]:
    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, ValueError):
            return  # the file breaks off here
        if packet is None:
            return
        try:
            yield from (frame for frame in packet.decode() if isinstance(frame, AudioFrame))
        except (av.error.FFmpegError, ValueError):
            continue  # one damaged packet; the next may be whole


def _resampled(frames: Iterable[AudioFrame]) -> Iterator[NDArray[np.int16]]:
    # 16 bit integers, because libswresample keeps a downmix within range only for them.
    resampler: AudioResampler | None = None
    shape: tuple[object, ...] = ()
    for frame in frames:
        if frame.samples == 0 or frame.sample_rate == 0:
            continue
        frame.pts = None  # broken timestamps must not cut holes
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != shape:
            if resampler is not None:
                yield from _flushed(resampler, None)
            resampler, shape = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE), now
        yield from _flushed(resampler, frame)
    if resampler is not None:
        yield from _flushed(resampler, None)


def _flushed(resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[NDArray[np.int16]]:
    try:
        for out in resampler.resample(frame):
            yield out.to_ndarray().reshape(-1).astype(np.int16, copy=False)
    except (av.error.FFmpegError, ValueError):
        return  # a frame that cannot be resampled is left out like one that cannot be decoded

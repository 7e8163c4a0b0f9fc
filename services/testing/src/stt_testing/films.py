"""Recordings whose tracks have a clock, a name and a place of their own, made on the spot."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from stt_testing import sounds


@dataclass(frozen=True)
class Track:
    """A sound in a film.

    samples: 16 bit at 16 kHz, of shape (samples,), or (samples, channels). start: seconds after the picture.
    gap: the second of it at which packets are missing, and for how long.
    """

    samples: NDArray[np.int16]
    codec: str
    rate: int = 48_000
    layout: str = "mono"
    start: float = 0.0
    gap: tuple[float, float] = (0.0, 0.0)
    language: str = ""
    default: bool = False


def film(
    container: str,
    *tracks: Track,
    picture: str = "",
    seconds: float = 0.0,
    start: float = 0.0,
    options: Mapping[str, str] | None = None,
) -> bytes:
    """A file with these tracks, after a moving picture of so many seconds in the codec `picture`, if any.

    start: what its clock shows at its beginning, in seconds.
    """
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=dict(options or {})) as target:
        video = _video(target, picture) if picture else None
        streams = [_audio(target, track) for track in tracks]
        packets = [] if video is None else list(_pictures(video, seconds, start))
        for stream, track in zip(streams, tracks, strict=True):
            packets += _encoded(stream, track, start)
        for packet in sorted(packets, key=lambda one: (one.dts or 0) * one.time_base):
            target.mux(packet)
    return out.getvalue()


def _video(target: Any, codec: str) -> av.VideoStream:
    stream = cast(av.VideoStream, target.add_stream(codec, rate=25))
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _audio(target: Any, track: Track) -> av.AudioStream:
    stream = cast(av.AudioStream, target.add_stream(track.codec, rate=track.rate, layout=track.layout))
    stream.bit_rate = 64_000
    stream.options = {"strict": "experimental"}  # FFmpeg's own Vorbis
    if track.language:
        stream.metadata["language"] = track.language
    if track.default:
        stream.disposition = Disposition.default
    return stream


def _pictures(stream: av.VideoStream, seconds: float, start: float) -> Iterator["av.Packet[Any]"]:
    for number in range(round(25 * seconds)):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number % 256, np.uint8), format="rgb24")
        frame.pts, frame.time_base = number + round(25 * start), Fraction(1, 25)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded(stream: av.AudioStream, track: Track, start: float) -> Iterator["av.Packet[Any]"]:
    channels = 1 if track.samples.ndim == 1 else track.samples.shape[1]
    layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
    frame = av.AudioFrame.from_ndarray(track.samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = sounds.RATE
    resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=track.rate)
    fifo, at = av.AudioFifo(), 0
    for part in [*resampler.resample(frame), *resampler.resample(None)] if frame.samples else []:
        part.pts = None
        fifo.write(part)
    while (chunk := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        missing = track.gap[1] if track.gap[1] and at >= track.gap[0] * track.rate else 0.0
        chunk.pts = at + round((start + track.start + missing) * track.rate)
        chunk.time_base = Fraction(1, track.rate)
        at += chunk.samples
        yield from stream.encode(chunk)
    yield from stream.encode(None)

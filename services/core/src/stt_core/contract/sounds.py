"""Audio files for the tests, made on the spot."""

import io
import wave
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from stt_core.contract.service import required

RATE = 16_000

ENCODINGS = {
    "wav": ("wav", "pcm_s16le", 44_100, "stereo"),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo"),
    "m4a": ("ipod", "aac", 48_000, "mono"),
    "flac": ("flac", "flac", 22_050, "mono"),
    "ogg": ("ogg", "libopus", 48_000, "mono"),
    "webm": ("webm", "libopus", 48_000, "stereo"),
    "mp4": ("mp4", "aac", 44_100, "stereo"),
}
"""Suffix -> container, codec, sample rate, layout."""


def speech() -> bytes:
    """Eleven seconds of real speech, as a wav file."""
    path = required("STT_TEST_AUDIO") / "jfk.wav"
    assert path.exists(), f"{path} is missing: `make test` fetches it."
    return path.read_bytes()


def clip() -> bytes:
    """The last four seconds of it."""
    return wav(samples(speech())[-4 * RATE :])


def samples(file: bytes) -> NDArray[np.int16]:
    with wave.open(io.BytesIO(file)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16)


def wav(values: NDArray[Any], rate: int = RATE, channels: int = 1) -> bytes:
    """Whole numbers as a 16 bit wav file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(values.astype("<i2").tobytes())
    return out.getvalue()


def repeated(times: int) -> bytes:
    """The speech over and over, two seconds of silence between; Whisper takes it for a loop."""
    pause = np.zeros(2 * RATE, np.int16)
    return wav(np.concatenate([np.concatenate([samples(speech()), pause]) for _ in range(times)]))


def parted() -> bytes:
    """The speech, ten seconds of silence, and its last four seconds once more: 25 s."""
    values = samples(speech())
    return wav(np.concatenate([values, np.zeros(10 * RATE, np.int16), values[-4 * RATE :]]))


def silence(seconds: float) -> bytes:
    return wav(np.zeros(int(seconds * RATE), np.int16))


def encoded(suffix: str) -> bytes:
    """The speech in another format."""
    container, codec, rate, layout = ENCODINGS[suffix]
    out = io.BytesIO()
    with av.open(io.BytesIO(speech()), "r") as source, av.open(out, "w", format=container) as target:
        stream = cast(av.AudioStream, target.add_stream(codec, rate=rate, layout=layout))
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=0)
        fifo = av.AudioFifo()
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                part.pts = None
                fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (chunk := fifo.read(size, partial=True)) is not None:
            target.mux(stream.encode(chunk))
        target.mux(stream.encode(None))
    return out.getvalue()


def film_without_sound() -> bytes:
    """An mp4 with a picture and no audio track."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()

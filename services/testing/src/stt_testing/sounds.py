"""Audio files for the tests, made on the spot."""

import io
import subprocess
import wave
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from stt_testing.service import required

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
BIT_RATE = 32_000
"""Of those that lose something: ten minutes stay below the tests' upload limit."""


def speech() -> bytes:
    """Eleven seconds of real speech, as a wav file."""
    path = required("STT_TEST_AUDIO") / "jfk.wav"
    assert path.exists(), f"{path} is missing: `make test` fetches it."
    return path.read_bytes()


def clip(seconds: float = 4) -> bytes:
    """The last seconds of it."""
    return wav(samples(speech())[-round(seconds * RATE) :])


def spoken(text: str, voice: str = "en-us", words_per_minute: int = 150) -> NDArray[np.int16]:
    """Read aloud by espeak-ng."""
    command = ("espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", "--", text)
    file = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(file), "r") as source:
        frames = [part for frame in (*source.decode(audio=0), None) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


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


READ = (
    "The committee met on Tuesday morning, heard four witnesses from the harbour office, and closed the "
    "meeting shortly before noon without a vote or any other decision.",
    "Rain is expected along the northern coast tonight, with light winds from the west, while the valleys "
    "farther inland stay warm and dry until the end of the week.",
    "Nobody at the harbour office knows why.",
)
"""Ten seconds each, and three, when read aloud."""


def read(number: int, seconds: float) -> NDArray[np.int16]:
    """A text of READ with silence behind it."""
    values = spoken(READ[number])
    return np.pad(values, (0, round(seconds * RATE) - len(values)))


def repeated(times: int) -> bytes:
    """The speech and what is read aloud, in turn: 13 s each with the silence behind it.

    Of one speech over and over Whisper makes a loop, which is tried at every temperature.
    """
    turns = (np.pad(samples(speech()), (0, 2 * RATE)), read(0, 13), read(1, 13))
    return wav(np.concatenate([turns[number % 3] for number in range(times)]))


def parted() -> bytes:
    """The speech, ten seconds of silence, and a sentence that is read aloud: 25 s."""
    return wav(np.concatenate([samples(speech()), np.zeros(10 * RATE, np.int16), read(2, 4)]))


def telephone(values: NDArray[np.int16]) -> bytes:
    """The same at 8 kHz, as a wav file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=8_000)
    frame = av.AudioFrame.from_ndarray(values[None], format="s16", layout="mono")
    frame.sample_rate = RATE
    parts = [part for one in (frame, None) for part in resampler.resample(one)]
    return wav(np.concatenate([part.to_ndarray().reshape(-1) for part in parts]), rate=8_000)


def silence(seconds: float) -> bytes:
    return wav(np.zeros(int(seconds * RATE), np.int16))


def encoded(suffix: str, file: bytes | None = None) -> bytes:
    """A wav file, or the clip, in another format."""
    container, codec, rate, layout = ENCODINGS[suffix]
    out = io.BytesIO()
    file = clip() if file is None else file
    with av.open(io.BytesIO(file), "r") as source, av.open(out, "w", format=container) as target:
        stream = cast(av.AudioStream, target.add_stream(codec, rate=rate, layout=layout))
        stream.bit_rate = BIT_RATE
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


def unspoken(seconds: int) -> dict[str, NDArray[np.int16]]:
    """What is no speech, by name."""
    chance = np.random.default_rng(0)
    time = np.arange(seconds * RATE) / RATE
    white, other = chance.normal(size=(2, len(time)))
    pitch = np.fft.rfft(other)
    pink = np.fft.irfft(pitch / np.sqrt(np.maximum(np.arange(len(pitch)), 1)), len(time))
    hum = sum(np.sin(2 * np.pi * 50 * harmonic * time) / harmonic for harmonic in (1, 2, 3, 5, 7))
    found = {
        "silence": 0 * time,
        "white": white,
        "pink": pink,
        "hum": hum,
        "music": _music(time) + _drums(time, white),
    }
    return {
        name: (values / max(1e-9, np.abs(values).max()) * 12_000).astype(np.int16) for name, values in found.items()
    }


def _music(time: NDArray[Any]) -> NDArray[Any]:
    """Four chords, struck every two seconds."""
    roots = np.array([220.0, 196.0, 174.6, 164.8])[(time // 2).astype(int) % 4]
    voices = [
        np.sin(2 * np.pi * roots * interval * harmonic * time) / harmonic
        for interval in (1, 5 / 4, 3 / 2)
        for harmonic in range(1, 6)
    ]
    return cast(NDArray[Any], sum(voices) * np.exp(-2 * (time % 2)))


def _drums(time: NDArray[Any], noise: NDArray[Any]) -> NDArray[Any]:
    """120 beats a minute."""
    kick, snare = time % 0.5, (time + 0.25) % 0.5
    return cast(NDArray[Any], 3 * np.sin(2 * np.pi * 60 * kick) * np.exp(-20 * kick) + noise * np.exp(-40 * snare))


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

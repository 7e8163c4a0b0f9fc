"""Audio for the tests, made of the bundled sample or of nothing."""

import io
import subprocess
import wave
from array import array

from tests.integration.kit import JFK, Kit

JFK_SECONDS = 11


def wav(samples: bytes) -> bytes:
    """16 bit mono at 16 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples)
    return out.getvalue()


READ = (
    "The committee met on Tuesday morning, heard four witnesses from the harbour office, and closed the meeting "
    "shortly before noon without a vote.",
    "Rain is expected along the northern coast tonight, with light winds from the west, while the valleys stay dry "
    "until the end of the week.",
)


def spoken(times: int) -> bytes:
    """The sample, and others read aloud, in turn: `times` x 11 s of speech. Of the sample alone over and over Whisper
    makes a loop, which is tried at every temperature."""
    with wave.open(str(JFK)) as file:
        samples = file.readframes(file.getnframes())
    turns = [samples, *(read(text).ljust(len(samples), b"\0")[: len(samples)] for text in READ)]
    return wav(b"".join(turns[number % len(turns)] for number in range(times)))


def read(text: str) -> bytes:
    """Read aloud by espeak-ng: samples at 16 kHz, each the nearest of its own."""
    done = subprocess.run(("espeak-ng", "-s", "150", "--stdout", "--", text), stdout=subprocess.PIPE, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate, heard = file.getframerate(), array("h", file.readframes(1 << 24))
    return array("h", (heard[place * rate // 16_000] for place in range(len(heard) * 16_000 // rate))).tobytes()


_SILENT_FILM = """
import sys, av
with av.open(sys.stdout.buffer, "w", format="matroska") as film:
    stream = film.add_stream("mpeg4", rate=5)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    for _ in range(5):
        film.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
    film.mux(stream.encode(None))
"""


def silent_film(kit: Kit) -> bytes:
    """A video without an audio track, by the library that the service itself decodes with."""
    python = next((kit.root / "opt" / "environments").glob("faster-whisper-*/bin/python"))
    done = subprocess.run((str(python), "-c", _SILENT_FILM), capture_output=True, check=True)
    return done.stdout

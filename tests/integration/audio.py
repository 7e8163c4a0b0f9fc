"""Audio for the tests, made of the bundled sample or of nothing."""

import io
import subprocess
import wave

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


def spoken(times: int) -> bytes:
    """The sample again and again: `times` x 11 s of speech."""
    with wave.open(str(JFK)) as file:
        samples = file.readframes(file.getnframes())
    return wav(samples * times)


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

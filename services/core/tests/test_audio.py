"""Decoding within bounds: what a file may take of time and memory while it is decoded."""

import io
import subprocess
import sys

import av
import pytest

from stt_core import audio
from stt_core.audio import AudioFile
from stt_core.contract import hostile, sounds
from stt_core.errors import AudioError

GROWTH = 250_000_000
"""Bytes. Every file is of a few megabytes, and reading it whole is a part of it."""

CHILD = """
import io, resource, sys
from stt_core.audio import AudioFile
from stt_core.contract import hostile, sounds
from stt_core.errors import AudioError

def decode(file):
    try:
        for block in AudioFile(io.BytesIO(file)).blocks():
            pass
    except AudioError:
        pass

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

decode(sounds.encoded("mp3"))
files = [make() for make in hostile.HOSTILE.values()]
before = peak()
for file in files:
    decode(file)
print(peak() - before)
"""


def test_hostile_files_take_little_memory_at_any_time() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert int(done.stdout) < GROWTH


@pytest.mark.parametrize(
    "file",
    [
        hostile.id3(hostile.cover(bytes(2 * audio.PIECE_BYTES))) + sounds.encoded("mp3"),
        hostile.matroska(1, bytes(2 * audio.PIECE_BYTES)),
    ],
    ids=["a picture", "a packet"],
)
def test_what_must_be_held_whole_is_small(file: bytes) -> None:
    with pytest.raises(AudioError, match="far too large"):
        list(AudioFile(io.BytesIO(file)).blocks())


def test_a_packet_that_no_sound_needs_is_left_out() -> None:
    file = hostile.matroska(1, bytes(audio.PACKET_BYTES + 2), hostile.tone(2))
    assert sum(map(len, AudioFile(io.BytesIO(file)).blocks())) == pytest.approx(2 * sounds.RATE, abs=100)


def test_a_file_has_its_share_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "PATIENCE", 0.0)
    monkeypatch.setattr(audio, "PACE", 0.0)
    with pytest.raises(AudioError, match="takes too long"):
        list(AudioFile(io.BytesIO(sounds.encoded("mp3"))).blocks())


def test_a_file_of_a_hundred_tracks_and_more_is_heard() -> None:
    source = AudioFile(io.BytesIO(hostile.matroska(audio.TRACKS + 1, hostile.tone(2))))
    assert sum(map(len, source.blocks())) == pytest.approx(2 * sounds.RATE, abs=100)


def test_the_sound_of_a_film_is_heard() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as target:
        parts = [
            av.open(io.BytesIO(file), "r") for file in (sounds.film_without_sound(), sounds.encoded("m4a"))
        ]
        streams = [target.add_stream_from_template(part.streams[0]) for part in parts]
        for part, stream in zip(parts, streams, strict=True):
            for packet in part.demux(part.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
            part.close()
    heard = sum(map(len, AudioFile(io.BytesIO(out.getvalue())).blocks()))
    assert heard / sounds.RATE == pytest.approx(11, abs=0.2)

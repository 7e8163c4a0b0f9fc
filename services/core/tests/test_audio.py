"""Decoding within bounds: what a file may take of time and memory while it is decoded."""

import io
import subprocess
import sys

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stt_core.audio import AudioFile, bounds, channels
from stt_core.errors import AudioError
from stt_testing import hostile, sounds

GROWTH = 250_000_000
"""Bytes. Every file is of a few megabytes, and reading it whole is a part of it."""

CHILD = """
import io, resource, sys
from stt_core.audio import AudioFile, channels
from stt_testing import hostile, sounds
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
        hostile.id3(hostile.cover(bytes(2 * bounds.PIECE_BYTES))) + sounds.encoded("mp3"),
        hostile.matroska(1, bytes(2 * bounds.PIECE_BYTES)),
    ],
    ids=["a picture", "a packet"],
)
def test_what_must_be_held_whole_is_small(file: bytes) -> None:
    with pytest.raises(AudioError, match="that is too large"):
        list(AudioFile(io.BytesIO(file)).blocks())


def test_a_packet_that_no_sound_needs_is_left_out() -> None:
    file = hostile.matroska(1, bytes(bounds.PACKET_BYTES + 2), hostile.tone(2))
    assert sum(map(len, AudioFile(io.BytesIO(file)).blocks())) == pytest.approx(2 * sounds.RATE, abs=100)


def test_a_file_has_its_share_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PATIENCE", 0.0)
    monkeypatch.setattr(bounds, "PACE", 0.0)
    with pytest.raises(AudioError, match="takes too long"):
        list(AudioFile(io.BytesIO(sounds.encoded("mp3"))).blocks())


def test_a_file_of_a_hundred_tracks_and_more_is_heard() -> None:
    source = AudioFile(io.BytesIO(hostile.matroska(bounds.TRACKS + 1, hostile.tone(2))))
    assert sum(map(len, source.blocks())) == pytest.approx(2 * sounds.RATE, abs=100)


def test_the_sound_of_a_film_is_heard() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as target:
        parts = [av.open(io.BytesIO(file), "r") for file in (sounds.film_without_sound(), sounds.encoded("m4a"))]
        streams = [target.add_stream_from_template(part.streams[0]) for part in parts]
        for part, stream in zip(parts, streams, strict=True):
            for packet in part.demux(part.streams[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
            part.close()
    heard = sum(map(len, AudioFile(io.BytesIO(out.getvalue())).blocks()))
    assert heard / sounds.RATE == pytest.approx(4, abs=0.2)


def telephone(codec: str, pitches: list[int]) -> bytes:
    """Two seconds at 8 kHz, with a tone of its own on each channel."""
    time = np.arange(16_000) / 8_000
    tones = np.stack([8_000 * np.sin(2 * np.pi * pitch * time) for pitch in pitches]).astype(np.int16)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(pitches)]
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as target:
        stream = target.add_stream(codec, rate=8_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(tones.T.reshape(1, -1), "s16", layout)
        frame.sample_rate = 8_000
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


def loudest(file: bytes, channel: int | None) -> float:
    """The pitch that is loudest, in Hz."""
    heard: NDArray[np.float32] = np.concatenate(list(AudioFile(io.BytesIO(file), channel=channel).blocks()))
    assert len(heard) == pytest.approx(2 * sounds.RATE, abs=100)
    return float(np.argmax(np.abs(np.fft.rfft(heard)))) * sounds.RATE / len(heard)


@pytest.mark.parametrize("codec", ["pcm_mulaw", "pcm_alaw", "pcm_s16le"])
def test_each_channel_of_a_telephone_call_is_heard_alone(codec: str) -> None:
    file = telephone(codec, [440, 1000])
    assert channels(io.BytesIO(file)) == 2
    assert [loudest(file, channel) for channel in (0, 1)] == pytest.approx([440, 1000], abs=2)


def test_a_sound_in_the_round_keeps_its_channels() -> None:
    pitches = [300, 600, 900, 1200, 1500, 1800]
    file = telephone("pcm_s16le", pitches)
    assert channels(io.BytesIO(file)) == 6
    assert [loudest(file, channel) for channel in range(6)] == pytest.approx(pitches, abs=2)


def test_a_channel_that_is_not_there_is_told() -> None:
    file = telephone("pcm_mulaw", [440])
    assert channels(io.BytesIO(file)) == 1
    assert loudest(file, 0) == pytest.approx(440, abs=2)
    with pytest.raises(AudioError, match="no channel 2: it has 1"):
        list(AudioFile(io.BytesIO(file), channel=1).blocks())
    with pytest.raises(AudioError, match="is text, not audio"):
        channels(io.BytesIO(b"no sound"))


def test_a_channel_of_a_hostile_file_takes_its_share_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PATIENCE", 0.0)
    monkeypatch.setattr(bounds, "PACE", 0.0)
    for hear in (channels, lambda file: list(AudioFile(file, channel=0).blocks())):
        with pytest.raises(AudioError, match="takes too long"):
            hear(io.BytesIO(sounds.encoded("mp3")))

"""Sound is where its container says: the files are made with known times, so the truth is known."""

import io
import random
import struct
from collections.abc import Mapping
from dataclasses import replace

import av
import numpy as np
import pytest
from hearing import heard, seconds, spans, tone

from stt_testing import hostile
from stt_testing.films import Track, film

LOW, HIGH = 450, 1_500
SOUND = np.concatenate([tone(LOW, 4.2), tone(HIGH, 3)])
NEAR = 0.1
"""Seconds; some encoders add as much of silence in front, and some containers say nothing of it."""

FILMS = {
    "mkv": ("matroska", "aac", "libx264"),
    "mp4": ("mp4", "aac", "libx264"),
    "mov": ("mov", "pcm_s16le", "mpeg4"),
    "webm": ("webm", "libopus", "libvpx"),
    "ts": ("mpegts", "aac", "libx264"),
    "mpg": ("mpeg", "mp2", "mpeg2video"),
    "flv": ("flv", "aac", "flv"),
    "nut": ("nut", "aac", "mpeg4"),
    "wmv": ("asf", "wmav2", "wmv2"),
}
"""Suffix -> container, codec of the sound, codec of the picture."""


def placed(file: bytes) -> tuple[tuple[float, float], tuple[float, float]]:
    """When the low tone is heard, and when the high one."""
    found = heard(file)
    (low,), (high,) = spans(found, LOW), spans(found, HIGH)
    return low, high


def made(suffix: str, track: Track, seconds: float = 25.0) -> bytes:
    container, codec, picture = FILMS[suffix]
    stereo = codec == "wmav2"  # which PyAV's encoder wants
    samples = np.stack([track.samples] * 2, 1) if stereo else track.samples
    layout = "stereo" if stereo else "mono"
    rate = 44_100 if suffix in ("flv", "wmv") else 48_000
    return film(
        container,
        replace(track, samples=samples, codec=codec, layout=layout, rate=rate),
        picture=picture,
        seconds=seconds,
    )


@pytest.mark.parametrize("start", [5.0, 15.0])
@pytest.mark.parametrize("suffix", FILMS)
def test_sound_that_starts_after_the_picture_is_late(suffix: str, start: float) -> None:
    low, high = placed(made(suffix, Track(SOUND, "", start=start)))
    assert low == pytest.approx((start, start + 4.2), abs=NEAR)
    assert high == pytest.approx((start + 4.2, start + 7.2), abs=NEAR)


@pytest.mark.parametrize("gap", [2.0, 10.0, 12.0])
@pytest.mark.parametrize("suffix", sorted(set(FILMS) - {"mov", "webm", "mpg"}))  # whose writers close it
def test_a_gap_in_the_timestamps_is_silence(suffix: str, gap: float) -> None:
    low, high = placed(made(suffix, Track(SOUND, "", gap=(4.2, gap))))
    assert low == pytest.approx((0, 4.2), abs=NEAR)
    assert high == pytest.approx((4.2 + gap, 7.2 + gap), abs=NEAR)


SOUNDS = {
    "mka": ("matroska", "aac"),
    "webm": ("webm", "vorbis"),
    "m4a": ("ipod", "aac"),
    "flv": ("flv", "aac"),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_gap_is_silence_where_there_is_no_picture(kind: str) -> None:
    container, codec = SOUNDS[kind]
    stereo = np.stack([SOUND] * 2, 1)
    low, high = placed(film(container, Track(stereo, codec, rate=44_100, layout="stereo", gap=(4.2, 10.0))))
    assert low == pytest.approx((0, 4.2), abs=NEAR) and high == pytest.approx((14.2, 17.2), abs=NEAR)


def test_packets_that_are_overwritten_leave_a_gap() -> None:
    sound = np.concatenate([tone(LOW, 12), tone(HIGH, 3)])
    for container, codec in (("ipod", "aac"), ("ogg", "libopus")):
        file = bytearray(film(container, Track(sound, codec)))
        with av.open(io.BytesIO(bytes(file))) as source:
            packets = [
                (packet.pos, packet.size)
                for packet in source.demux()
                if packet.pts is not None and 2 <= packet.pts * packet.time_base < 11
            ]
        for position, size in packets:
            file[position or 0 : (position or 0) + size] = bytes(size)
        found = heard(bytes(file))
        assert seconds(found) == pytest.approx(15, abs=NEAR), container
        assert spans(found, HIGH)[-1] == pytest.approx((12, 15), abs=0.3), container


def test_an_m4a_with_an_empty_edit_starts_with_silence() -> None:
    low, high = placed(film("ipod", Track(SOUND, "aac", start=5.0)))
    assert low == pytest.approx((5, 9.2), abs=NEAR) and high == pytest.approx((9.2, 12.2), abs=NEAR)


def test_an_avi_says_when_its_sound_starts() -> None:
    file = bytearray(film("avi", Track(SOUND, "pcm_s16le", rate=16_000)))
    file[(at := file.find(b"auds") + 28) : at + 4] = struct.pack("<I", 5 * 16_000)  # dwStart
    low, _ = placed(bytes(file))
    assert low == pytest.approx((5, 9.2), abs=NEAR)


PLAIN: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "mp3, whose encoder's delay is not added": ("mp3", "libmp3lame", {}),
    "m4a, whose edit list leaves out the encoder's": ("ipod", "aac", {}),
    "mpeg-ts, which starts at 1.4 s": ("mpegts", "mp2", {}),
    "fragmented mp4": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "adts": ("adts", "aac", {}),
    "flac": ("flac", "flac", {}),
    "wav": ("wav", "pcm_s16le", {}),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_nothing_is_added_to_a_plain_file(kind: str) -> None:
    container, codec, options = PLAIN[kind]
    file = film(container, Track(SOUND, codec), options=options)
    low, high = placed(file)
    assert low == pytest.approx((0, 4.2), abs=0.05) and high == pytest.approx((4.2, 7.2), abs=0.05)
    exact = container in ("mp3", "ipod", "flac", "wav")
    assert seconds(heard(file)) == pytest.approx(7.2, abs=0.025 if exact else 0.06)


@pytest.mark.parametrize("ahead", [4.0, 70.0])
@pytest.mark.parametrize("picture", ["", "libx264"])
def test_an_mpeg_ts_may_wrap_its_33_bits(picture: str, ahead: float) -> None:
    sound = np.concatenate([tone(LOW, 74), tone(HIGH, 3)]) if ahead > 10 else SOUND
    start = 2**33 / 90_000 - ahead
    file = film("mpegts", Track(sound, "mp2"), picture=picture, seconds=len(sound) / 16_000, start=start)
    low, high = placed(file)
    length = len(sound) / 16_000
    assert low == pytest.approx((0, length - 3), abs=NEAR) and high[1] == pytest.approx(length, abs=NEAR)


@pytest.mark.parametrize(
    ("container", "codec", "picture"),
    [
        ("ogg", "libopus", ""),
        ("matroska", "aac", "mpeg4"),
        ("webm", "libopus", ""),
        ("mpegts", "aac", "libx264"),
    ],
)
def test_a_recording_of_a_live_stream_starts_at_nothing(container: str, codec: str, picture: str) -> None:
    file = film(container, Track(SOUND, codec), picture=picture, seconds=8, start=3_600)
    low, high = placed(file)
    assert low == pytest.approx((0, 4.2), abs=NEAR) and high == pytest.approx((4.2, 7.2), abs=NEAR)


def test_an_edit_list_leaves_out_what_it_does() -> None:
    low, high = placed(film("mp4", Track(SOUND, "aac", start=-1.0), picture="mpeg4", seconds=8))
    assert low == pytest.approx((0, 3.2), abs=NEAR) and high == pytest.approx((3.2, 6.2), abs=NEAR)


def test_chained_ogg_is_heard_to_its_end() -> None:
    eleven = np.tile(tone(LOW, 1), 11)
    opus, vorbis = film("ogg", Track(eleven, "libopus")), ogg_vorbis(eleven, 44_100)
    assert seconds(heard(opus + opus)) == pytest.approx(22.0, abs=0.01)
    found = heard(opus + vorbis + ogg_vorbis(eleven, 22_050) + opus)  # FFmpeg stops at another codec or rate
    assert seconds(found) == pytest.approx(44.0, abs=0.1)
    assert spans(found, LOW)[-1][1] == pytest.approx(44.0, abs=0.1)


def ogg_vorbis(samples: "np.ndarray[tuple[int, ...], np.dtype[np.int16]]", rate: int) -> bytes:
    return film("ogg", Track(np.stack([samples] * 2, 1), "vorbis", rate=rate, layout="stereo"))


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("mpegts", "aac"),
        ("mpeg", "mp2"),
        ("matroska", "aac"),
        ("flac", "flac"),
        ("adts", "aac"),
    ],
)
def test_files_joined_end_to_end_are_heard_one_after_the_other(container: str, codec: str) -> None:
    file = film(container, Track(SOUND, codec))
    found = heard(file + file)
    assert seconds(found) == pytest.approx(2 * 7.2, abs=0.15)
    assert spans(found, HIGH)[-1] == pytest.approx((11.4, 14.4), abs=0.15)


def test_the_rate_may_change_in_the_middle() -> None:
    stereo = np.stack([SOUND] * 2, 1)
    files = [
        film("adts", Track(SOUND, "aac", rate=16_000)),
        film("adts", Track(stereo, "aac", rate=44_100, layout="stereo")),
        film("adts", Track(SOUND, "aac", rate=48_000)),
    ]
    found = heard(b"".join(files))
    assert seconds(found) == pytest.approx(3 * 7.2, abs=0.3)
    assert [round(first) for first, _ in spans(found, HIGH)] == [4, 12, 19]


def test_where_only_the_clock_jumps_there_is_no_silence() -> None:
    """A container that may start to count anew, and one whose time is broken by weeks."""
    for container, codec, gap in (
        ("ogg", "libopus", 13.0),
        ("mpegts", "aac", 600.0),
        ("matroska", "aac", 2e6),
    ):
        low, high = placed(film(container, Track(SOUND, codec, gap=(4.2, gap))))
        assert high == pytest.approx((4.2, 7.2), abs=NEAR), container
        assert low == pytest.approx((0, 4.2), abs=NEAR), container


def test_a_header_with_a_false_rate_is_no_clock() -> None:
    """By it, each frame of some 72 ms would be 576 seconds away from the one before."""
    assert seconds(heard(hostile.one_hertz_flac())) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_timestamps_without_any_sense_cut_nothing_and_add_what_they_claim_at_most(seed: int) -> None:
    chance = random.Random(seed)
    blocks = [tone(LOW, 0.1).tobytes()] * 100
    times = [chance.randrange(-30_000, 30_000) for _ in blocks]
    found = heard(hostile.matroska(1, *blocks, times=times))
    assert 10 - 0.01 <= seconds(found) <= 10 + 60
    assert sum(last - first for first, last in spans(found, LOW)) > 9


def test_overlapping_timestamps_cut_nothing() -> None:
    blocks = [tone(LOW, 0.1).tobytes()] * 60 + [tone(HIGH, 0.1).tobytes()] * 30
    times = [100 * number - (2_000 if number >= 60 else 0) for number in range(90)]
    found = heard(hostile.matroska(1, *blocks, times=times))
    assert seconds(found) == pytest.approx(9, abs=0.05)
    assert spans(found, HIGH) == [pytest.approx((6, 9), abs=0.05)]

"""Which sound of a file is heard, and what is said of a file whose sounds cannot be."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hearing import heard, spans, tone

from stt_core.audio import AudioFile, channels
from stt_core.errors import AudioError
from stt_testing import hostile
from stt_testing.films import Track, film

LOW, HIGH, STEREO = 450, 1_500, 3_000


def one(pitch: int, **fields: object) -> Track:
    return Track(tone(pitch, 2), **({"codec": "aac"} | fields))  # type: ignore[arg-type]


def pitches(file: bytes, track: int | None = None) -> list[int]:
    found = heard(file, track=track)
    return [pitch for pitch in (LOW, HIGH, STEREO) if spans(found, pitch)]


def refusal(file: bytes, **choice: int) -> AudioError:
    with pytest.raises(AudioError) as caught:
        list(AudioFile(io.BytesIO(file), **choice).blocks())
    return caught.value


def stereo(pitch: int, **fields: object) -> Track:
    return one(pitch, **({"layout": "stereo"} | fields))


@pytest.mark.parametrize("container", ["matroska", "mpegts", "mp4"])
def test_the_track_with_most_channels_is_heard_or_the_first_of_these(container: str) -> None:
    assert pitches(film(container, one(LOW), one(HIGH))) == [LOW]
    film_of_three = film(container, one(LOW), stereo(HIGH), stereo(STEREO))
    assert pitches(film_of_three) == ([LOW] if container == "mp4" else [HIGH])  # whose first is its default


def test_the_default_track_comes_first() -> None:
    file = film("matroska", stereo(LOW, language="fra"), one(HIGH, language="eng", default=True))
    assert pitches(file) == [HIGH]
    assert channels(io.BytesIO(file)) == 1 and channels(io.BytesIO(file), 1) == 2


def test_a_track_is_chosen_by_its_number() -> None:
    file = film("matroska", one(LOW, language="fra", default=True), stereo(HIGH, language="eng"))
    assert [pitches(file, number) for number in (1, 2)] == [[LOW], [HIGH]]
    error = refusal(file, track=3)
    assert error.param == "track"
    assert error.message == "The file has no audio track 3; it has 2: 1 (fra, 1 channel), 2 (eng, 2 channels)."


def test_the_next_track_is_heard_where_the_first_has_nothing() -> None:
    empty = film("matroska", Track(tone(LOW, 0), "aac", default=True), one(HIGH))
    assert pitches(empty) == [HIGH]
    assert "no sound that can be decoded" in refusal(empty, track=1).message


def undecodable(file: bytes) -> bytes:
    """The first track of an mp4 in a codec that nobody has."""
    return file.replace(b"mp4a", b"zzzz", 1).replace(b"esds", b"free", 1)


def test_the_next_track_is_heard_where_the_first_cannot_be() -> None:
    file = undecodable(film("mp4", one(LOW), one(HIGH)))
    assert pitches(file) == [HIGH]
    assert "audio track 1 is in a format that FFmpeg cannot decode" in refusal(file, track=1).message


def test_where_no_track_can_be_heard_the_first_choice_says_why() -> None:
    file = undecodable(undecodable(film("mp4", one(LOW), one(HIGH))))
    error = refusal(file)
    assert error.message == (
        "The file's audio track 1 is in a format that FFmpeg cannot decode, and no other can be heard."
    )
    alone = refusal(undecodable(film("mp4", one(LOW))))
    assert alone.message == "The file's audio track is in a format that FFmpeg cannot decode."


def test_what_is_encrypted_is_said_to_be() -> None:
    file = film("ipod", one(LOW))
    for tag, what in ((b"drms", "FairPlay"), (b"aavd", "Audible"), (b"enca", "encrypted")):
        assert what in refusal(file.replace(b"mp4a", tag, 1)).message
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
    for _ in range(20):  # each has random bytes of its own, and some of them decode
        assert refusal(film("mp4", one(LOW), options=key)).message == "The file's audio track is encrypted."


def test_a_film_without_sound_is_said_to_be_one() -> None:
    assert refusal(film("mp4", picture="mpeg4", seconds=1)).message == FILM


def test_the_channels_of_the_track_that_is_heard_are_counted() -> None:
    sides = np.stack([tone(LOW, 2), tone(HIGH, 2)], 1)
    call = Track(sides, "pcm_s16le", layout="stereo", default=True)
    file = film("matroska", one(STEREO, layout="5.1"), call)
    assert channels(io.BytesIO(file)) == 2 and channels(io.BytesIO(file), 1) == 6
    assert [spans(heard(file, channel=number), pitch) for number, pitch in enumerate((LOW, HIGH))] == [
        [pytest.approx((0, 2), abs=0.1)]
    ] * 2


def test_a_channel_that_ends_in_the_middle_is_silent_from_there_on() -> None:
    stereo_part = film("adts", Track(np.stack([tone(LOW, 2), tone(HIGH, 2)], 1), "aac", layout="stereo"))
    file = stereo_part + film("adts", one(STEREO))
    assert spans(heard(file, channel=1), HIGH) == [pytest.approx((0, 2), abs=0.1)]
    assert spans(heard(file, channel=0), STEREO) == [pytest.approx((2, 4), abs=0.15)]
    assert not spans(heard(file, channel=1), STEREO)


FILM = "The file has no audio track: there is only a picture."
CHILD = """
import io, sys
from stt_core.audio import AudioFile, channels
from stt_testing import hostile
file = hostile.unusual_layout()
print(channels(io.BytesIO(file)), sum(map(len, AudioFile(io.BytesIO(file)).blocks())))
"""


def test_an_unusual_order_of_channels_does_not_end_the_process() -> None:
    """PyAV frees such a layout twice: a file of a few bytes ended the service."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2 32000\n"), done.stderr
    assert hostile.unusual_layout()

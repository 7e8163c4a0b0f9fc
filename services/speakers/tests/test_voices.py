"""Voices that are known: their clips, and which of the speakers they are."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_core.audio import AudioFile
from stt_core.engine.protocol import Voice
from stt_core.errors import BadRequest
from stt_speakers.diarization.open import OpenDiarizer
from stt_speakers.diarization.protocol import Diarization, Embedding
from stt_speakers.diarization.voices import ALIKE, embedded, matched
from stt_speakers.sound import Sound
from stt_testing import sounds
from stt_testing.conversation import conversation
from stt_testing.models import OPEN, fetched

DIANE, SHEILA = (10.8, 14.4), (21.9, 27.4)
"""Seconds of the conversation in which one of them speaks alone."""


@pytest.fixture(scope="module")
def diarizer() -> OpenDiarizer:
    return OpenDiarizer(fetched(OPEN) / OPEN.replace("/", "--"), 1)


def part(start: float, end: float) -> bytes:
    samples = sounds.samples(conversation())
    return sounds.wav(samples[round(start * sounds.RATE) : round(end * sounds.RATE)])


@pytest.mark.parametrize("suffix", ["wav", "mp3", "m4a", "webm"])
def test_a_clip_of_any_format_is_a_voice(diarizer: OpenDiarizer, suffix: str) -> None:
    own = embedded(Voice("Sheila", part(*SHEILA)), diarizer)
    assert float(np.linalg.norm(own)) == pytest.approx(1)
    clip = sounds.encoded(suffix, part(15, 17.7))
    assert float(own @ embedded(Voice("Sheila", clip), diarizer)) > ALIKE
    assert float(own @ embedded(Voice("Diane", part(*DIANE)), diarizer)) < ALIKE


@pytest.mark.parametrize("seconds", [2, 10])
def test_the_shortest_and_the_longest_clip_do(diarizer: OpenDiarizer, seconds: int) -> None:
    clip = sounds.wav(sounds.samples(sounds.speech())[: seconds * sounds.RATE])
    assert embedded(Voice("a president", sounds.encoded("mp3", clip)), diarizer).ndim == 1


@pytest.mark.parametrize(
    ("clip", "why"),
    [
        (part(10, 11.5), "is 1.5 seconds long; send 2 to 10"),
        (part(10, 20.5), "is longer than 10 seconds"),
        (sounds.silence(3), "holds too little speech"),
        (b"", "cannot be used. The file is empty"),
        (b"no sound", "cannot be used. The file is text, not audio"),
    ],
)
def test_a_clip_that_does_not_do_is_refused_with_its_name(diarizer: OpenDiarizer, clip: bytes, why: str) -> None:
    with pytest.raises(BadRequest) as failure:
        embedded(Voice("Diane", clip), diarizer)
    assert failure.value.param == "known_speaker_references"
    assert "'Diane'" in failure.value.message and why in failure.value.message


def test_the_speakers_of_a_conversation_are_known(diarizer: OpenDiarizer) -> None:
    sound = Sound(np.concatenate(list(AudioFile(io.BytesIO(conversation())).blocks())))
    found = diarizer.diarize(sound, None, None, lambda share: None)
    sheila = ("Sheila", embedded(Voice("Sheila", part(*SHEILA)), diarizer))
    diane = ("Diane", embedded(Voice("Diane", part(*DIANE)), diarizer))
    kennedy = ("Kennedy", embedded(Voice("Kennedy", sounds.clip()), diarizer))
    order = matched(found, [sheila, diane])
    assert sorted(order) == ["Diane", "Sheila"]
    letters = tuple(name if name == "Diane" else "A" for name in order)
    assert matched(found, [kennedy, diane]) == letters
    assert matched(found, []) == ("A", "B")


def told(voices: Sequence[Embedding | None]) -> Diarization:
    return Diarization((), (), tuple(voices))


def unit(*values: float) -> Embedding:
    found = np.array(values, np.float32)
    return found / np.float32(np.linalg.norm(found))


def test_the_likest_pairs_are_taken_and_each_once() -> None:
    # Ada is like both; taking each speaker's best in turn would leave Ben without his.
    found = told([unit(1, 0.7, 0), unit(1, 0, 0), None, unit(0, 0, 1)])
    known = [("Ada", unit(1, 0.1, 0)), ("Ben", unit(1, 1, 0)), ("Cy", unit(0, -1, 0))]
    assert matched(found, known) == ("Ben", "Ada", "A", "B")


def test_a_letter_that_is_a_name_is_not_given_twice() -> None:
    assert matched(told([None, unit(1, 0), None]), [("A", unit(1, 0))]) == ("B", "A", "C")


axes = st.integers(0, 7).map(lambda place: np.eye(8, dtype=np.float32)[place])


@given(st.lists(st.none() | axes, max_size=40), st.lists(axes, max_size=4))
def test_names_are_one_to_one(voices: list[Embedding | None], known: list[Embedding]) -> None:
    names = [f"person {number}" for number in range(len(known))]
    found = matched(told(voices), list(zip(names, known, strict=True)))
    assert len(found) == len(voices) == len(set(found))
    for name, voice in zip(found, voices, strict=True):
        if name in names:
            assert voice is not None and float(voice @ known[names.index(name)]) >= ALIKE
    unknown = [name for name in found if name not in names]
    assert unknown == sorted(unknown, key=lambda name: (len(name), name))

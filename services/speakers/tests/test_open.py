"""The diarizer that needs no token, with its own weights, on a conversation whose speakers are known."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from stt_core.engine.protocol import Samples
from stt_speakers.diarization.open import OpenDiarizer
from stt_speakers.diarization.protocol import Diarization, DiarizationUnavailable, Turn
from stt_speakers.sound import Sound
from stt_testing import sounds
from stt_testing.conversation import conversation, turns
from stt_testing.models import OPEN, fetched

FOLDER = fetched(OPEN) / OPEN.replace("/", "--")


@pytest.fixture(scope="module")
def diarizer() -> OpenDiarizer:
    return OpenDiarizer(FOLDER, 2)


@pytest.fixture(scope="module")
def talk() -> Samples:
    return sounds.samples(conversation()).astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="module")
def found(diarizer: OpenDiarizer, talk: Samples) -> Diarization:
    return diarizer.diarize(Sound(talk), None, None, quiet)


def quiet(share: float) -> None:
    assert 0 <= share <= 1


def annotation(spans: list[tuple[float, float, str]]) -> Annotation:
    whole = Annotation()
    for number, (start, end, speaker) in enumerate(spans):
        whole[Segment(start, end), number] = speaker
    return whole


def error_rate(found: tuple[Turn, ...], reference: list[tuple[float, float, str]]) -> float:
    told = annotation([(turn.start, turn.end, str(turn.speaker)) for turn in found])
    return float(DiarizationErrorRate()(annotation(reference), told))


def overlaps(found: tuple[Turn, ...]) -> float:
    spans = sorted((turn.start, turn.end) for turn in found)
    return sum(max(0.0, end - start) for (_, end), (start, _) in pairwise(spans))


@pytest.mark.filterwarnings("ignore:'uem' was approximated")
def test_two_people_are_told_apart(found: Diarization) -> None:
    assert error_rate(found.turns, turns()) < 0.06
    assert [turn.start for turn in found.turns] == sorted(turn.start for turn in found.turns)
    assert list(dict.fromkeys(turn.speaker for turn in found.turns)) == [0, 1]


def test_overlaps_are_heard_and_exclusive_turns_have_none(found: Diarization, talk: Samples) -> None:
    assert overlaps(found.turns) > 0.5
    assert overlaps(found.exclusive) == 0
    assert {turn.speaker for turn in found.exclusive} == {0, 1}
    assert all(0 <= turn.start < turn.end <= len(talk) / sounds.RATE for turn in found.turns + found.exclusive)


def test_each_has_a_voice_of_their_own(diarizer: OpenDiarizer, found: Diarization, talk: Samples) -> None:
    voice = diarizer.voice(talk[int(22 * sounds.RATE) : int(27 * sounds.RATE)])
    first, second = found.voices
    assert voice is not None and first is not None and second is not None
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    other, own = sorted([float(voice @ first), float(voice @ second)])
    assert other < 0.55 < 0.7 < own


def test_a_recording_of_many_parts_keeps_its_speakers(diarizer: OpenDiarizer, talk: Samples) -> None:
    long = diarizer.diarize(Sound(np.tile(talk, 4)), None, None, quiet)
    assert len(long.voices) == 2
    reference = [(s + 30 * n, e + 30 * n, who) for n in range(4) for s, e, who in turns()]
    assert error_rate(long.turns, reference) < 0.1


@pytest.mark.parametrize(("least", "most", "speakers"), [(5, 5, 5), (1, 1, 1), (2, 4, 2), (60, None, None)])
def test_a_number_of_speakers_is_kept_where_it_can_be(
    diarizer: OpenDiarizer, talk: Samples, least: int, most: int | None, speakers: int | None
) -> None:
    told = diarizer.diarize(Sound(talk), least, most, quiet)
    assert len(told.voices) == speakers or (speakers is None and 2 <= len(told.voices) <= 60)


def test_one_asked_for_as_five_gives_what_can_be_told(diarizer: OpenDiarizer) -> None:
    samples = sounds.samples(sounds.speech()).astype(np.float32) / 32768
    assert len(diarizer.diarize(Sound(samples), None, None, quiet).voices) == 1
    assert 1 <= len(diarizer.diarize(Sound(samples), 5, 5, quiet).voices) <= 5


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(40 * sounds.RATE, np.float32),
        np.sin(np.outer(np.arange(15 * sounds.RATE) / sounds.RATE, [1600, 2000, 2400])).mean(1).astype("f"),
        np.random.default_rng(1).normal(0, 0.05, 12 * sounds.RATE).astype(np.float32),
    ],
    ids=["nothing", "one sample", "silence", "a chord", "noise"],
)
def test_where_nobody_speaks_there_are_no_turns(diarizer: OpenDiarizer, samples: Samples) -> None:
    told = diarizer.diarize(Sound(samples), 2, None, quiet)
    assert (told.turns, told.exclusive, told.voices) == ((), (), ())
    assert diarizer.voice(samples) is None


def test_a_clip_under_a_second_is_somebody(diarizer: OpenDiarizer, talk: Samples) -> None:
    part = talk[int(12 * sounds.RATE) : int(12.8 * sounds.RATE)]
    told = diarizer.diarize(Sound(part), None, None, quiet)
    assert {turn.speaker for turn in told.turns} == {0}
    assert diarizer.voice(part) is None


class Enough(Exception):
    """The caller has gone."""


def after(calls: int) -> tuple[list[float], Callable[[float], None]]:
    shares: list[float] = []

    def progress(share: float) -> None:
        shares.append(share)
        if len(shares) == calls:
            raise Enough

    return shares, progress


def test_progress_comes_often_and_ends_the_work(diarizer: OpenDiarizer, talk: Samples) -> None:
    long = Sound(np.tile(talk, 20))
    shares, progress = after(3)
    with pytest.raises(Enough):
        diarizer.diarize(long, None, None, progress)
    assert shares == sorted(shares) and shares[-1] < 0.5


def test_weights_that_are_not_there_or_not_whole_are_told(tmp_path: Path) -> None:
    with pytest.raises(DiarizationUnavailable, match=r"Diarization is unavailable: .* run `greffier deploy`"):
        OpenDiarizer(tmp_path, 1).load()
    for name in ("segmentation.pt", "embedding.pt"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes()[:100_000])
    with pytest.raises(DiarizationUnavailable):
        OpenDiarizer(tmp_path, 1).load()


def test_it_starts_without_the_large_libraries() -> None:
    code = f"""
import sys
from pathlib import Path
from stt_speakers.diarization.open import OpenDiarizer
assert "torch" not in sys.modules
OpenDiarizer(Path({str(FOLDER)!r}), 1).load()
assert not {{"pyannote.audio", "torchaudio", "lightning", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)

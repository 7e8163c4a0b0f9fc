"""What the open diarizer is made of: its networks against those they were trained as, and its pure middle."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stt_speakers.audio_library import prepare
from stt_speakers.diarization import clustering
from stt_speakers.diarization.fbank import fbank
from stt_speakers.diarization.segmentation import Segmentation
from stt_speakers.diarization.timeline import CERTAIN, FRAMES, LOCALS, WINDOW, joined, runs, turns
from stt_testing.models import OPEN, fetched

FOLDER = fetched(OPEN) / OPEN.replace("/", "--")
NOISE = torch.from_numpy(np.random.default_rng(7).normal(0, 0.1, (2, WINDOW)).astype(np.float32))


def test_the_segmentation_is_pyannotes() -> None:
    prepare()
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    whole = torch.load(FOLDER / "segmentation.pt", weights_only=True)
    theirs = PyanNet(sincnet={"stride": 10}, lstm=whole["model"]["lstm"], linear=whole["model"]["linear"])
    theirs.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["a", "b", "c"],
        powerset_max_classes=2,
    )
    theirs.build()
    theirs.load_state_dict(whole["state_dict"])
    with torch.inference_mode():
        expected = theirs.eval()(NOISE[:, None]).exp()
        found = Segmentation(whole["state_dict"])(NOISE)
    assert found.shape == (2, FRAMES, 7)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_energies_are_kaldis() -> None:
    prepare()
    from torchaudio.compliance import kaldi

    expected = kaldi.fbank(NOISE[:1, :16_000], num_mel_bins=80, sample_frequency=16_000, dither=0.0)
    torch.testing.assert_close(fbank(NOISE[0, :16_000]), expected, rtol=0, atol=2e-3)
    assert fbank(NOISE[0, :399]).shape == (0, 80)


@given(arrays.arrays(np.bool_, st.integers(0, 60)), st.integers(0, 5))
def test_stretches_are_what_is_marked(frames: np.ndarray, pause: int) -> None:
    again = np.zeros_like(frames)
    for first, last in runs(frames):
        again[first:last] = True
    assert (again == frames).all()
    whole = joined(runs(frames), pause)
    assert all(later - earlier > pause for (_, earlier), (later, _) in pairwise(whole))
    assert all(any(a <= first and last <= b for a, b in whole) for first, last in runs(frames))


@st.composite
def heard(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Windows in which people speak at random, and who was recognised in them."""
    windows = draw(st.integers(1, 4))
    starts = np.cumsum([0, *draw(st.lists(st.integers(1, 300), min_size=windows - 1, max_size=windows - 1))])
    activity = np.zeros((windows, FRAMES, LOCALS), np.uint8)
    pieces = []
    for window in range(windows):
        for number in range(LOCALS):
            first, last = sorted(draw(st.tuples(st.integers(0, FRAMES), st.integers(0, FRAMES))))
            activity[window, first:last, number] = draw(st.integers(0, CERTAIN))
            pieces.append((window, number, first, last))
    speakers = draw(st.lists(st.integers(0, 3), min_size=len(pieces), max_size=len(pieces)))
    return activity, starts, np.array(pieces), np.array(speakers)


@given(heard())
def test_turns_are_in_order_within_the_recording_and_alone_where_asked(
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    activity, starts, pieces, speakers = given
    said, one = (turns(activity, starts, pieces, speakers, alone) for alone in (False, True))
    for told in (said, one):
        assert [turn.start for turn in told] == sorted(turn.start for turn in told)
        assert all(0 <= turn.start < turn.end and turn.speaker in speakers for turn in told)
    assert all(first.end <= second.start for first, second in pairwise(one))
    for speaker in set(speakers.tolist()):
        own = [turn for turn in said if turn.speaker == speaker]
        assert all(first.end < second.start for first, second in pairwise(own))


def voices(people: int, each: int, seed: int = 0) -> np.ndarray:
    """Embeddings of so many people who are unlike each other, by turns."""
    draw = np.random.default_rng(seed)
    own = np.eye(192)[:people]
    found = np.tile(own, (each, 1)) + draw.normal(0, 0.02, (people * each, 192))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("people", "each"), [(1, 1), (1, 20), (4, 5), (60, 6), (3, 800), (1, 1501)])
def test_each_person_is_one_speaker(people: int, each: int) -> None:
    labels = clustering.speakers(voices(people, each), np.full(people * each, 2.0), None, None)
    assert len(np.unique(labels)) == people
    assert all(len(np.unique(labels[person::people])) == 1 for person in range(people))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 8), st.integers(0, 5))
def test_the_number_of_speakers_is_within_its_bounds(people: int, each: int, least: int, more: int) -> None:
    count = people * each
    labels = clustering.speakers(voices(people, each), np.full(count, 2.0), least, least + more)
    assert labels.shape == (count,) and set(labels.tolist()) == set(range(int(labels.max()) + 1))
    assert labels.max() + 1 <= least + more
    if people in range(least, least + more + 1):
        assert labels.max() + 1 == people


@given(
    arrays.arrays(np.float32, (3, 3), elements=st.floats(-1, 1, width=32), unique=True),
    st.permutations(range(3)),
)
def test_those_who_speak_at_once_are_not_one(likeness: np.ndarray, order: list[int]) -> None:
    apart = ~np.eye(3, dtype=bool)
    labels = clustering.assigned(likeness, np.array(order, float), apart)
    assert sorted(labels.tolist()) == [0, 1, 2]
    longest = int(np.argmax(order))
    assert labels[longest] == likeness[longest].argmax()
    free = clustering.assigned(likeness, np.array(order, float), ~apart & apart)
    assert free.tolist() == likeness.argmax(1).tolist()


def test_a_stray_is_not_a_speaker() -> None:
    points = voices(2, 20)
    seconds = np.full(len(points), 2.0)
    points[7] = np.eye(192, dtype=np.float32)[100]
    labels = clustering.speakers(points, seconds, None, None)
    assert len(np.unique(labels)) == 2

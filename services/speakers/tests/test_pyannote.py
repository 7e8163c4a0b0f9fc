"""pyannote's own pipelines from local folders: the library's real code, around weights that are at hand."""

import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pipelines
import pytest
import yaml

from stt_speakers.diarization.protocol import Diarization, DiarizationUnavailable
from stt_speakers.diarization.pyannote import PyannoteDiarizer
from stt_speakers.sound import Sound
from stt_testing import sounds
from stt_testing.conversation import conversation, turns
from stt_testing.models import OPEN, fetched

BEGIN, END = 6.5, 18.5
"""Seconds of the sample, in which both speak."""


def weights() -> Path:
    return fetched(OPEN) / OPEN.replace("/", "--")


def part(start: float, end: float) -> Sound:
    return Sound(sounds.samples(conversation())[round(start * sounds.RATE) : round(end * sounds.RATE)])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both pipelines, as the kit has fetched them."""
    models = tmp_path_factory.mktemp("models")
    pipelines.community(weights(), models, pipelines.campplus(weights()))
    pipelines.legacy(weights(), models, pipelines.untrained())
    pipelines.record(models)
    return models


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("nothing may ask the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def community(models: Path) -> PyannoteDiarizer:
    return diarizer(models, pipelines.COMMUNITY)


def diarizer(models: Path, name: str) -> PyannoteDiarizer:
    return PyannoteDiarizer(models / name.replace("/", "--"), name, 1, "cpu")


def error_rate(found: Diarization) -> float:
    """Of the excerpt: collar 0, overlaps in."""
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    truth, told = Annotation(), Annotation()
    for number, (start, end, speaker) in enumerate(turns()):
        if start < END:
            truth[Segment(start - BEGIN, min(END, end) - BEGIN), number] = speaker
    for number, one in enumerate(found.turns):
        told[Segment(one.start, one.end), number] = str(one.speaker)
    return float(DiarizationErrorRate()(truth, told, uem=Segment(0, END - BEGIN)))


def test_a_pipeline_tells_two_people_apart(community: PyannoteDiarizer) -> None:
    shares: list[float] = []
    found = community.diarize(part(BEGIN, END), 2, 2, shares.append)
    assert error_rate(found) < 0.15
    assert shares == sorted(shares) and len(shares) > 3 and shares[-1] == 1
    assert list(dict.fromkeys(turn.speaker for turn in found.turns)) == [0, 1]
    assert all(one.end <= two.start for one, two in zip(found.exclusive, found.exclusive[1:], strict=False))
    voices = [voice for voice in found.voices if voice is not None]
    assert [float(np.linalg.norm(voice)) for voice in voices] == pytest.approx([1, 1])

    sheila = community.voice(part(14.6, 17.6).between(0, 3 * sounds.RATE))
    assert sheila is not None
    likeness = [float(voice @ sheila) for voice in voices]
    assert likeness.index(max(likeness)) == 1  # Diane speaks first


def test_more_people_than_voices_are_as_many_as_there_are(community: PyannoteDiarizer) -> None:
    found = community.diarize(part(12.5, 17.9), 60, 60, lambda share: None)
    assert 1 <= len(found.voices) <= 3


def test_nobody_speaks_in_silence(community: PyannoteDiarizer) -> None:
    for samples in (np.zeros(0, np.int16), np.zeros(40_000, np.float32)):
        found = community.diarize(Sound(samples), None, None, lambda share: None)
        assert found == Diarization((), (), ()) or not found.turns
    assert community.voice(np.zeros(40_000, np.float32)) is None


def test_what_progress_raises_ends_it(community: PyannoteDiarizer) -> None:
    class Left(Exception):
        pass

    def leave(share: float) -> None:
        raise Left

    with pytest.raises(Left):
        community.diarize(part(BEGIN, 11.5), None, None, leave)


def test_the_older_pipeline_finds_its_models_beside_it(models: Path) -> None:
    found = diarizer(models, pipelines.LEGACY).diarize(part(BEGIN, 11.5), None, 2, lambda share: None)
    assert found.turns and len(found.voices) <= 2


def test_a_folder_of_the_operators_own_has_no_record(models: Path, tmp_path: Path) -> None:
    own = tmp_path / "wespeaker pipeline"
    shutil.copytree(
        models / "pyannote--speaker-diarization-community-1",
        own,
        ignore=shutil.ignore_patterns(".greffier.json"),
    )
    PyannoteDiarizer(own, str(own), 1, "cpu").load()
    with pytest.raises(DiarizationUnavailable, match="give STT_DIARIZATION_MODEL another"):
        PyannoteDiarizer(tmp_path / "elsewhere", str(tmp_path / "elsewhere"), 1, "cpu").load()


def test_what_is_missing_is_named_with_what_to_do(models: Path, tmp_path: Path) -> None:
    def told(name: str) -> str:
        with pytest.raises(DiarizationUnavailable) as failure:
            diarizer(tmp_path, name).load()
        return str(failure.value)

    for part in (
        f"https://huggingface.co/{pipelines.COMMUNITY},",
        'secrets: {HF_TOKEN: "env:HF_TOKEN"}',
        "`greffier models pull`",
        "STT_DIARIZER",
    ):
        assert part in told(pipelines.COMMUNITY)

    folder = shutil.copytree(models / "pyannote--speaker-diarization-3.1", tmp_path / "x").rename(
        tmp_path / "pyannote--speaker-diarization-3.1"
    )
    assert f"https://huggingface.co/{pipelines.LEGACY_PARTS['segmentation']}," in told(pipelines.LEGACY)

    (folder / "config.yaml").write_text("pipeline: {}")
    assert "config.yaml is not the file that was pinned" in told(pipelines.LEGACY)

    half = tmp_path / "pyannote--speaker-diarization-community-1"
    shutil.copytree(models / half.name, half, ignore=shutil.ignore_patterns("plda.npz"))
    assert "plda.npz is missing" in told(pipelines.COMMUNITY)


def test_a_folder_of_the_operators_own_that_is_no_pipeline(models: Path, tmp_path: Path) -> None:
    own = shutil.copytree(models / "pyannote--speaker-diarization-community-1", tmp_path / "own")

    def told() -> str:
        with pytest.raises(DiarizationUnavailable) as failure:
            PyannoteDiarizer(own, str(own), 1, "cpu").load()
        return str(failure.value)

    (own / "embedding" / "pytorch_model.bin").write_bytes(b"half of it")
    assert "cannot be loaded" in told()
    (own / "embedding" / "pytorch_model.bin").unlink()
    assert f"{own / 'embedding' / 'pytorch_model.bin'} is missing" in told()
    config = yaml.safe_load((own / "config.yaml").read_text())
    config["pipeline"]["name"] = "os.system"
    (own / "config.yaml").write_text(yaml.safe_dump(config))
    assert "cannot be read as the configuration of a pyannote pipeline" in told()
    (own / "config.yaml").unlink()
    assert f"{own / 'config.yaml'} is missing" in told()

"""What a service does without the models that speakers need, and with little memory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from whisperx_process import COMMAND, MODEL, models

from stt_speakers.diarization.choose import Diarizers
from stt_speakers.diarization.protocol import DiarizationUnavailable
from stt_speakers.settings import Stages, from_environment
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.models import OPEN
from stt_testing.service import DEADLINE, Service, in_process
from stt_whisperx.__main__ import DEFAULTS

PATH = "/transcribe"


def copied(name: str, folder: Path) -> Path:
    """A model in another folder, by links: the folder may lie on another disk."""
    target = folder / name.replace("/", "--")
    shutil.copytree(models() / name.replace("/", "--"), target, copy_function=os.symlink)
    return target


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has no diarizer, and a language whose aligner is not there."""
    folder = tmp_path_factory.mktemp("lone")
    copied(MODEL, folder)
    environment = {"STT_MODELS_DIR": str(folder), "STT_ALIGN_MODELS": "en=somebody/wav2vec2-english"}
    with in_process(COMMAND, environment, MODEL, folder / "log") as (service, child):
        yield service
        assert "libtorch" not in Path(f"/proc/{child.pid}/maps").read_text(), "a wake must be quick"


def test_speakers_that_cannot_be_told_are_an_error_or_a_warning(lone: Service) -> None:
    error = refused(lone.post(sounds.clip(), path=PATH, diarize="true"), 424)
    assert error["code"] == "diarization_unavailable" and "greffier deploy" in error["message"]
    answer = lone.post(sounds.clip(), path=PATH, diarize="auto", align="false").json()
    assert set(answer) == {"segments", "language", "warnings"}
    assert [warning for warning in answer["warnings"] if OPEN in warning] == answer["warnings"]
    assert answer["segments"] and "speaker" not in answer["segments"][0]
    for response_format in ("json", "text", "srt", "vtt", "verbose_json", "diarized_json"):
        written = lone.post(sounds.clip(), path=PATH, diarize="auto", response_format=response_format)
        assert OPEN in written.headers["x-warning"] and "SPEAKER_" not in written.text


@pytest.mark.parametrize("stream", [False, True])
def test_openais_client_is_told_at_once(lone: Service, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        lone.client().audio.transcriptions.create(
            model="whisper-1",
            file=("a.wav", sounds.repeated(3)),
            response_format="diarized_json",
            stream=stream,
        )
    assert (caught.value.status_code, caught.value.code) == (424, "diarization_unavailable")


def test_an_aligner_that_is_not_there_is_a_warning(lone: Service) -> None:
    answer = lone.post(sounds.clip(), path=PATH).json()
    (warning,) = answer["warnings"]
    assert "somebody/wav2vec2-english" in warning
    assert answer["segments"][0]["words"]
    streamed = lone.post(sounds.clip(), stream="true", response_format="json").text
    assert "warning" not in streamed  # no words were asked for
    assert lone.get("/status").json()["aligners"] == {"en": "pocketsphinx", "other": "attention"}


def test_what_is_loaded_gives_way_where_memory_is_short(tmp_path: Path) -> None:
    environment = {"STT_MODELS_DIR": str(models()), "STT_MEMORY_BUDGET": "1"}
    with in_process(COMMAND, environment, MODEL, tmp_path / "log") as (service, _):
        for _ in range(2):
            answer = service.post(sounds.clip(), path=PATH, diarize="auto").json()
            assert answer["segments"][0]["speaker"] == "SPEAKER_00", answer
            assert service.get("/status").json()["diarizer"] == {"name": "open", "state": "unloaded"}
    assert "diarizer unloaded" in (tmp_path / "log").read_text()


def diarizers(folder: Path, **given: str) -> Diarizers:
    return Diarizers(folder, Stages(**given), 1, "cpu")  # type: ignore[arg-type]


def test_a_half_downloaded_model_is_named(tmp_path: Path) -> None:
    folder = copied(OPEN, tmp_path)
    diarizers(tmp_path).check()
    (folder / "embedding.pt").unlink()
    with pytest.raises(DiarizationUnavailable, match=r"embedding\.pt is missing; run `greffier deploy`"):
        diarizers(tmp_path).check()


def test_which_diarizer_it_is(tmp_path: Path) -> None:
    gated = "pyannote/speaker-diarization-community-1"
    assert diarizers(tmp_path).name == "open"
    with pytest.raises(DiarizationUnavailable, match=rf"https://huggingface.co/{gated}.*HF_TOKEN"):
        diarizers(tmp_path, diarizer="pyannote").check()
    (tmp_path / gated.replace("/", "--")).mkdir()
    assert diarizers(tmp_path).name == gated
    assert diarizers(tmp_path, diarizer="open").name == "open"
    own = tmp_path / "own"
    assert diarizers(tmp_path, diarization_model=str(own)).name == "open"
    own.mkdir()
    assert diarizers(tmp_path, diarization_model=str(own)).name == str(own)


@pytest.mark.parametrize(
    "variables",
    [
        {"STT_DIARIZER": "best"},
        {"STT_DIARIZATION_MODEL": "../x"},
        {"STT_ALIGN_MODELS": "fr=a b"},
        {"STT_ALIGN_MODELS": "xx=a/b"},
    ],
)
def test_a_wrong_setting_is_one_sentence(variables: dict[str, str]) -> None:
    done = subprocess.run(
        COMMAND,
        env={**os.environ, **variables, "STT_PORT": "0", "STT_MODELS_DIR": str(models()), "STT_MODEL": MODEL},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert next(iter(variables)) in done.stderr.strip().splitlines()[-1]


def test_an_aligners_language_is_the_transcripts() -> None:
    """nb is how people call what Whisper calls no."""
    asked = from_environment({"STT_ALIGN_MODELS": "nb=a/wav2vec2-norwegian,ger=a/wav2vec2-german"})
    assert dict(asked.align_models) == {"no": "a/wav2vec2-norwegian", "de": "a/wav2vec2-german"}


def test_its_usual_model_is_base() -> None:
    assert (DEFAULTS.model, DEFAULTS.port) == ("Systran/faster-whisper-base", 8002)

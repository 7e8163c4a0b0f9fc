"""POST /transcribe, GET /health and GET /status, as the users of this service know them."""

import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BASE, OPEN, TINY
from conversion import record

from stt_core.engine.protocol import Segment, Transcript
from stt_core.errors import StartError
from stt_core.server import process
from stt_core.settings import Settings
from stt_pytorch.__main__ import DEFAULTS, kind
from stt_pytorch.answer import body
from stt_pytorch.engine import PyTorchWhisper
from stt_pytorch.hardware import hardware
from stt_testing import sounds
from stt_testing.asserts import plain, refused
from stt_testing.films import Track, film
from stt_testing.service import DEADLINE, Service, serving, until


def conversation() -> bytes:
    """Thirty seconds of two people on the telephone, as a wav file: it comes with pyannote.audio."""
    found = find_spec("pyannote.audio")
    assert found and found.submodule_search_locations
    return (Path(found.submodule_search_locations[0]) / "sample" / "sample.wav").read_bytes()


def asked(service: Service, file: bytes | None, **fields: Any) -> dict[str, Any]:
    answer = service.post(file, path="/transcribe", **fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_it_answers_in_its_own_shape(service: Service) -> None:
    body = asked(service, sounds.speech(), language="en", model="base")
    names = ["transcript", "language", "segments", "speakers", "warnings", "model_used", "processing_time"]
    assert list(body) == names
    assert plain(body["transcript"]).endswith("ask what you can do for your country")
    assert body["transcript"] == " ".join(segment["text"] for segment in body["segments"])
    assert {tuple(segment) for segment in body["segments"]} == {("id", "start", "end", "text", "speaker")}
    assert [segment["id"] for segment in body["segments"]] == list(range(len(body["segments"])))
    times = [time for segment in body["segments"] for time in (segment["start"], segment["end"])]
    assert times == sorted(times) and 9 < times[-1] <= 11
    assert (body["language"], body["speakers"], body["model_used"]) == ("en", None, "whisper-base")
    assert body["warnings"] == [] and {segment["speaker"] for segment in body["segments"]} == {None}
    assert 0 < body["processing_time"] < 600


def test_two_voices_are_two_speakers(service: Service) -> None:
    other = sounds.spoken("No, the conference has been closed since morning, and nobody knows why.", "en+f4")
    talk = np.concatenate([sounds.samples(sounds.speech()), np.zeros(sounds.RATE, np.int16), other])
    body = asked(service, sounds.wav(talk), enable_diarization="true", language="en")
    assert [turn["speaker"] for turn in body["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert [list(turn) for turn in body["speakers"]] == [["speaker", "start", "end"]] * 2
    first, second = body["speakers"]
    assert first["end"] == pytest.approx(11, abs=1) and second["start"] == pytest.approx(12, abs=1)


def test_a_track_is_asked_for_and_its_times_are_the_films(service: Service) -> None:
    silence = Track(np.zeros(4 * sounds.RATE, np.int16), "aac", default=True)
    speech = Track(sounds.samples(sounds.clip()), "aac", start=5.0)
    file = film("matroska", silence, speech, picture="mpeg4", seconds=10)
    assert asked(service, file)["segments"] == []
    found = asked(service, file, track="2", language="en")
    assert found["segments"][0]["start"] > 4.5 and 7.5 < found["segments"][-1]["end"] <= 9.1
    error = refused(service.post(file, path="/transcribe", track="3"), 400)
    assert error["param"] == "track" and "it has 2" in error["message"]


def test_nobody_spoke(service: Service) -> None:
    body = asked(service, sounds.silence(3), enable_diarization="true")
    assert (body["transcript"], body["language"], body["segments"], body["speakers"]) == ("", None, [], [])


def test_what_is_wrong_is_named_with_what_is_known(service: Service) -> None:
    model = refused(service.post(sounds.clip(), path="/transcribe", model="whisper-9"), 404)
    assert (model["param"], model["code"]) == ("model", "model_not_found")
    assert BASE in model["message"] and TINY in model["message"]
    language = refused(service.post(sounds.clip(), path="/transcribe", language="klingon"), 400)
    assert language["param"] == "language" and "en, zh, de" in language["message"]
    for fields in ({"enable_diarization": "perhaps"}, {"model": "large-v3", "language": "en"}):
        answer = service.post(sounds.clip(), path="/transcribe", **fields)
        assert answer.json()["error"]["param"] == next(iter(fields))
    assert refused(service.post(None, path="/transcribe"), 400)["param"] == "file"
    assert refused(service.post(b"no sound", path="/transcribe"), 400)["param"] == "file"


def test_status_says_what_it_runs_on_and_whether_speakers_can_be_told(service: Service) -> None:
    body = service.get("/status").json()
    assert body["device"] in ("cuda", "mps", "cpu") and body["compute_type"] in ("float16", "float32")
    assert {model["name"] for model in body["known_models"]} == {BASE, TINY}
    assert BASE in {model["name"] for model in body["known_models"] if model["state"] == "loaded"}
    assert body["diarization_available"] is True and body["diarizer"]["name"] == "open"
    assert {"torch", "transformers"} <= set(body["libraries"])
    # As its clients look for it.
    assert body["service"] == "transcription-pytorch" and body["models"] == {
        "whisper": True,
        "diarization": True,
    }
    assert body["torch_version"] == torch.__version__ and body["cuda_available"] is torch.cuda.is_available()


HEALTHY = {
    "status": "healthy",
    "service": "transcription-pytorch",
    "available": True,
    "model_loaded": True,
    "diarization_available": True,
    "error": None,
}


def test_health_is_told_while_it_transcribes(service: Service) -> None:
    """Its page waits three seconds, and takes it for gone after that."""
    answers: list[dict[str, Any]] = []
    long = threading.Thread(target=lambda: answers.append(asked(service, sounds.parted(), language="en")))
    long.start()
    until(service.queued, "it is being transcribed")
    health, status = service.get("/health").json(), service.get("/status").json()
    assert not answers, "they were told while it was at work"
    own = {key: health[key] for key in (*HEALTHY, "device")}
    assert own == {**HEALTHY, "device": status["device"]} and status["queue"]["requests"] == 1
    long.join()
    assert answers[0]["transcript"]


def test_health_is_told_while_it_loads(models: Path) -> None:
    """And says that there is no model yet."""
    settings = Settings(port=0, model=BASE, models_dir=models, device="cpu", compute_type="float32")
    gate = threading.Event()

    class Held(PyTorchWhisper):
        def load(self, model: str) -> None:
            assert gate.wait(DEADLINE)
            super().load(model)

    made = kind(settings)
    held = replace(made, engine=lambda: Held(models, hardware("cpu", "float32", 1)))
    with process(held, settings) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        at = Service(f"http://127.0.0.1:{server.listener.getsockname()[1]}", BASE)
        told, status = at.get("/health").json(), at.get("/status").json()
        gate.set()
        until(lambda: at.get("/ready").status_code == 200, "ready")
        loaded = at.get("/health").json()
        server.stop()
        thread.join()
    own = {key: told[key] for key in (*HEALTHY, "device")}
    assert own == {**HEALTHY, "available": False, "model_loaded": False, "device": "cpu"} | {
        "diarization_available": told["diarization_available"]
    }
    assert status["models"]["whisper"] is False and loaded["model_loaded"] is True


@pytest.mark.parametrize("language", ["auto", "AUTO", ""])
def test_auto_and_nothing_are_to_be_detected(service: Service, language: str) -> None:
    assert asked(service, sounds.clip(), language=language)["language"] == "en"


def test_what_a_form_without_a_language_means_is_a_setting(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first clients knew a service that took it for French."""
    monkeypatch.setenv("STT_TRANSCRIBE_LANGUAGE", "French")
    settings = Settings(port=0, model=BASE, models_dir=models, device="cpu", compute_type="float32")
    with serving(kind(settings), settings) as french:
        assert asked(french, sounds.clip())["language"] == "fr"
        assert asked(french, sounds.clip(), language="")["language"] == "en"
        assert asked(french, sounds.clip(), language="auto")["language"] == "en"
        assert asked(french, sounds.clip(), language="en-US")["language"] == "en"
        assert french.post(sounds.clip()).json()["languages"] == [{"code": "en"}]  # of that path alone
    monkeypatch.setenv("STT_TRANSCRIBE_LANGUAGE", "klingon")
    with pytest.raises(StartError, match="STT_TRANSCRIBE_LANGUAGE='klingon'"):
        kind(settings)


@pytest.mark.parametrize("suffix", ["wav", "mp4", "mp3", "webm"])
def test_an_upload_is_what_it_is_whatever_it_is_called(service: Service, suffix: str) -> None:
    """Its page calls all of them audio.webm; a browser of Apple's records mp4."""
    sound = sounds.encoded(suffix, sounds.clip())
    answer = service.post(sound, "audio.webm", path="/transcribe", language="en")
    assert answer.status_code == 200 and "country" in answer.json()["transcript"]


def found_by_its_page(body: dict[str, Any]) -> list[str | None]:
    """Who said each segment, by the rule of its page and of its function: the first turn that holds it."""
    return [
        next(
            (
                turn["speaker"]
                for turn in body["speakers"]
                if turn["start"] <= segment["start"] and turn["end"] >= segment["end"]
            ),
            None,
        )
        for segment in body["segments"]
    ]


def test_every_segment_lies_within_one_turn(service: Service) -> None:
    body = asked(service, conversation(), enable_diarization="true", language="en")
    assert {turn["speaker"] for turn in body["speakers"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert found_by_its_page(body) == [segment["speaker"] for segment in body["segments"]]
    assert body["warnings"] == []


def test_its_button_finds_the_diarizer_ready(service: Service) -> None:
    answer = service.post(None, path="/download-pyannote")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "status": "success",
        "message": "Speakers are identified by open.",
        "diarization_available": True,
    }
    assert service.get("/status").json()["diarizer"] == {"name": "open", "state": "loaded"}


def test_without_a_diarizer_it_transcribes_without_speakers(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STT_DIARIZER", raising=False)
    settings = Settings(port=0, model=BASE, models_dir=models, device="cpu", compute_type="float32")
    with serving(kind(settings), settings) as alone:
        status = alone.get("/status").json()
        assert status["diarization_available"] is status["models"]["diarization"] is False
        assert alone.get("/health").json()["diarization_available"] is False
        body = asked(alone, sounds.clip(), enable_diarization="true", language="en")
        assert body["speakers"] is None and "your country" in body["transcript"]
        assert len(body["warnings"]) == 1 and "HF_TOKEN" in body["warnings"][0]
        insisted = alone.post(sounds.clip(), response_format="diarized_json", language="en")
        assert insisted.status_code == 424
        error = insisted.json()["error"]
        assert error["code"] == "diarization_unavailable" and "HF_TOKEN" in error["message"]
        button = alone.post(None, path="/download-pyannote")
        assert button.status_code == 424 and button.json() == {"error": error, "detail": error["message"]}


def test_a_diarizer_that_is_there_and_does_not_work_is_said(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its files are as they came, and what is in them is nothing."""
    for name in (BASE, TINY):
        (tmp_path / name.replace("/", "--")).symlink_to(models / name.replace("/", "--"))
    broken = tmp_path / OPEN.replace("/", "--")
    broken.mkdir()
    for file in (models / OPEN.replace("/", "--")).iterdir():
        (broken / file.name).write_bytes(b"nothing")
    record(broken)
    monkeypatch.setenv("STT_DIARIZER", "open")
    settings = Settings(port=0, model=BASE, models_dir=tmp_path, device="cpu", compute_type="float32")
    with serving(kind(settings), settings) as service:
        assert service.get("/status").json()["models"]["diarization"] is True  # nobody has tried
        body = asked(service, sounds.clip(), enable_diarization="true", language="en")
        assert body["speakers"] is None and "your country" in body["transcript"]
        (warning,) = body["warnings"]
        assert str(broken) in warning and "cannot be read" in warning
        assert service.get("/status").json()["models"]["diarization"] is False
        button = service.post(None, path="/download-pyannote")
        assert (button.status_code, button.json()["detail"]) == (424, warning)


def test_its_usual_model_is_medium() -> None:
    assert (DEFAULTS.model, DEFAULTS.port, DEFAULTS.device) == ("openai/whisper-medium", 8004, "auto")


def test_turns_are_segments_of_one_speaker_in_a_row() -> None:
    said = [("A", 0, 1), ("A", 0.9996, 2), ("B", 1.9, 4), (None, 4, 5), ("A", 5, 6), ("Zoë", 6, 7)]
    heard = Transcript("en", 7, tuple(Segment(start, end, "", speaker=name) for name, start, end in said))
    found = body(heard, "openai/whisper-base", 1, diarized=True)
    assert [(one.speaker, one.start, one.end) for one in found.speakers or []] == [
        ("SPEAKER_00", 0, 2),
        ("SPEAKER_01", 2, 4),
        ("SPEAKER_00", 5, 6),
        ("Zoë", 6, 7),
    ]
    assert found_by_its_page(found.model_dump()) == [segment.speaker for segment in found.segments]

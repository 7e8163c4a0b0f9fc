"""POST /transcribe and GET /status, as the users of this service know them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BASE, TINY

from stt_core.contract import sounds
from stt_core.contract.asserts import plain, refused
from stt_core.contract.service import Service, serving
from stt_core.engine import Segment
from stt_core.settings import Settings
from stt_pytorch.__main__ import USUAL, kind
from stt_pytorch.answer import speakers


def asked(service: Service, file: bytes | None, **fields: Any) -> dict[str, Any]:
    answer = service.post(file, path="/transcribe", **fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_it_answers_in_its_own_shape(service: Service) -> None:
    body = asked(service, sounds.speech(), language="en", model="base")
    names = ["transcript", "language", "segments", "speakers", "model_used", "processing_time"]
    assert list(body) == names
    assert plain(body["transcript"]).endswith("ask what you can do for your country")
    assert body["transcript"] == " ".join(segment["text"] for segment in body["segments"])
    assert {tuple(segment) for segment in body["segments"]} == {("id", "start", "end", "text")}
    assert [segment["id"] for segment in body["segments"]] == list(range(len(body["segments"])))
    times = [time for segment in body["segments"] for time in (segment["start"], segment["end"])]
    assert times == sorted(times) and 9 < times[-1] <= 11
    assert (body["language"], body["speakers"], body["model_used"]) == ("en", [], "whisper-base")
    assert 0 < body["processing_time"] < 600


def test_two_voices_are_two_speakers(service: Service) -> None:
    other = sounds.spoken("No, the conference has been closed since morning, and nobody knows why.", "en+f4")
    talk = np.concatenate([sounds.samples(sounds.speech()), np.zeros(sounds.RATE, np.int16), other])
    body = asked(service, sounds.wav(talk), enable_diarization="true", language="en")
    assert [turn["speaker"] for turn in body["speakers"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert [list(turn) for turn in body["speakers"]] == [["speaker", "start", "end"]] * 2
    first, second = body["speakers"]
    assert first["end"] == pytest.approx(11, abs=1) and second["start"] == pytest.approx(12, abs=1)


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
    assert {model["name"] for model in body["models"]} == {BASE, TINY}
    assert BASE in {model["name"] for model in body["models"] if model["state"] == "loaded"}
    assert body["diarization_available"] is True and body["diarizer"]["name"] == "open"
    assert {"torch", "transformers"} <= set(body["libraries"])
    assert service.get("/health").json() == {"status": "ok"}


def test_without_a_diarizer_it_transcribes_without_speakers(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STT_DIARIZER", raising=False)
    settings = Settings(port=0, model=BASE, models_dir=models, device="cpu", compute_type="float32")
    with serving(kind(settings), settings) as alone:
        assert alone.get("/status").json()["diarization_available"] is False
        body = asked(alone, sounds.clip(), enable_diarization="true", language="en")
        assert body["speakers"] == [] and "your country" in body["transcript"]
        insisted = alone.post(sounds.clip(), response_format="diarized_json", language="en")
        assert insisted.status_code == 424
        error = insisted.json()["error"]
        assert error["code"] == "diarization_unavailable" and "HF_TOKEN" in error["message"]


def test_its_usual_model_is_medium() -> None:
    assert (USUAL.model, USUAL.port, USUAL.device) == ("openai/whisper-medium", 8004, "auto")


def test_turns_are_segments_of_one_speaker_in_a_row() -> None:
    said = [("A", 0, 1), ("A", 1, 2), ("B", 3, 4), (None, 4, 5), ("A", 5, 6), ("Zoë", 6, 7)]
    found = speakers([Segment(start, end, "", speaker=name) for name, start, end in said])
    assert [(one.speaker, one.start, one.end) for one in found] == [
        ("SPEAKER_00", 0, 2),
        ("SPEAKER_01", 3, 4),
        ("SPEAKER_00", 5, 6),
        ("Zoë", 6, 7),
    ]

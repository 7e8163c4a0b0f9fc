"""The contract: whisper-asr-webservice's paths, by the requests of its clients."""

import re
from typing import Any

import httpx
import pytest
import requests

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, Service

CLOCK = r"\d\d:\d\d:\d\d"


def bazarr(service: Service, path: str, sound: bytes, **params: str) -> requests.Response:
    """As its Whisper provider asks: the samples alone, under the field's own name."""
    session = requests.Session()
    session.headers["User-Agent"] = "Subliminal/2.2.1"
    return session.post(
        service.url + path,
        params={**params, "encode": "false", "video_file": {"/tv/Show & Tell/S01E01 é.mkv"}},
        files={"audio_file": sounds.samples(sound).tobytes()},
        timeout=DEADLINE,
    )


def asr(service: Service, sound: bytes | None, path: str = "/asr", **params: str) -> httpx.Response:
    """As curl asks: a file in any format."""
    files = {"nothing" if sound is None else "audio_file": ("a é.wav", sound or b"")}
    return httpx.post(service.url + path, params=params, files=files, timeout=DEADLINE)


def test_bazarr_asks_for_subtitles(service: Service) -> None:
    answer = bazarr(service, "/asr", sounds.clip(), task="transcribe", language="en", output="srt")
    assert answer.status_code == 200, answer.text
    assert re.fullmatch(rf"(\d+\n{CLOCK},\d{{3}} --> {CLOCK},\d{{3}}\n(.+\n){{1,2}}\n?)+", answer.text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audio_file.srt"'


def test_bazarr_asks_for_english_subtitles(service: Service, able: Capabilities) -> None:
    answer = bazarr(service, "/asr", sounds.clip(), task="translate", language="fr", output="srt")
    if able.translation:
        assert answer.status_code == 200 and " --> " in answer.text
    else:
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "task"


def test_bazarr_asks_for_the_language(service: Service) -> None:
    answer = bazarr(service, "/detect-language", sounds.speech())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["detected_language"], body["language_code"]) == ("english", "en")
    assert body["confidence"] is None or 0.5 < body["confidence"] <= 1


def test_json_has_the_fields_of_faster_whispers_segments(service: Service) -> None:
    answer = asr(service, sounds.clip(), output="json", word_timestamps="true")
    assert answer.headers["content-disposition"] == 'attachment; filename="a%20%C3%A9.wav.json"'
    body = answer.json()
    assert set(body) == {"text", "segments", "language"} and body["language"] == "en"
    assert body["text"] == "".join(segment["text"] for segment in body["segments"])
    first = body["segments"][0]
    names = "id seek start end text tokens avg_logprob compression_ratio no_speech_prob words temperature"
    assert list(first) == names.split() and first["id"] == 1
    assert list(first["words"][0]) == ["start", "end", "word", "probability"]


def test_silence_has_no_language_and_no_subtitles(service: Service) -> None:
    found = bazarr(service, "/detect-language", sounds.silence(3)).json()
    assert found == {"detected_language": "undetermined", "language_code": "und", "confidence": 0.0}
    assert bazarr(service, "/asr", sounds.silence(3), output="srt").text == ""


WRONG: dict[str, dict[str, Any]] = {
    "output": {"output": "docx"},
    "task": {"task": "sing"},
    "language": {"language": "klingon"},
    "encode": {"encode": "perhaps"},
}


@pytest.mark.parametrize("param", WRONG)
def test_a_wrong_parameter_is_named(service: Service, param: str) -> None:
    assert refused(asr(service, sounds.clip(), **WRONG[param]), 400)["param"] == param


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
def test_what_is_no_audio(service: Service, path: str) -> None:
    assert refused(asr(service, None, path), 400)["param"] == "audio_file"
    assert refused(asr(service, b"no sound", path), 400)["param"] == "audio_file"
    assert refused(asr(service, b"", path, encode="false"), 400)["param"] == "audio_file"
    assert refused(httpx.post(service.url + path, data={"url": "x"}), 400)["param"] == "audio_file"

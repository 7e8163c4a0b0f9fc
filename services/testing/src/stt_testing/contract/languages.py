"""The contract: a language by any of its names, the same on every way in.

`able.languages` are those of the model; the others are refused, never passed over.
"""

import httpx
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStart
from wyoming.error import Error

from stt_core.engine.protocol import Capabilities
from stt_core.languages import NAMES
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.contract.asr import asr
from stt_testing.contract.wyoming import talk as wyoming
from stt_testing.contract.wyoming import utterance
from stt_testing.service import Service
from stt_testing.talk import talk as realtime

CALLED = {
    "nb": "no",
    "nb-NO": "no",
    "jv": "jw",
    "iw": "he",
    "mo": "ro",
    "castilian": "es",
    "ger": "de",
    "deu": "de",
    "fre": "fr",
    "fr_CA.UTF-8": "fr",
    "English": "en",
    "yue": "yue",
    "zh-yue": "yue",
}
"""What clients say -> Whisper's code."""

SAID = 1.5
"""Seconds of English that are taken for another language. Its words do not matter, and take long."""


def spoken(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["language"])


@pytest.mark.parametrize("called", CALLED)
def test_a_language_by_any_name(service: Service, able: Capabilities, called: str) -> None:
    """The prompt has the token of that language, or there is no answer."""
    asked = {"response_format": "verbose_json", "language": called}
    answer = service.post(sounds.clip(SAID), **asked)
    if CALLED[called] in able.languages:
        assert spoken(answer) == NAMES[CALLED[called]]
    else:
        error = refused(answer, 400)
        assert (error["param"], error["code"]) == ("language", "invalid_value")
        assert repr(called) in error["message"] and "; it knows " in error["message"]


@pytest.mark.parametrize("language", ["auto", "AUTO", "", " "])
def test_auto_is_to_be_detected(service: Service, language: str) -> None:
    verbose = service.post(sounds.clip(), response_format="verbose_json", language=language)
    assert spoken(verbose) == "english"
    assert spoken(asr(service, sounds.clip(), output="json", language=language)) == "en"


def known(able: Capabilities, code: str) -> str:
    return code if CALLED[code] in able.languages else "fr-CA"


@pytest.mark.parametrize("wanted", ["yue", "klingon", "sw-KE"])
def test_every_way_in_refuses_what_the_model_does_not_know(service: Service, able: Capabilities, wanted: str) -> None:
    """And takes what it knows, by today's code."""
    if wanted.split("-")[0] in able.languages:
        pytest.skip("the model knows it")
    sound, better = sounds.clip(SAID), known(able, "nb")
    code = CALLED.get(better, "fr")
    assert refused(service.post(sound, languages__=["en", wanted]), 400)["param"] == "languages"
    assert service.post(sound, languages__=["en", better]).status_code == 200
    assert refused(asr(service, sound, language=wanted), 400)["param"] == "language"
    assert spoken(asr(service, sound, output="json", language=better)) == code
    *_, last = wyoming(service, [Transcribe(language=wanted), AudioStart(sounds.RATE, 2, 1)])
    assert wanted in Error.from_event(last).text
    heard = wyoming(service, utterance(sounds.samples(sound), language=better), "transcript-stop")
    (transcript,) = (event for event in heard if Transcript.is_type(event.type))
    assert transcript.data["language"] == code
    with realtime(service) as session:
        for field, value in (("language", wanted), ("languages", ["en", wanted])):
            error = session.update(transcription={field: value})["error"]
            assert error["param"] == f"session.audio.input.transcription.{field}"
        for field, value in (("language", better), ("languages", ["en", better]), ("language", "auto")):
            assert session.update(transcription={field: value})["type"] == "session.updated"

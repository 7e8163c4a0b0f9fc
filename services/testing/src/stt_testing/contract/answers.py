"""The contract: every format of an answer, as the types of OpenAI's package have it.

`able` is a fixture of the engine's tests: what the engine says of itself. The rest it refuses by name.
"""

from typing import Literal

from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    Translation,
    TranslationVerbose,
)

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import plain, refused
from stt_testing.service import Service


def test_logprobs_are_those_of_the_text(service: Service, able: Capabilities) -> None:
    answer = service.post(sounds.speech(), include__="logprobs")
    if not able.logprobs:
        assert refused(answer, 400)["param"] == "include"
        return
    assert answer.status_code == 200, answer.text
    body = Transcription.model_validate(answer.json(), strict=True)
    assert body.logprobs
    assert b"".join(bytes(map(int, one.bytes or [])) for one in body.logprobs).decode() == body.text
    assert all(one.logprob is not None and one.logprob <= 0 for one in body.logprobs)
    assert "logprobs" not in service.post(sounds.speech()).json()


def test_the_language_is_told(service: Service) -> None:
    body = Transcription.model_validate(service.post(sounds.speech()).json(), strict=True)
    assert [language.code for language in body.languages or []] == ["en"]
    assert service.post(sounds.silence(3)).json()["languages"] == []


def test_speakers(service: Service, able: Capabilities) -> None:
    asked = {"response_format": "diarized_json", "chunking_strategy": "auto"}
    answer = service.post(sounds.speech(), **asked)
    if not able.speakers:
        assert refused(answer, 400)["param"] == "response_format"
        return
    assert answer.status_code == 200, answer.text
    body = TranscriptionDiarized.model_validate(answer.json(), strict=True)
    assert body.segments and body.text == " ".join(segment.text for segment in body.segments)
    assert len({segment.id for segment in body.segments}) == len(body.segments)


def test_translations(service: Service, able: Capabilities) -> None:
    answer = service.post(sounds.speech(), path="/v1/audio/translations", model="whisper-1")
    if not able.translation:
        assert refused(answer, 400)["param"] == "model"
        return
    assert answer.status_code == 200, answer.text
    assert Translation.model_validate(answer.json(), strict=True).text
    client = service.client().audio.translations
    sound = ("speech.wav", sounds.speech())
    verbose = client.create(model="whisper-1", file=sound, response_format="verbose_json", prompt="A speech.")
    body = TranslationVerbose.model_validate(verbose.model_dump(), strict=True)
    assert (body.language, body.duration) == ("english", 11.0)
    assert body.segments and body.text
    begins: dict[Literal["text", "srt", "vtt"], str] = {
        "text": body.text[:5],
        "srt": "1\n0",
        "vtt": "WEBVTT\n\n0",
    }
    for kind, begin in begins.items():
        assert client.create(model="whisper-1", file=sound, response_format=kind).startswith(begin)


def test_a_translation_has_no_other_formats(service: Service) -> None:
    answer = service.post(sounds.speech(), path="/v1/audio/translations", response_format="diarized_json")
    assert refused(answer, 400)["param"] == "response_format"
    assert refused(service.post(None, path="/v1/audio/translations", model="whisper-1"), 400)["param"] == "file"


def test_subtitles_are_cut_to_a_screen(service: Service) -> None:
    answer = service.post(sounds.parted(), response_format="srt")
    assert answer.status_code == 200, answer.text
    cues = [cue.split("\n") for cue in answer.text.strip().split("\n\n")]
    assert [cue[0] for cue in cues] == [str(number) for number in range(1, len(cues) + 1)]
    assert all(1 <= len(cue[2:]) <= 2 and max(map(len, cue[2:])) <= 42 for cue in cues)
    text = service.post(sounds.parted(), response_format="verbose_json").json()["text"]
    assert plain(" ".join(line for cue in cues for line in cue[2:])) == plain(text)

"""The contract: answers as events."""

import json
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from openai.types.audio import (
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import Service

TYPES: dict[str, Any] = {
    "transcript.text.delta": TranscriptionTextDeltaEvent,
    "transcript.text.done": TranscriptionTextDoneEvent,
    "transcript.text.segment": TranscriptionTextSegmentEvent,
}


def events(service: Service, file: bytes, **fields: Any) -> list[Any]:
    """The events of a stream, each of OpenAI's own type; [DONE] is their end. Comments say that it lives."""
    answer = service.post(file, stream="true", **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-request-id"]
    *blocks, done, rest = (block for block in answer.text.split("\n\n") if not block.startswith(":"))
    assert (done, rest) == ("data: [DONE]", "")
    found = [json.loads(block.removeprefix("data: ")) for block in blocks]
    return [TYPES[event["type"]].model_validate(event, strict=True) for event in found]


def joined(found: Sequence[Any]) -> str:
    return "".join(event.delta for event in found if event.type == "transcript.text.delta")


@pytest.mark.parametrize("response_format", ["json", "text"])
def test_deltas_are_the_text(service: Service, response_format: str) -> None:
    found = events(service, sounds.repeated(3), response_format=response_format)
    *deltas, done = found
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 1 and done.type == "transcript.text.done"
    assert joined(found) == done.text
    assert [language.code for language in done.languages] == ["en"]


def test_silence_streams_no_text(service: Service) -> None:
    (done,) = events(service, sounds.silence(3))
    assert (done.type, done.text) == ("transcript.text.done", "")


def test_logprobs_stream_too(service: Service, able: Capabilities) -> None:
    if not able.logprobs:
        assert refused(service.post(sounds.speech(), stream="true", include__="logprobs"), 400)
        return
    *deltas, done = events(service, sounds.parted(), include__="logprobs")
    logprobs = [one.model_dump() for event in deltas for one in event.logprobs]
    assert logprobs == [one.model_dump() for one in done.logprobs]
    assert b"".join(bytes(one.bytes) for one in done.logprobs).decode() == done.text


def test_speakers_stream_as_segments(service: Service, able: Capabilities) -> None:
    if not able.speakers:
        answer = service.post(sounds.speech(), stream="true", response_format="diarized_json")
        assert refused(answer, 400)["param"] == "response_format"
        return
    found = events(service, sounds.repeated(3), response_format="diarized_json")
    segments = [event for event in found if event.type == "transcript.text.segment"]
    assert " ".join(event.text for event in segments) == joined(found) == found[-1].text


def test_openais_client_reads_the_stream(service: Service) -> None:
    stream = service.client().audio.transcriptions.create(
        model="whisper-1", file=("a.wav", sounds.speech()), stream=True
    )
    found = list(stream)
    assert joined(found) == found[-1].text  # type: ignore[union-attr]


def test_what_is_no_audio_has_its_own_status(service: Service) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        service.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no"), stream=True)
    assert caught.value.param == "file"


@pytest.mark.parametrize("response_format", ["verbose_json", "srt", "vtt"])
def test_what_cannot_be_streamed_comes_whole(service: Service, response_format: str) -> None:
    """LiteLLM asks for verbose_json whatever its user wants, a stream too."""
    answer = service.post(sounds.clip(), stream="true", response_format=response_format)
    whole = service.post(sounds.clip(), response_format=response_format)
    assert (answer.status_code, answer.text) == (200, whole.text)
    assert answer.headers["content-type"] == whole.headers["content-type"]
    assert answer.headers["x-warning"].startswith("stream ")

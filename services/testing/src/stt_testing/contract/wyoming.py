"""The contract of Home Assistant's protocol, spoken with the client of its own package."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from stt_core.wyoming.events import LINE_BYTES, PAYLOAD_BYTES
from stt_testing import sounds
from stt_testing.asserts import plain
from stt_testing.service import DEADLINE, Service


def talk(service: Service, said: Iterable[Eventable | Event], until: str = "") -> list[Event]:
    """What is heard up to an event of that type, or to the end of the connection."""

    async def conversation() -> list[Event]:
        heard: list[Event] = []
        client = AsyncTcpClient("127.0.0.1", service.wyoming, DEADLINE, DEADLINE)
        async with client:
            for one in said:
                await client.write_event(one if isinstance(one, Event) else one.event())
            while (event := await client.read_event()) is not None:
                heard.append(event)
                if event.type == until:
                    break
        return heard

    return asyncio.run(conversation())


def utterance(samples: NDArray[Any], rate: int = sounds.RATE, channels: int = 1, **asked: Any) -> Iterator[Eventable]:
    """As Home Assistant sends it: what is wanted, and the audio in chunks of a tenth of a second."""
    audio, width = samples.tobytes(), samples.dtype.itemsize
    yield Transcribe(**asked)
    yield AudioStart(rate, width, channels)
    step = rate // 10 * width * channels
    for first in range(0, len(audio), step):
        yield AudioChunk(rate, width, channels, audio[first : first + step])
    yield AudioStop()


def spoken() -> NDArray[np.int16]:
    return sounds.samples(sounds.speech())


def text(events: list[Event]) -> str:
    (transcript,) = (event for event in events if Transcript.is_type(event.type))
    return Transcript.from_event(transcript).text


def test_wyoming_says_what_there_is(service: Service) -> None:
    (event,) = talk(service, [Describe()], "info")
    (program,) = Info.from_event(event).asr
    assert program.installed and program.supports_transcript_streaming
    named = {model.name: model for model in program.models}
    languages = named[service.model].languages
    assert named[service.model].installed and "en" in languages
    # Home Assistant offers what is on this list, and knows today's codes.
    assert ("nb" in languages) == ("no" in languages) and ("jv" in languages) == ("jw" in languages)


def test_wyoming_hears_what_http_hears(service: Service) -> None:
    events = talk(service, utterance(spoken(), language="en-US"), "transcript-stop")
    kinds = [event.type for event in events]
    assert kinds[0] == "transcript-start" and kinds[-2:] == ["transcript", "transcript-stop"]
    assert set(kinds[1:-2]) == {"transcript-chunk"}
    pieces = [TranscriptChunk.from_event(event).text for event in events[1:-2]]
    assert "".join(pieces).strip() == text(events)
    assert plain(text(events)) == plain(service.post(sounds.speech(), language="en").json()["text"])
    assert events[-2].data["language"] == "en"


AUDIO: dict[str, tuple[int, int]] = {"<i2": (48_000, 2), "<i4": (16_000, 1), "|u1": (8_000, 3)}
"""Type of a sample -> rate, channels."""


@pytest.mark.parametrize("kind", AUDIO)
def test_wyoming_takes_any_raw_audio(service: Service, kind: str) -> None:
    rate, channels = AUDIO[kind]
    samples = spoken()[np.arange(0, len(spoken()), sounds.RATE / rate).astype(int)]
    wide = {"<i2": samples, "<i4": samples.astype(np.int32) << 16, "|u1": (samples >> 8) + 128}[kind]
    frames = np.repeat(wide.astype(kind), channels)
    heard = text(talk(service, utterance(frames, rate, channels), "transcript-stop"))
    assert plain(heard).split()[-1] == plain(service.post(sounds.speech()).json()["text"]).split()[-1]


def test_wyoming_silence_is_no_text(service: Service) -> None:
    assert text(talk(service, utterance(np.zeros(sounds.RATE, np.int16)), "transcript-stop")) == ""
    assert text(talk(service, [AudioStart(16_000, 2, 1), AudioStop()], "transcript")) == ""


def test_wyoming_one_connection_serves_again_and_passes_over_what_it_does_not_know(service: Service) -> None:
    counted = 'stt_requests_total{route="wyoming",status="200"}'
    before = service.metric(counted)
    twice = [*utterance(spoken()), *utterance(spoken())]
    events = talk(service, [Event("select-program", {"name": "x"}), *twice, Ping("done")], "pong")
    assert [event.type for event in events].count("transcript") == 2
    assert Pong.from_event(events[-1]).text == "done"
    assert service.metric(counted) >= before + 2  # one of before may be counted late


START = AudioStart(16_000, 2, 1).event()
WRONG: dict[str, tuple[list[Eventable | Event], str]] = {
    "language": ([Transcribe(language="klingon"), START], "invalid_value"),
    "model": ([Transcribe(name="whisper-9"), START], "model_not_found"),
    "type of a field": ([Event("transcribe", {"language": 5})], "invalid_value"),
    "rate": ([AudioStart(0, 2, 1)], "invalid_value"),
    "another format": ([START, AudioChunk(8_000, 2, 1, b"ab")], "invalid_value"),
    "no format": ([Event("audio-chunk", {}, b"ab")], "invalid_value"),
    "chunk": ([START, AudioChunk(16_000, 2, 1, bytes(PAYLOAD_BYTES + 1))], "invalid_value"),
    "data": ([Event("transcribe", {"name": "x" * LINE_BYTES})], "invalid_value"),
    "upload": ([START, *[AudioChunk(16_000, 2, 1, bytes(10**6))] * 5], "utterance_too_long"),
    "line": ([Event("x" * LINE_BYTES)], "invalid_event"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wyoming_errors_are_sentences_and_the_end(service: Service, what: str) -> None:
    said, code = WRONG[what]
    *_, last = talk(service, said)
    error = Error.from_event(last)
    assert error.code == code and error.text.endswith(".")

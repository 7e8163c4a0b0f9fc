"""What reaches the engine of what OpenAI's client sends, and what events tell while it works."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import Toy

from stt_core.engine.protocol import Capabilities, Logprob, Segment, VadOptions, Voice, WindowResult
from stt_core.errors import ApiError
from stt_core.http import events, live
from stt_core.output import formats
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, Service, in_thread, until


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="module")
def service(toy: Toy) -> Iterator[Service]:
    with in_thread(toy, "toy/model") as running:
        yield running


def test_everything_reaches_the_engine(service: Service, toy: Toy) -> None:
    sample = sounds.speech()
    reference = "data:audio/wav;base64," + base64.b64encode(sample).decode()
    service.client().audio.transcriptions.create(
        model="whisper-1",
        file=("speech.wav", sample),
        languages=["en", "fr"],
        keywords=["Greffier", "Nginx"],
        prompt="A speech.",
        temperature=0.4,
        response_format="diarized_json",
        chunking_strategy={"type": "server_vad", "threshold": 0.3, "silence_duration_ms": 700},
        known_speaker_names=["agent", "customer"],
        known_speaker_references=[reference, reference],
        extra_body={"hotwords": "Debian"},
    )
    asked = toy.asked
    assert asked is not None
    assert (asked.language, asked.languages) == (None, ("en", "fr"))
    assert (asked.prompt, asked.hotwords, asked.temperature) == ("A speech.", "Greffier, Nginx, Debian", 0.4)
    assert asked.vad == VadOptions(threshold=0.3, silence=0.7)
    assert asked.speakers and asked.voices == (Voice("agent", sample), Voice("customer", sample))


def test_one_language_of_several_is_the_language(service: Service, toy: Toy) -> None:
    service.post(sounds.speech(), languages__="French")
    assert toy.asked and (toy.asked.language, toy.asked.temperature) == ("fr", None)


def test_subtitles_ask_for_words_and_translations_for_english(service: Service, toy: Toy) -> None:
    service.post(sounds.speech(), response_format="vtt")
    assert toy.asked and toy.asked.word_times
    answer = service.post(sounds.speech(), path="/v1/audio/translations")
    assert toy.asked.task == "translate" and answer.json()["text"].startswith("translated0 ")


def test_known_speakers_are_named(service: Service) -> None:
    sample = "data:audio/wav;base64," + base64.b64encode(b"RIFF").decode()
    asked: dict[str, Any] = {
        "known_speaker_names__": ["Ada", "Bo"],
        "known_speaker_references__": [sample, sample],
    }
    body = service.post(sounds.repeated(5), response_format="diarized_json", **asked).json()
    assert {segment["speaker"] for segment in body["segments"]} == {"Ada", "Bo"}
    for wrong in (
        asked | {"known_speaker_references__": [sample]},
        asked | {"known_speaker_references__": [sample, "a.wav"]},
        asked | {"known_speaker_references__": [sample, "data:audio/wav;base64,*"]},
    ):
        answer = service.post(sounds.speech(), response_format="diarized_json", **wrong)
        assert refused(answer, 400)["param"] == "known_speaker_references"
    assert refused(service.post(sounds.speech(), **asked), 400)["param"] == "known_speaker_names"


def test_what_the_engine_cannot_is_refused_by_name() -> None:
    plain = Capabilities(languages=("en",))
    with in_thread(Toy(plain), "toy/model") as service:
        beyond: dict[str, dict[str, Any]] = {
            "prompt": {"prompt": "x"},
            "keywords": {"keywords__": "x"},
            "hotwords": {"hotwords": "x"},
            "timestamp_granularities": {
                "response_format": "verbose_json",
                "timestamp_granularities__": "word",
            },
            "include": {"include__": "logprobs"},
            "response_format": {"response_format": "diarized_json"},
            "known_speaker_names": {"known_speaker_names__": "x"},
            "language": {"language": "fr"},
            "languages": {"languages__": ["en", "fr"]},
        }
        for param, fields in beyond.items():
            assert refused(service.post(sounds.speech(), **fields), 400)["param"] == param
        answer = service.post(sounds.speech(), path="/v1/audio/translations")
        assert refused(answer, 400)["param"] == "model"
        assert service.post(sounds.speech(), response_format="srt").status_code == 200


class Stepwise(Toy):
    """Its second forward waits for the gate."""

    def run(self, windows):  # type: ignore[no-untyped-def]
        if len(self.batches) == 1:
            self.gate.clear()
        return super().run(windows)


def test_text_comes_before_the_rest_is_heard_and_silence_is_bridged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENCE", 0.05)
    toy = Stepwise()
    files, fields = {"file": ("a.wav", sounds.repeated(9))}, {"stream": "true"}
    with in_thread(toy, "toy/model") as service:
        address = f"{service.url}/v1/audio/transcriptions"
        with httpx.stream("POST", address, files=files, data=fields, timeout=DEADLINE) as answer:
            lines = answer.iter_lines()
            first = next(line for line in lines if line.startswith("data"))
            assert json.loads(first.removeprefix("data: "))["delta"].startswith("second0 ")
            until(lambda: len(toy.batches) == 2, "the second forward runs, held by the gate")
            assert next(line for line in lines if line.startswith(":"))
            toy.gate.set()
            rest = list(lines)
        assert "data: [DONE]" in rest


def test_a_stream_that_breaks_off_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Stepwise()
    with in_thread(toy, "toy/model") as service:
        stream = service.client().audio.transcriptions.create(
            model="whisper-1", file=("a.wav", sounds.repeated(9)), prompt="x", stream=True
        )
        first = next(stream)
        assert first.type == "transcript.text.delta"
        until(lambda: len(toy.batches) == 2, "the second forward runs")
        toy.poison = "x"
        toy.gate.set()
        with pytest.raises(openai.APIError, match="failed inside the service"):
            list(stream)
        until(lambda: service.queued() == 0, "its place is free again")


@given(st.lists(st.text(st.sampled_from("ab \n"), max_size=5)))
def test_deltas_joined_are_the_text(texts: list[str]) -> None:
    growing = events.Growing()
    assert "".join(growing.more(text) for text in texts) == "".join(texts).strip() == growing.sent


def test_tokens_are_those_of_the_text() -> None:
    raw = [b" ", b" caf", b"\xc3", b"\xa9", b" au"]
    segment = Segment(0, 1, "  caf\u00e9 au", logprobs=tuple(Logprob(one, -0.5) for one in raw))
    found = formats.logprobs([segment])
    assert [one.token for one in found] == ["caf", "\ufffd", "\ufffd", " au"]
    assert bytes(byte for one in found for byte in one.bytes).decode() == segment.text.strip()
    telling = events.Telling(with_logprobs=True, diarized=False)
    told = [
        json.loads(event.removeprefix(b"data: "))
        for part in (segment, segment)
        for event in telling.heard(WindowResult("en", (part,)))
    ]
    assert [len(event["logprobs"]) for event in told] == [4, 5]


def test_an_error_event_is_openais() -> None:
    kind, data, *_ = events.failed(ApiError("It broke.", code="x")).decode().split("\n")
    assert kind == "event: error" and json.loads(data.removeprefix("data: "))["error"]["message"] == "It broke."

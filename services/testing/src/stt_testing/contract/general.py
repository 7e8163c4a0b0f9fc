"""The contract. Each function is a test; `service` and `committed` are the engine's fixtures."""

import http.client
import json
import random
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.model import Model

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.service import DEADLINE, UPLOAD_LIMIT, Service, until


def test_json_is_openais_own_type(service: Service) -> None:
    answer = service.post(sounds.speech(), model="whisper-1")
    assert answer.status_code == 200, answer.text
    transcription = Transcription.model_validate(answer.json(), strict=True)
    assert transcription.text
    assert answer.headers["x-request-id"]


def test_verbose_json_is_openais_own_type(service: Service) -> None:
    answer = service.post(
        sounds.parted(),
        model=service.model,
        response_format="verbose_json",
        timestamp_granularities__=["word", "segment"],
    )
    assert answer.status_code == 200, answer.text
    body = TranscriptionVerbose.model_validate(answer.json(), strict=True)
    assert body.language == "english"
    assert body.duration == pytest.approx(25.0, abs=0.01)
    assert body.segments and body.words
    assert body.text == "".join(segment.text for segment in body.segments).strip()
    times = [time for segment in body.segments for time in (segment.start, segment.end)]
    assert times == sorted(times) and times[-1] <= body.duration
    times = [time for word in body.words for time in (word.start, word.end)]
    assert times == sorted(times)
    inside = [
        word
        for word in body.words
        if any(segment.start <= word.start and word.end <= segment.end for segment in body.segments)
    ]
    assert inside == body.words
    # Not OpenAI's, but what its users look for: the words of each segment.
    own = [segment.model_extra["words"] for segment in body.segments if segment.model_extra]
    assert [word for words in own for word in words] == [word.to_dict() for word in body.words]


def test_granularities_with_and_without_brackets(service: Service) -> None:
    for field in ("timestamp_granularities", "timestamp_granularities__"):
        words = service.post(sounds.speech(), response_format="verbose_json", **{field: "word"}).json()
        assert "words" in words and "segments" not in words
    segments = service.post(sounds.speech(), response_format="verbose_json").json()
    assert "segments" in segments and "words" not in segments


def test_subtitles_and_text(service: Service) -> None:
    client = service.client()
    sound = ("speech.wav", sounds.speech())
    text = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="text")
    assert text.endswith("\n") and text.strip()
    srt = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="srt")
    clock = r"\d\d:\d\d:\d\d"
    assert re.fullmatch(rf"(\d+\n{clock},\d{{3}} --> {clock},\d{{3}}\n(.+\n)+\n?)+", srt)
    vtt = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="vtt")
    assert re.fullmatch(rf"WEBVTT\n\n({clock}\.\d{{3}} --> {clock}\.\d{{3}}\n(.+\n)+\n?)+", vtt)


@pytest.mark.parametrize("suffix", sorted(sounds.ENCODINGS))
def test_every_format(service: Service, suffix: str) -> None:
    answer = service.post(sounds.encoded(suffix), f"speech.{suffix}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"]
    assert answer.json()["usage"]["seconds"] == pytest.approx(4, abs=0.2)


def test_silence_is_no_text(service: Service) -> None:
    answer = service.post(sounds.silence(35), response_format="verbose_json").json()
    assert (answer["text"], answer["segments"], answer["duration"]) == ("", [], 35.0)


def test_a_file_that_breaks_off_gives_what_could_be_decoded(service: Service) -> None:
    file = sounds.encoded("mp3")
    answer = service.post(file[: len(file) // 2])
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"]
    assert answer.json()["usage"]["seconds"] < 3


BAD_AUDIO = {
    "a text file": b"It was a bright cold day in April.\n" * 100,
    "an empty file": b"",
    "no audio track": sounds.film_without_sound(),
    "no samples": sounds.wav(np.zeros(0)),
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n",
}


@pytest.mark.parametrize("what", BAD_AUDIO)
def test_bad_audio_is_a_sentence(service: Service, what: str) -> None:
    error = refused(service.post(BAD_AUDIO[what]), 400)
    assert error["param"] == "file"


BAD_FIELDS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": "3"},
    "response_format": {"response_format": "docx"},
    "language": {"language": "klingon"},
    "timestamp_granularities": {"response_format": "verbose_json", "timestamp_granularities__": "letter"},
    "stream": {"stream": "perhaps"},
    "languages": {"languages__": ["en", "klingon"]},
    "include": {"include__": "everything"},
    "chunking_strategy": {"chunking_strategy": "sometimes"},
    "known_speaker_names": {"known_speaker_names__": ["a", "b", "c", "d", "e"]},
}


@pytest.mark.parametrize("param", BAD_FIELDS)
def test_bad_fields_are_named(service: Service, param: str) -> None:
    error = refused(service.post(sounds.speech(), **BAD_FIELDS[param]), 400)
    assert error["param"] == param


LEFT_OUT: dict[str, dict[str, Any]] = {
    "timestamp_granularities": {"timestamp_granularities__": ["segment", "word"]},
    "include": {"include__": "logprobs", "response_format": "verbose_json"},
}


@pytest.mark.parametrize("param", LEFT_OUT)
def test_what_a_format_has_no_place_for_is_left_out_and_said(service: Service, param: str) -> None:
    """As OpenAI's API has it for its newer models; Vercel's client sends both with any format."""
    fields = LEFT_OUT[param]
    answer = service.post(sounds.clip(), **fields)
    kept = {name: value for name, value in fields.items() if not name.startswith(param)}
    plain = service.post(sounds.clip(), **kept)
    assert (answer.status_code, answer.json()) == (200, plain.json())
    assert param in answer.headers["x-warning"] and "x-warning" not in plain.headers


@pytest.mark.parametrize(
    "fields",
    [
        {"chunking_strategy": '{"type": "server_vad", "threshold": 0.3}'},
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "500"},
        {"chunking_strategy": "auto", "languages": "en", "stream": "false", "vad_filter": "true"},
        {"languages": ["en", "fr"], "keywords": "country", "keywords__": "Americans", "language": ""},
    ],
)
def test_objects_lists_and_unknown_fields(service: Service, able: Capabilities, fields: dict[str, Any]) -> None:
    if not able.hotwords:
        fields = {name: value for name, value in fields.items() if not name.startswith("keywords")}
    answer = service.post(sounds.speech(), **fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"]


@pytest.mark.parametrize("field", ["type", "threshold", "silence_duration_ms"])
def test_a_wrong_part_of_an_object_is_named(service: Service, field: str) -> None:
    wrong = {"chunking_strategy[type]": "server_vad", f"chunking_strategy[{field}]": "-1"}
    error = refused(service.post(sounds.speech(), **wrong), 400)
    assert error["param"] == "chunking_strategy" and field in error["message"]


def test_a_field_that_is_too_long_is_named(service: Service) -> None:
    error = refused(service.post(sounds.speech(), prompt="word " * 20_000), 400)
    assert error["param"] == "prompt"


def test_no_file(service: Service) -> None:
    assert refused(service.post(None, model="whisper-1"), 400)["param"] == "file"
    address = f"{service.url}/v1/audio/transcriptions"
    refused(httpx.post(address, content=b"{}"), 400)
    refused(httpx.post(address, content=b"x", headers={"content-type": "multipart/form-data"}), 400)


def test_unknown_paths_and_methods(service: Service) -> None:
    refused(service.get("/v2/nothing"), 404)
    refused(service.get("/docs/nothing.js"), 404)
    answer = service.get("/v1/audio/translations")
    refused(answer, 405)
    assert "POST" in answer.headers["allow"]


def test_models(service: Service) -> None:
    client = service.client()
    assert service.model in [model.id for model in client.models.list()]
    assert client.models.retrieve(service.model).id == service.model
    for body in service.get("/v1/models").json()["data"]:
        Model.model_validate(body, strict=True)


def test_an_unknown_model_names_the_known_ones(service: Service) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        service.client().audio.transcriptions.create(model="whisper-9", file=("a.wav", sounds.speech()))
    assert caught.value.code == "model_not_found"
    assert service.model in str(caught.value)
    assert refused(service.get("/v1/models/whisper-9"), 404)["code"] == "model_not_found"


def test_too_large_is_told_once(service: Service) -> None:
    file = bytes(UPLOAD_LIMIT + 2_000_000)
    with pytest.raises(openai.APIStatusError) as caught:
        service.client().audio.transcriptions.create(model="whisper-1", file=("a.wav", file))
    assert caught.value.status_code == 413
    assert str(UPLOAD_LIMIT) in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_too_large_without_a_length_breaks_off(service: Service) -> None:
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=DEADLINE)
    kind = "multipart/form-data; boundary=b"
    connection.putrequest("POST", "/v1/audio/transcriptions")
    connection.putheader("Content-Type", kind)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    block = bytes(1_000_000)
    for part in (head, *[block] * 8):
        connection.send(b"%x\r\n%s\r\n" % (len(part), part))
    answer = connection.getresponse()
    assert answer.status == 413
    assert str(UPLOAD_LIMIT) in json.loads(answer.read())["error"]["message"]
    connection.close()


def test_health_answers_while_a_transcription_runs(service: Service) -> None:
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(service.post(sounds.parted())), daemon=True)
    thread.start()
    until(lambda: answers or service.queued(), "the request is counted, or answered already")
    assert service.get("/health").json()["status"] in ("ok", "healthy")  # as each kind's clients know it
    assert service.get("/ready").status_code == 200
    thread.join()
    assert answers[0].status_code == 200


def test_a_client_that_hangs_up_starts_no_further_forward(service: Service) -> None:
    before = service.metric("stt_forward_seconds_count")
    request = httpx.Request(
        "POST", f"{service.url}/v1/audio/transcriptions", files={"file": ("a.wav", sounds.repeated(9))}
    )
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc)
    connection.request("POST", request.url.path, request.read(), dict(request.headers))
    until(service.queued, "the request is counted")
    connection.close()
    until(lambda: service.queued() == 0, "the request is given up")
    # Whatever ran goes to its end first: the engine has one thread.
    assert service.post(sounds.speech()).status_code == 200
    assert service.metric("stt_forward_seconds_count") <= before + 3


def test_request_ids(service: Service) -> None:
    address = f"{service.url}/health"
    assert httpx.get(address, headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert httpx.get(address, headers={"x-request-id": "a b"}).headers["x-request-id"] != "a b"


def test_pages_are_whole_and_relative(service: Service) -> None:
    page = service.get("/docs")
    assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src)|style=|\son\w+=", page.text)
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert link.startswith("docs/")
        assert service.get(f"/{link}").status_code == 200
    assert service.get("/openapi.json").json()["servers"] == [{"url": "./"}]
    assert httpx.get(f"{service.url}/docs/").headers["location"] == "../docs"


def test_the_committed_description_is_the_services_own(service: Service, committed: Path) -> None:
    assert committed.exists(), f"Write {committed.name} with the service's argument openapi."
    served = service.get("/openapi.json").json()
    written = json.loads(committed.read_text())
    for document in (served, written):
        document["info"] = {}
    assert written == served


SEEDS = [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 100))]


@pytest.mark.parametrize("seed", SEEDS)
def test_broken_files_are_never_the_services_fault(service: Service, seed: int) -> None:
    chance = random.Random(seed)
    file = bytearray(sounds.encoded(chance.choice(sorted(sounds.ENCODINGS))))
    for _ in range(chance.choice([1, 20, 400])):
        file[chance.randrange(len(file) if chance.random() < 0.5 else 200)] = chance.randrange(256)
    answer = service.post(bytes(file[: chance.randrange(1, len(file))]))
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize(
    ("rate", "channels", "length"),
    [(384_000, 1, 0.2), (8_000, 12, 1.0), (16_000, 1, 1 / 16_000), (4_000, 2, 1)],
)
def test_odd_files(service: Service, rate: int, channels: int, length: float) -> None:
    noise = np.random.default_rng(0).integers(-9, 9, max(1, int(rate * length)) * channels)
    answer = service.post(sounds.wav(noise, rate, channels))
    assert answer.status_code in (200, 400), answer.text

"""What comes of bad input, and what of good: through nginx and autostart, to the service and back."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from tests.heard import plain
from tests.integration.audio import JFK_SECONDS, silent_film, wav
from tests.integration.kit import JFK, MODEL, SAID, Kit

BAD: dict[str, tuple[Callable[[Kit], bytes], str]] = {
    "text": (lambda _: b"Dear service, this is a letter and no sound.\n" * 100, "is text, not audio"),
    "empty": (lambda _: b"", "empty"),
    "no audio track": (silent_film, "no audio track"),
    "0 samples": (lambda _: wav(b""), "no sound"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_sound_gets_a_sentence(kit: Kit, case: str) -> None:
    make, words = BAD[case]
    answer = kit.post(make(kit))
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert words in error["message"] and error["message"].endswith(".")
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "file", "invalid_audio")
    assert answer.headers["x-should-retry"] == "false" and answer.headers["x-request-id"]


@pytest.mark.parametrize("case", ["text", "no audio track"])
def test_the_clients_understand_what_is_wrong(kit: Kit, tmp_path: Path, case: str) -> None:
    make, words = BAD[case]
    path = tmp_path / "speech.mp3"
    path.write_bytes(make(kit))
    with pytest.raises(openai.BadRequestError) as refused:
        kit.transcribed(path)
    assert words in refused.value.message and refused.value.param == "file"
    told = kit.node("transcribe.mjs", AUDIO=str(path))
    assert told["error"]["kind"] == "BadRequestError" and words in told["error"]["message"]
    assert told["requests"] == 1


def test_a_truncated_file_gives_what_could_be_decoded(kit: Kit) -> None:
    whole = JFK.read_bytes()
    answer = kit.post(whole[: len(whole) * 2 // 3])
    assert answer.status_code == 200
    text = plain(answer.json()["text"])
    assert text.startswith("and so my fellow americans") and text != SAID


def test_an_unknown_model_is_told_the_known(kit: Kit) -> None:
    with kit.openai() as client, JFK.open("rb") as file, pytest.raises(openai.NotFoundError) as refused:
        client.audio.transcriptions.create(model="whisper-99", file=file)
    assert refused.value.code == "model_not_found" and refused.value.param == "model"
    assert MODEL in refused.value.message and "whisper-1" in refused.value.message
    told = kit.node("transcribe.mjs", MODEL="whisper-99")
    assert told["error"]["kind"] == "NotFoundError" and told["requests"] == 1


@pytest.mark.parametrize("path", ["/v1/nothing", "/nothing", "/v1/audio/speech"])
def test_an_unknown_path(kit: Kit, path: str) -> None:
    with kit.http() as client:
        answer = client.post(f"/whisper{path}")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "3"}, "temperature"),
        ({"response_format": "docx"}, "response_format"),
        ({"language": "klingon"}, "language"),
        ({"timestamp_granularities[]": "phrase"}, "timestamp_granularities"),
    ],
)
def test_a_wrong_field_is_named(kit: Kit, fields: dict[str, str], param: str) -> None:
    answer = kit.post(JFK.read_bytes(), **fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_json_is_openais_own_type(kit: Kit) -> None:
    answer = kit.post(JFK.read_bytes(), response_format="json")
    assert answer.headers["content-type"].startswith("application/json")
    assert plain(Transcription.model_validate(answer.json(), strict=True).text) == SAID


def test_verbose_json_with_words(kit: Kit) -> None:
    answer = kit.transcribed(response_format="verbose_json", timestamp_granularities=["word", "segment"], language="en")
    raw = TranscriptionVerbose.model_validate(json.loads(answer.model_dump_json()), strict=True)
    assert plain(raw.text) == SAID and abs(raw.duration - JFK_SECONDS) < 0.1
    assert raw.segments and raw.words
    assert [plain(word.word) for word in raw.words] == SAID.split()
    times = [time for word in raw.words for time in (word.start, word.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= JFK_SECONDS
    assert raw.segments[0].start <= raw.words[0].start and raw.words[-1].end <= raw.segments[-1].end


def test_text(kit: Kit) -> None:
    answer = kit.post(JFK.read_bytes(), response_format="text")
    assert answer.headers["content-type"].startswith("text/plain") and plain(answer.text) == SAID


STAMP = r"\d\d:\d\d:\d\d"


def test_srt(kit: Kit) -> None:
    blocks = kit.post(JFK.read_bytes(), response_format="srt").text.strip().split("\n\n")
    for number, block in enumerate(blocks, 1):
        lines = block.split("\n")
        assert lines[0] == str(number)
        assert re.fullmatch(rf"{STAMP},\d\d\d --> {STAMP},\d\d\d", lines[1])
    assert plain(" ".join(line for block in blocks for line in block.split("\n")[2:])) == SAID


def test_vtt(kit: Kit) -> None:
    answer = kit.post(JFK.read_bytes(), response_format="vtt")
    head, *cues = answer.text.strip().split("\n\n")
    assert head == "WEBVTT" and answer.headers["content-type"].startswith("text/vtt")
    assert all(re.match(rf"({STAMP}|\d\d:\d\d)\.\d\d\d --> ", cue) for cue in cues)
    assert plain(" ".join(line for cue in cues for line in cue.split("\n")[1:])) == SAID


def test_npm_client_takes_other_formats(kit: Kit) -> None:
    verbose = kit.node("transcribe.mjs", FORMAT="verbose_json")["answer"]
    assert plain(verbose["text"]) == SAID and verbose["segments"]
    assert kit.node("transcribe.mjs", FORMAT="vtt")["answer"].startswith("WEBVTT")


def test_hints_reach_the_engine(kit: Kit) -> None:
    answer = kit.post(JFK.read_bytes(), prompt="A speech.", hotwords="Americans", temperature="0", language="english")
    assert answer.status_code == 200 and "country" in plain(answer.json()["text"])

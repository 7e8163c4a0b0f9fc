"""Who spoke, in text, subtitles and tables: every way that gives them, with real models."""

import re
from typing import Any

import numpy as np
import pytest

from stt_testing import sounds
from stt_testing.contract.asr import asr
from stt_testing.conversation import conversation
from stt_testing.service import Service

PATH = "/transcribe"
SPEAKER = re.compile(r"\[(SPEAKER_\d\d)\]: ")
TIMES = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d{3}) --> (\d\d):(\d\d):(\d\d)[,.](\d{3})")

Cue = tuple[float, float, list[str]]


@pytest.fixture(scope="module")
def talk(service: Service) -> list[dict[str, Any]]:
    """The conversation's segments with their speakers."""
    answer = service.post(conversation(), path=PATH, diarize="true")
    assert answer.status_code == 200, answer.text
    segments: list[dict[str, Any]] = answer.json()["segments"]
    assert {segment["speaker"] for segment in segments} == {"SPEAKER_00", "SPEAKER_01"}
    return segments


def written(service: Service, way: str, output: str) -> str:
    """The conversation in a format: by WhisperX's own path, or by whisper-asr-webservice's."""
    if way == PATH:
        answer = service.post(conversation(), path=PATH, diarize="true", response_format=output)
    else:
        answer = asr(service, conversation(), diarize="true", output=output)
    assert answer.status_code == 200 and "x-warning" not in answer.headers, answer.text
    return answer.text


def cues(subtitles: str) -> list[Cue]:
    found = []
    for block in subtitles.removeprefix("WEBVTT\n\n").strip().split("\n\n"):
        when, *lines = block.split("\n")[not block.startswith("0") :]
        match = TIMES.fullmatch(when)
        assert match, when
        numbers = list(map(int, match.groups()))
        start, end = ((h * 60 + m) * 60 + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
        found.append((start, end, lines))
    return found


def said(cues: list[Cue]) -> dict[str, list[str]]:
    """Words by speaker. Each cue says whose it is, once."""
    found: dict[str, list[str]] = {}
    for _, _, lines in cues:
        name = SPEAKER.match(lines[0])
        assert name and len(SPEAKER.findall("\n".join(lines))) == 1, lines
        assert all(len(line) <= 42 for line in lines) and len(lines) <= 2
        found.setdefault(name[1], []).extend(" ".join([lines[0][name.end() :], *lines[1:]]).split())
    return found


def spoken(segments: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for segment in segments:
        found.setdefault(segment["speaker"], []).extend(segment["text"].split())
    return found


@pytest.mark.parametrize(("way", "output"), [(PATH, "text"), ("/asr", "txt")])
def test_text_has_a_line_for_each_segment(service: Service, talk: list[dict[str, Any]], way: str, output: str) -> None:
    expected = [f"[{segment['speaker']}]: {segment['text'].strip()}" for segment in talk]
    assert written(service, way, output) == "".join(f"{line}\n" for line in expected)


@pytest.mark.parametrize("output", ["srt", "vtt"])
@pytest.mark.parametrize("way", [PATH, "/asr"])
def test_a_cue_is_of_one_speaker(service: Service, talk: list[dict[str, Any]], way: str, output: str) -> None:
    found = cues(written(service, way, output))
    assert said(found) == spoken(talk)
    assert all(start < end for start, end, _ in found)


def test_a_table_has_them_too(service: Service, talk: list[dict[str, Any]]) -> None:
    head, *rows = written(service, "/asr", "tsv").splitlines()
    assert head == "start\tend\ttext"
    assert [row.split("\t")[2] for row in rows] == [
        f"[{segment['speaker']}]: {segment['text'].strip()}" for segment in talk
    ]


def test_verbose_json_and_asrs_json_name_them(service: Service, talk: list[dict[str, Any]]) -> None:
    verbose = service.post(conversation(), path=PATH, diarize="true", response_format="verbose_json").json()
    assert spoken(verbose["segments"]) == spoken(talk)
    for segment in verbose["segments"]:
        assert {word["speaker"] for word in segment["words"]} == {segment["speaker"]}
    other = asr(service, conversation(), diarize="true", output="json").json()["segments"]
    assert spoken(other) == spoken(talk) and {segment["words"] for segment in other} == {None}


@pytest.fixture(scope="module")
def call() -> bytes:
    """Two channels; who is on the second speaks into what is said on the first."""
    left = sounds.samples(sounds.speech())
    right = np.concatenate([np.zeros(4 * sounds.RATE, np.int16), sounds.samples(sounds.clip())])
    right = np.pad(right, (0, len(left) - len(right)))
    return sounds.wav(np.stack([left, right], axis=1).reshape(-1), channels=2)


def test_channels_are_speakers_in_every_format(service: Service, call: bytes) -> None:
    def asked(**fields: str) -> Any:
        return service.post(call, path=PATH, diarize="channels", **fields)

    segments = asked().json()["segments"]
    words = spoken(segments)
    assert {who: own[-1].strip(".)!") for who, own in words.items()} == {
        "SPEAKER_00": "country",
        "SPEAKER_01": "country",
    }
    lines = asked(response_format="text").text.splitlines()
    assert lines == [f"[{segment['speaker']}]: {segment['text'].strip()}" for segment in segments]
    for output in ("srt", "vtt"):
        found = cues(asked(response_format=output).text)
        assert said(found) == words
        assert all(start < end for start, end, _ in found)
        assert [start for start, _, _ in found] == sorted(start for start, _, _ in found)
        (second,) = [start for start, _, lines in found if lines[0].startswith("[SPEAKER_01]")][:1]
        assert second == pytest.approx(4.0, abs=0.7)  # not after the first one's end

"""POST /transcribe and the OpenAI surface's speakers, with real models."""

import base64
import json
from collections import Counter
from typing import Any

import httpx
import numpy as np
import pytest
from openai.types.audio import TranscriptionDiarized

from stt_testing import sounds
from stt_testing.asserts import plain, refused
from stt_testing.conversation import conversation, turns
from stt_testing.films import Track, film
from stt_testing.service import Service

PATH = "/transcribe"


@pytest.fixture(scope="module")
def talk(service: Service) -> dict[str, Any]:
    """The conversation with its speakers."""
    answer = service.post(conversation(), path=PATH, diarize="true")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_words_are_aligned_and_nobody_is_named_unasked(service: Service) -> None:
    answer = service.post(sounds.speech(), path=PATH).json()
    assert set(answer) == {"segments", "language"} and answer["language"] == "en"
    for segment in answer["segments"]:
        assert set(segment) == {"start", "end", "text", "words"}
        for word in segment["words"]:
            assert set(word) == {"word", "start", "end", "score"}
            assert segment["start"] <= word["start"] <= word["end"] <= segment["end"]
            assert 0 <= word["score"] <= 1
        assert segment["text"].split() == [word["word"] for word in segment["words"]]


def test_without_alignment_there_are_no_words(service: Service) -> None:
    answer = service.post(sounds.speech(), path=PATH, align="false", model="base", language="en").json()
    assert {frozenset(segment) for segment in answer["segments"]} == {frozenset({"start", "end", "text"})}


def test_two_people_are_told_apart(talk: dict[str, Any]) -> None:
    assert set(talk) == {"segments", "language"}
    assert {segment["speaker"] for segment in talk["segments"]} == {"SPEAKER_00", "SPEAKER_01"}
    words = [word for segment in talk["segments"] for word in segment["words"]]
    for segment in talk["segments"]:
        assert set(segment) == {"start", "end", "text", "speaker", "words"}
        assert {word["speaker"] for word in segment["words"]} <= {segment["speaker"]}
    pairs = Counter((word["speaker"], spoken(word)) for word in words)
    one = pairs["SPEAKER_00", "speaker90"] + pairs["SPEAKER_01", "speaker91"]
    assert max(one, len(words) - one) >= 0.9 * len(words) > 50


def spoken(word: dict[str, Any]) -> str:
    """Who says it, by the reference."""
    return max(turns(), key=lambda turn: min(word["end"], turn[1]) - max(word["start"], turn[0]))[2]


def test_openais_diarized_json(service: Service, talk: dict[str, Any]) -> None:
    answer = service.client().audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize",
        file=("talk.wav", conversation()),
        response_format="diarized_json",
        chunking_strategy="auto",
    )
    assert isinstance(answer, TranscriptionDiarized)
    assert {segment.speaker for segment in answer.segments} == {"A", "B"}
    assert plain(answer.text) == plain("".join(segment["text"] for segment in talk["segments"]))


def test_a_stream_gives_the_text_then_progress_then_the_speakers(service: Service) -> None:
    answer = service.post(conversation(), stream="true", response_format="diarized_json")
    lines = [line for line in answer.text.split("\n\n") if line]
    kinds = [json.loads(line[6:])["type"] if line.startswith("data: {") else line for line in lines]
    order = list(dict.fromkeys(kind if "%" not in kind else kind.split()[1] for kind in kinds))
    assert [kind for kind in order if kind not in ("decoding", ": still here")] == [
        "transcript.text.delta",
        "aligning",
        "diarizing",
        "transcript.text.segment",
        "transcript.text.done",
        "data: [DONE]",
    ]


def test_known_voices_have_their_names(service: Service) -> None:
    samples = sounds.samples(conversation())
    clips = {
        "Alice": samples[int(10.8 * sounds.RATE) : int(14.4 * sounds.RATE)],
        "Bob": samples[22 * sounds.RATE : 27 * sounds.RATE],
    }
    answer = service.post(
        conversation(),
        response_format="diarized_json",
        known_speaker_names__=list(clips),
        known_speaker_references__=[reference(sounds.wav(clip)) for clip in clips.values()],
    )
    assert answer.status_code == 200, answer.text
    assert {segment["speaker"] for segment in answer.json()["segments"]} == {"Alice", "Bob"}
    part = sounds.wav(samples[int(6.6 * sounds.RATE) : int(18 * sounds.RATE)])
    other = service.post(
        part,
        response_format="diarized_json",
        known_speaker_names__="Bob",
        known_speaker_references__=reference(sounds.wav(clips["Bob"])),
    )
    assert {segment["speaker"] for segment in other.json()["segments"]} == {"A", "Bob"}


@pytest.mark.parametrize("seconds", [0.5, 11])
def test_a_voices_clip_that_does_not_do_is_said_at_once(service: Service, seconds: float) -> None:
    clip = sounds.wav(np.resize(sounds.samples(sounds.speech()), int(seconds * sounds.RATE)))
    answer = service.post(
        sounds.repeated(3),
        stream="true",
        response_format="diarized_json",
        known_speaker_names__="A voice",
        known_speaker_references__=reference(clip),
    )
    assert refused(answer, 400)["param"] == "known_speaker_references"


def reference(file: bytes) -> str:
    return "data:audio/wav;base64," + base64.b64encode(file).decode()


def test_a_channel_is_a_speaker(service: Service) -> None:
    one, other = sounds.samples(sounds.speech()), sounds.samples(sounds.speech())
    rest = np.zeros(12 * sounds.RATE, np.int16)
    left = np.concatenate([one, rest])
    right = np.concatenate([rest, other])[: len(left)]
    right = np.pad(right, (0, len(left) - len(right)))
    file = sounds.wav(np.stack([left, right], axis=1).reshape(-1), channels=2)
    answer = service.post(file, path=PATH, diarize="channels").json()
    assert [segment["start"] for segment in answer["segments"]] == sorted(
        segment["start"] for segment in answer["segments"]
    )
    halves = {segment["speaker"]: segment["start"] // 11.5 for segment in answer["segments"]}
    assert halves == {"SPEAKER_00": 0, "SPEAKER_01": 1}
    error = refused(service.post(sounds.speech(), path=PATH, diarize="channels"), 400)
    assert error["param"] == "diarize" and "one channel" in error["message"]


def test_the_channels_are_those_of_the_track_that_is_heard(service: Service) -> None:
    """A film in the round, whose default track is a call with somebody on each side."""
    voice = sounds.samples(sounds.clip())
    rest = np.zeros(6 * sounds.RATE, np.int16)
    left, right = np.concatenate([voice, rest]), np.concatenate([rest, voice])
    call = Track(np.stack([left, right], 1), "pcm_s16le", layout="stereo", default=True)
    file = film("matroska", Track(rest, "aac", layout="5.1"), call)
    answer = service.post(file, path=PATH, diarize="channels").json()
    assert [segment["speaker"] for segment in answer["segments"]] == ["SPEAKER_00", "SPEAKER_01"]
    assert service.post(file, path=PATH, diarize="channels", track="1").json()["segments"] == []
    assert service.post(file, path=PATH, track="1").json()["segments"] == []
    for fields in ({}, {"diarize": "channels"}):
        error = refused(service.post(file, path=PATH, track="3", **fields), 400)
        assert error["param"] == "track" and "it has 2" in error["message"]


def test_words_and_speakers_keep_the_time_of_a_film(service: Service) -> None:
    late = film("matroska", Track(sounds.samples(sounds.clip()), "aac", start=5.0), picture="mpeg4", seconds=10)
    alone = service.post(sounds.clip(), path=PATH, diarize="true").json()["segments"]
    found = service.post(late, path=PATH, diarize="true").json()["segments"]
    assert [plain(one["text"]) for one in found] == [plain(one["text"]) for one in alone]
    first, last = found[0]["words"][0], found[-1]["words"][-1]
    assert first["start"] == pytest.approx(5 + alone[0]["words"][0]["start"], abs=0.3)
    assert last["end"] == pytest.approx(5 + alone[-1]["words"][-1]["end"], abs=0.3)
    assert {segment["speaker"] for segment in found} == {"SPEAKER_00"}


def test_one_person_asked_for_as_five_and_silence(service: Service) -> None:
    answer = service.post(sounds.speech(), path=PATH, diarize="true", num_speakers=5)
    assert answer.status_code == 200, answer.text
    assert all(segment["speaker"].startswith("SPEAKER_0") for segment in answer.json()["segments"])
    silence = service.post(sounds.silence(3), path=PATH, diarize="true").json()
    assert silence == {"segments": [], "language": None}
    hum = sounds.wav(sounds.unspoken(5)["music"])
    assert service.post(hum, path=PATH, diarize="true", min_speakers=60, language="fr").json() == {
        "segments": [],
        "language": "fr",
    }


@pytest.mark.parametrize(
    ("fields", "status", "param", "known"),
    [
        ({"model": "huge"}, 404, "model", "Systran/faster-whisper-base"),
        ({"language": "klingon"}, 400, "language", "en, "),
        ({"diarize": "perhaps"}, 400, "diarize", "channels"),
        ({"diarize": "true", "min_speakers": "3", "max_speakers": "2"}, 400, "min_speakers", "3"),
        ({"diarize": "auto", "num_speakers": "3", "max_speakers": "2"}, 400, "num_speakers", "3"),
        ({"diarize": "true", "num_speakers": "0"}, 400, "num_speakers", "1"),
        ({"diarize": "true", "max_speakers": "61"}, 400, "max_speakers", "60"),
        ({"num_speakers": "2"}, 400, "num_speakers", "diarize"),
        ({"diarize": "channels", "num_speakers": "2"}, 400, "num_speakers", "diarize"),
        ({"response_format": "docx"}, 400, "response_format", "srt"),
        ({"response_format": "diarized_json"}, 400, "diarize", "diarize"),
        ({"align": "perhaps"}, 400, "align", "perhaps"),
    ],
)
def test_what_is_wrong_is_said(service: Service, fields: dict[str, str], status: int, param: str, known: str) -> None:
    error = refused(service.post(sounds.clip(), path=PATH, **fields), status)
    assert error["param"] == param and known in error["message"]


def test_no_file_and_no_audio(service: Service) -> None:
    assert refused(service.post(None, path=PATH), 400)["param"] == "file"
    assert refused(httpx.post(service.url + PATH, content=b"{}"), 400)["param"] == "file"
    assert refused(service.post(b"no", path=PATH, diarize="channels"), 400)["param"] == "file"
    assert refused(service.post(b"no", path=PATH), 400)["param"] == "file"


@pytest.mark.parametrize(
    ("response_format", "begin"),
    [("text", "for you"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n"), ("verbose_json", '{"task"')],
)
def test_other_formats(service: Service, response_format: str, begin: str) -> None:
    answer = service.post(sounds.clip(), path=PATH, response_format=response_format)
    assert answer.status_code == 200 and answer.text.lower().startswith(begin.lower())


def test_telephone_audio(service: Service) -> None:
    """8 kHz, as it comes from a call."""
    narrow = sounds.wav(sounds.samples(conversation())[::2], rate=sounds.RATE // 2)
    answer = service.post(narrow, path=PATH, diarize="true").json()
    assert {segment["speaker"] for segment in answer["segments"]} == {"SPEAKER_00", "SPEAKER_01"}


def test_status_says_which_stages_there_are(service: Service, talk: dict[str, Any]) -> None:
    status = service.get("/status").json()
    assert status["diarizer"] == {"name": "open", "state": "loaded"}
    assert "aligners" in status and status["stages"] == []
    assert {"torch", "pocketsphinx"} <= set(status["libraries"])

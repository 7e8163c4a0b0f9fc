"""The contract: which sound of a file is heard, when, and what is said of a file without any."""

import re
from typing import Any

import httpx
import numpy as np
import pytest

from stt_core.engine.protocol import Capabilities
from stt_testing import sounds
from stt_testing.asserts import refused
from stt_testing.films import Track, film
from stt_testing.hostile import picture, riff
from stt_testing.service import DEADLINE, Service
from stt_testing.site import page, site

TRANSCRIBE, TRANSLATE = "/v1/audio/transcriptions", "/v1/audio/translations"
LATE = 5.0
NEAR = 0.5
"""Seconds that a time may be off: what is kept around speech is a part of it."""


def clip(**fields: Any) -> Track:
    """The last words of the speech, four seconds."""
    return Track(sounds.samples(sounds.clip()), **({"codec": "aac"} | fields))


def said(text: str) -> list[str]:
    """The words; of an engine without a model, which counts seconds, that there are some."""
    words = re.findall(r"[^\W\d]+", text.lower())
    return sorted(set(words)) if "second" in words else words


def verbose(service: Service, file: bytes, **fields: Any) -> dict[str, Any]:
    answer = service.post(file, response_format="verbose_json", **fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("container", "moving"), [("matroska", "mpeg4"), ("mp4", "mpeg4"), ("mpegts", "mpeg2video"), ("ipod", "")]
)
def test_times_count_from_the_start_of_the_container(service: Service, container: str, moving: str) -> None:
    expected = verbose(service, sounds.clip())
    found = verbose(service, film(container, clip(start=LATE), picture=moving, seconds=10))
    assert said(found["text"]) == said(expected["text"])
    assert found["duration"] == pytest.approx(LATE + 4, abs=NEAR)
    assert found["segments"][0]["start"] == pytest.approx(LATE + expected["segments"][0]["start"], abs=NEAR)
    assert found["segments"][-1]["end"] == pytest.approx(LATE + expected["segments"][-1]["end"], abs=NEAR)


def test_subtitles_and_events_are_on_that_clock_too(service: Service) -> None:
    file = film("matroska", clip(start=LATE), picture="mpeg4", seconds=10)
    subtitles = service.post(file, response_format="srt").text
    assert re.match(r"1\n00:00:0[456],\d{3} --> ", subtitles)
    assert "transcript.text.done" in service.post(file, stream="true").text
    (_, first, *_) = asr(service, "/asr", file, output="tsv").text.splitlines()
    assert int(first.split("\t")[0]) / 1000 == pytest.approx(LATE, abs=1)


@pytest.mark.parametrize("same", [False, True])
def test_what_follows_a_gap_keeps_its_time(service: Service, same: bool) -> None:
    first = sounds.samples(sounds.clip())
    second = first if same else sounds.read(2, 4)
    alone = verbose(service, sounds.wav(second))
    values = np.concatenate([first, second])
    found = verbose(service, film("matroska", Track(values, "aac", gap=(4.0, 10.0))))
    both = said(verbose(service, sounds.clip())["text"]) + said(alone["text"])
    words = said(found["text"])
    assert words in (["second"], both)
    assert found["duration"] == pytest.approx(18, abs=NEAR)
    assert found["segments"][-1]["end"] == pytest.approx(14 + alone["segments"][-1]["end"], abs=NEAR)


def channels(*sides: "np.ndarray[Any, np.dtype[np.int16]]") -> bytes:
    return sounds.wav(np.stack(sides, 1).reshape(-1), channels=len(sides))


def test_channels_in_opposite_phase_do_not_cancel(service: Service) -> None:
    voice = sounds.samples(sounds.clip())
    expected = said(service.post(sounds.clip()).json()["text"])
    assert said(service.post(channels(voice, -voice)).json()["text"]) == expected
    assert said(asr(service, "/asr", channels(voice, -voice)).text) == expected


def test_whoever_is_on_one_channel_alone_is_heard(service: Service) -> None:
    voice = sounds.samples(sounds.clip())
    expected = said(service.post(sounds.clip()).json()["text"])
    assert said(service.post(channels(0 * voice, voice)).json()["text"]) == expected
    assert said(service.post(channels(0 * voice, 0 * voice, voice)).json()["text"]) == expected


@pytest.fixture(scope="module")
def two() -> bytes:
    """A film with silence first, and speech that is the default."""
    silence = Track(np.zeros(4 * sounds.RATE, np.int16), "aac", language="fra")
    return film("matroska", silence, clip(language="eng", default=True))


def test_the_default_track_is_heard_or_the_one_that_is_asked_for(service: Service, two: bytes) -> None:
    assert service.post(two).json()["text"]
    assert service.post(two, track="2").json() == service.post(two).json()
    assert service.post(two, track="1").json()["text"] == ""
    assert service.post(two, track="").json()["text"]


def test_a_track_may_be_asked_for_on_every_path(service: Service, two: bytes, able: Capabilities) -> None:
    if able.translation:
        assert service.post(two, path=TRANSLATE, track="1").json()["text"] == ""
        assert refused(service.post(two, path=TRANSLATE, track="3"), 400)["param"] == "track"
    assert asr(service, "/asr", two, track="1").text == ""
    assert asr(service, "/asr", two, track="2").text == asr(service, "/asr", two).text != ""
    assert asr(service, "/detect-language", two, track="1").json()["language_code"] == "und"
    assert asr(service, "/detect-language", two, track="2").json()["language_code"] == "en"
    with site({"/film.mkv": page(two)}) as web:
        form = {"url": f"http://localhost:{web.port}/film.mkv", "track": "1"}
        assert httpx.post(service.url + TRANSCRIBE, data=form, timeout=DEADLINE).json()["text"] == ""


def test_a_track_that_is_not_there_is_refused_with_what_is(service: Service, two: bytes) -> None:
    known = "it has 2: 1 (fra, 1 channel), 2 (eng, 1 channel)."
    for fields in ({}, {"stream": "true"}, {"response_format": "srt"}):
        error = refused(service.post(two, track="3", **fields), 400)
        assert (error["param"], error["message"]) == ("track", f"The file has no audio track 3; {known}")
    for path in ("/asr", "/detect-language"):
        error = refused(asr(service, path, two, track="3"), 400)
        assert error["param"] == "track" and known in error["message"]
        assert refused(asr(service, path, two, encode="false", track="1"), 400)["param"] == "track"
        assert refused(asr(service, path, two, track="0"), 400)["param"] == "track"
    assert refused(service.post(two, track="0"), 400)["param"] == "track"
    assert refused(service.post(two, track="second"), 400)["param"] == "track"


def test_the_next_track_is_heard_where_the_first_is_empty(service: Service) -> None:
    empty = Track(np.zeros(0, np.int16), "aac", default=True)
    assert service.post(film("matroska", empty, clip())).json()["text"]


FORMATS = {
    "mxf": ("mxf", "pcm_s16le", "mpeg2video"),
    "wv": ("wv", "wavpack", ""),
    "latm": ("latm", "aac", ""),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_beyond_the_usual(service: Service, kind: str) -> None:
    container, codec, moving = FORMATS[kind]
    found = service.post(film(container, clip(codec=codec), picture=moving, seconds=4))
    assert said(found.json()["text"]) == said(service.post(sounds.clip()).json()["text"])


NAMED = {
    "a PDF document": b"%PDF-1.7\n" + bytes(999),
    "a PNG picture": picture(4),
    "an HLS playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n",
    "a web page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "only a picture": sounds.film_without_sound(),
    "65 channels": riff(sounds.RATE, 65, 16, bytes(130 * sounds.RATE)),
}


@pytest.mark.parametrize("what", NAMED)
def test_what_is_refused_is_named(service: Service, what: str) -> None:
    error = refused(service.post(NAMED[what], "speech.mp3"), 400)
    assert (error["param"], error["code"]) == ("file", "invalid_audio") and what in error["message"]


def asr(service: Service, path: str, file: bytes, **params: str) -> httpx.Response:
    answer = httpx.post(service.url + path, params=params, files={"audio_file": file}, timeout=DEADLINE)
    assert answer.status_code in (200, 400), answer.text
    return answer

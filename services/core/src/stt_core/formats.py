"""A transcript as json, text, srt, vtt and verbose_json. Pure."""

from typing import Literal

from pydantic import BaseModel, Field

from stt_core.engine import Segment, Transcript
from stt_core.languages import NAMES

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]


class Usage(BaseModel):
    """What the request cost: its seconds of audio."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionBody(BaseModel):
    """response_format=json"""

    text: str
    usage: Usage


class WordBody(BaseModel):
    """A word with its times in seconds."""

    word: str
    start: float
    end: float


class SegmentBody(BaseModel):
    """A few seconds of text; times in seconds, `seek` in frames of 10 ms."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseBody(BaseModel):
    """response_format=verbose_json"""

    task: Literal["transcribe"] = "transcribe"
    language: str = Field(description="English name, or `unknown` where nobody spoke.")
    duration: float
    text: str
    segments: list[SegmentBody] | None = None
    words: list[WordBody] | None = None
    usage: Usage


def json_body(transcript: Transcript) -> TranscriptionBody:
    return TranscriptionBody(text=transcript.text, usage=_usage(transcript))


def verbose_body(transcript: Transcript, granularities: frozenset[str]) -> VerboseBody:
    """Segments and words as `granularities` asks for them."""
    return VerboseBody(
        language=NAMES.get(transcript.language or "", transcript.language or "unknown"),
        duration=round(transcript.duration, 3),
        text=transcript.text,
        segments=[_segment(index, segment) for index, segment in enumerate(transcript.segments)]
        if "segment" in granularities
        else None,
        words=[
            WordBody(word=word.text.strip(), start=round(word.start, 3), end=round(word.end, 3))
            for segment in transcript.segments
            for word in segment.words
        ]
        if "word" in granularities
        else None,
        usage=_usage(transcript),
    )


def text(transcript: Transcript) -> str:
    return transcript.text + "\n"


def srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    cues = [
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n"
        f"{_line(segment).replace('-->', '->')}\n"
        for number, segment in enumerate(_spoken(transcript), 1)
    ]
    return "\n".join(cues)


def vtt(transcript: Transcript) -> str:
    """WebVTT; &, < and > are escaped, as its cue text requires."""
    cues = [
        f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{_escaped(_line(segment))}\n"
        for segment in _spoken(transcript)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _usage(transcript: Transcript) -> Usage:
    return Usage(seconds=round(transcript.duration, 3))


def _segment(index: int, segment: Segment) -> SegmentBody:
    return SegmentBody(
        id=index,
        seek=segment.seek,
        start=round(segment.start, 3),
        end=round(segment.end, 3),
        text=segment.text,
        tokens=list(segment.tokens),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
    )


def _spoken(transcript: Transcript) -> list[Segment]:
    return [segment for segment in transcript.segments if segment.text.strip()]


def _line(segment: Segment) -> str:
    return " ".join(segment.text.split())


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, milliseconds = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{mark}{milliseconds:03d}"

"""A transcript as json, text, srt, vtt, verbose_json and diarized_json. Pure."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from stt_core.engine.protocol import Segment, Task, Transcript
from stt_core.languages import NAMES
from stt_core.output.speaker_labels import introduced, labelled
from stt_core.output.subtitles import Limits, cues

SCREEN = Limits()


class Usage(BaseModel):
    """What the request cost: its seconds of audio."""

    type: Literal["duration"] = "duration"
    seconds: float


class LanguageBody(BaseModel):
    """A language that was spoken."""

    code: str


class LogprobBody(BaseModel):
    """A token of the text; a token that is part of a letter is readable by its bytes alone."""

    token: str
    logprob: float
    bytes: list[int]


class TranscriptionBody(BaseModel):
    """response_format=json"""

    text: str
    languages: list[LanguageBody]
    logprobs: list[LogprobBody] | None = None
    usage: Usage


class WordBody(BaseModel):
    """A word with its times in seconds; `speaker` where that was asked for and is known."""

    word: str
    start: float
    end: float
    speaker: str | None = None


class SegmentBody(BaseModel):
    """A few seconds of text; times in seconds, `seek` in frames of 10 ms.

    words: its own, where words were asked for. speaker: where that was asked for and is known.
    """

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
    words: list[WordBody] | None = None
    speaker: str | None = None
    language: str | None = Field(None, description="English name of the language that it was heard in.")


class VerboseBody(BaseModel):
    """response_format=verbose_json"""

    task: Task
    language: str = Field(description="English name, or `unknown` where nobody spoke.")
    duration: float
    text: str
    segments: list[SegmentBody] | None = None
    words: list[WordBody] | None = None
    usage: Usage | None = None


class TranslationBody(BaseModel):
    """response_format=json of a translation"""

    text: str


class DiarizedSegmentBody(BaseModel):
    """What one speaker said; times in seconds."""

    id: str
    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    start: float
    end: float
    speaker: str
    text: str


class DiarizedBody(BaseModel):
    """response_format=diarized_json"""

    task: Literal["transcribe"] = "transcribe"
    duration: float
    text: str
    segments: list[DiarizedSegmentBody]
    usage: Usage


def json_body(transcript: Transcript, *, with_logprobs: bool = False) -> TranscriptionBody:
    return TranscriptionBody(
        text=transcript.text,
        languages=spoken(transcript),
        logprobs=logprobs(transcript.segments) if with_logprobs else None,
        usage=_usage(transcript),
    )


def translation_body(transcript: Transcript) -> TranslationBody:
    return TranslationBody(text=transcript.text)


def verbose_body(transcript: Transcript, granularities: frozenset[str], task: Task = "transcribe") -> VerboseBody:
    """Segments and words as `granularities` asks for them. The language is that of the text."""
    code = "en" if task == "translate" else transcript.language or "unknown"
    worded = "word" in granularities
    return VerboseBody(
        task=task,
        language=NAMES.get(code, code),
        duration=_seconds(transcript.duration),
        text=transcript.text,
        segments=[
            _segment(index, segment, worded, "en" if task == "translate" else segment.language)
            for index, segment in enumerate(transcript.segments)
        ]
        if "segment" in granularities
        else None,
        words=[word for segment in transcript.segments for word in _words(segment)] if worded else None,
        usage=_usage(transcript) if task == "transcribe" else None,
    )


def diarized_body(transcript: Transcript) -> DiarizedBody:
    return DiarizedBody(
        duration=_seconds(transcript.duration),
        text=transcript.text,
        segments=diarized_segments(transcript),
        usage=_usage(transcript),
    )


def diarized_segments(transcript: Transcript) -> list[DiarizedSegmentBody]:
    return [
        DiarizedSegmentBody(
            id=f"seg_{index}",
            start=_seconds(segment.start),
            end=_seconds(segment.end),
            speaker=segment.speaker or "unknown",
            text=segment.text.strip(),
        )
        for index, segment in enumerate(transcript.segments)
    ]


def spoken(transcript: Transcript) -> list[LanguageBody]:
    """The languages that were spoken, that of the file first; none where nobody spoke."""
    heard = [transcript.language, *(segment.language for segment in transcript.segments)]
    return [LanguageBody(code=code) for code in dict.fromkeys(heard) if code]


def logprobs(segments: Sequence[Segment], *, first: bool = True) -> list[LogprobBody]:
    """The tokens of the text. `first`: it begins here, so white space before it goes."""
    found = [one for segment in segments for one in segment.logprobs]
    bodies: list[LogprobBody] = []
    for one in found:
        raw = one.raw if bodies or not first else one.raw.lstrip()
        if raw:
            text = raw.decode("utf-8", "replace")
            bodies.append(LogprobBody(token=text, logprob=one.logprob, bytes=list(raw)))
    return bodies


def text(transcript: Transcript) -> str:
    """Without speakers as OpenAI has it; with them as WhisperX, a line for each segment."""
    return lines(transcript) if transcript.told_apart else transcript.text + "\n"


def lines(transcript: Transcript) -> str:
    """A line for each segment, with its speaker where that is known."""
    return "".join(f"{line(segment)}\n" for segment in transcript.segments)


def line(segment: Segment) -> str:
    """A segment's text in one line, its speaker before it where that is known."""
    return introduced(segment.speaker, " ".join(segment.text.split()))


def srt(transcript: Transcript, limits: Limits = SCREEN) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    found = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        + "".join(line.replace("-->", "->") + "\n" for line in cue.lines)
        for number, cue in enumerate(cues(transcript.segments, limits), 1)
    ]
    return "\n".join(found)


def vtt(transcript: Transcript, limits: Limits = SCREEN) -> str:
    """WebVTT; &, < and > are escaped, as its cue text requires."""
    found = [
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n" + "".join(_escaped(line) + "\n" for line in cue.lines)
        for cue in cues(transcript.segments, limits)
    ]
    return "\n".join(["WEBVTT\n", *found])


def _usage(transcript: Transcript) -> Usage:
    return Usage(seconds=_seconds(transcript.duration))


def _seconds(time: float) -> float:
    return round(time, 3)


def _words(segment: Segment) -> list[WordBody]:
    return [
        WordBody(
            word=word.text.strip(),
            start=_seconds(word.start),
            end=_seconds(word.end),
            speaker=word.speaker and labelled(word.speaker),
        )
        for word in segment.words
    ]


def _segment(index: int, segment: Segment, worded: bool, language: str | None) -> SegmentBody:
    """language: of its text."""
    return SegmentBody(
        id=index,
        seek=segment.seek,
        start=_seconds(segment.start),
        end=_seconds(segment.end),
        text=segment.text,
        tokens=list(segment.tokens),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        words=_words(segment) if worded else None,
        speaker=segment.speaker and labelled(segment.speaker),
        language=None if language is None else NAMES.get(language, language),
    )


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, milliseconds = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{mark}{milliseconds:03d}"

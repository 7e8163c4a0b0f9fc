"""A transcript in WhisperX's own shape. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NotRequired

from typing_extensions import TypedDict

from stt_core.engine.protocol import Segment, Transcript, Word
from stt_core.output.speaker_labels import labelled, letter


class TranscribeWord(TypedDict):
    """A word; times in seconds, `score` from 0 to 1. `speaker` as in a segment."""

    word: str
    start: float
    end: float
    score: float
    speaker: NotRequired[str]


class TranscribeSegment(TypedDict):
    """A few seconds of text; `speaker` where that was asked for and is known, `words` where aligned."""

    start: float
    end: float
    text: str
    speaker: NotRequired[str]
    words: NotRequired[list[TranscribeWord]]


class TranscribeBody(TypedDict):
    """The answer of /transcribe; `language` is null where nobody spoke.

    warnings: what was asked for and could not be done.
    """

    segments: list[TranscribeSegment]
    language: str | None
    warnings: NotRequired[list[str]]


def body(transcript: Transcript, *, aligned: bool) -> TranscribeBody:
    found = TranscribeBody(
        segments=[_segment(segment, aligned) for segment in transcript.segments],
        language=transcript.language,
    )
    if transcript.warnings:
        found["warnings"] = list(transcript.warnings)
    return found


def merged(channels: Sequence[Transcript]) -> Transcript:
    """The transcripts of a file's channels as one, each a speaker of its own."""
    segments = [
        _spoken(segment, letter(number))
        for number, transcript in enumerate(channels)
        for segment in transcript.segments
    ]
    return Transcript(
        next((transcript.language for transcript in channels if transcript.language), None),
        max(transcript.duration for transcript in channels),
        tuple(sorted(segments, key=lambda segment: segment.start)),
        tuple(dict.fromkeys(warning for transcript in channels for warning in transcript.warnings)),
    )


def _spoken(segment: Segment, speaker: str) -> Segment:
    words = tuple(replace(word, speaker=speaker) for word in segment.words)
    return replace(segment, words=words, speaker=speaker)


def _segment(segment: Segment, aligned: bool) -> TranscribeSegment:
    found = TranscribeSegment(start=_seconds(segment.start), end=_seconds(segment.end), text=segment.text)
    if segment.speaker is not None:
        found["speaker"] = labelled(segment.speaker)
    if aligned:
        found["words"] = [_word(word) for word in segment.words]
    return found


def _word(word: Word) -> TranscribeWord:
    found = TranscribeWord(
        word=word.text.strip(),
        start=_seconds(word.start),
        end=_seconds(word.end),
        score=round(word.probability, 3),
    )
    if word.speaker is not None:
        found["speaker"] = labelled(word.speaker)
    return found


def _seconds(time: float) -> float:
    return round(time, 3)

"""A transcript in the shape of this service's /transcribe. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pydantic import BaseModel, Field

from stt_core.engine.protocol import Segment, Transcript
from stt_core.output.speaker_labels import labelled


class TranscribeSegment(BaseModel):
    """A few seconds of text of one speaker; times in seconds."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | None = Field(description="Null where nobody asked, or where it cannot be told.")


class SpeakerBody(BaseModel):
    """What one speaker said without a break; times in seconds."""

    speaker: str
    start: float
    end: float


class TranscribeBody(BaseModel):
    """The answer of /transcribe."""

    transcript: str
    language: str | None = Field(description="Code such as `en`; null where nobody spoke.")
    segments: list[TranscribeSegment] = Field(description="In order, each within one entry of `speakers`.")
    speakers: list[SpeakerBody] | None = Field(
        description="In order; null where nobody asked, or where it cannot be told: `warnings` says why."
    )
    warnings: list[str] = Field(description="What was asked for and could not be done.")
    model_used: str = Field(description="Without its owner, such as `whisper-medium`.")
    processing_time: float = Field(description="Seconds.")


def body(transcript: Transcript, model: str, seconds: float, *, diarized: bool) -> TranscribeBody:
    """model: the name in full. seconds: from the request's beginning on. diarized: with speakers."""
    segments = list(_segments(transcript.segments))
    has_speakers = diarized and (transcript.told_apart or not segments)
    return TranscribeBody(
        transcript=transcript.text,
        language=transcript.language,
        segments=segments,
        speakers=turns(segments) if has_speakers else None,
        warnings=list(transcript.warnings),
        model_used=model.rpartition("/")[2],
        processing_time=round(seconds, 2),
    )


def turns(segments: Sequence[TranscribeSegment]) -> list[SpeakerBody]:
    """Segments of one speaker in a row are one turn; those whose speaker is not known are left out.

    So every segment lies within one: its readers look for that by the times.
    """
    rows = ((name, list(own)) for name, own in groupby(segments, lambda segment: segment.speaker))
    return [SpeakerBody(speaker=name, start=own[0].start, end=own[-1].end) for name, own in rows if name is not None]


def _segments(segments: Iterable[Segment]) -> Iterable[TranscribeSegment]:
    """Milliseconds exact, and none before the end of the one before it."""
    clock = 0.0
    for number, segment in enumerate(segments):
        start = max(clock, round(segment.start, 3))
        clock = max(start, round(segment.end, 3))
        yield TranscribeSegment(
            id=number,
            start=start,
            end=clock,
            text=segment.text.strip(),
            speaker=segment.speaker and labelled(segment.speaker),
        )

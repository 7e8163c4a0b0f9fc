"""A transcript in the shape of this service's /transcribe. Pure."""

from collections.abc import Sequence
from itertools import groupby

from pydantic import BaseModel, Field

from stt_core.engine import Segment, Transcript
from stt_core.speakers import labelled


class SegmentBody(BaseModel):
    """A few seconds of text; times in seconds."""

    id: int
    start: float
    end: float
    text: str


class SpeakerBody(BaseModel):
    """What one speaker said without a break; times in seconds."""

    speaker: str
    start: float
    end: float


class TranscribeBody(BaseModel):
    """The answer of /transcribe."""

    transcript: str
    language: str | None = Field(description="Code such as `en`; null where nobody spoke.")
    segments: list[SegmentBody]
    speakers: list[SpeakerBody] = Field(description="Empty where nobody asked, or where it cannot be told.")
    model_used: str = Field(description="Without its owner, such as `whisper-medium`.")
    processing_time: float = Field(description="Seconds.")


def body(transcript: Transcript, model: str, seconds: float) -> TranscribeBody:
    """model: the name in full. seconds: from the request's beginning on."""
    return TranscribeBody(
        transcript=transcript.text,
        language=transcript.language,
        segments=[
            SegmentBody(
                id=number,
                start=round(segment.start, 3),
                end=round(segment.end, 3),
                text=segment.text.strip(),
            )
            for number, segment in enumerate(transcript.segments)
        ],
        speakers=speakers(transcript.segments),
        model_used=model.rpartition("/")[2],
        processing_time=round(seconds, 2),
    )


def speakers(segments: Sequence[Segment]) -> list[SpeakerBody]:
    """Segments of one speaker in a row are one turn; those whose speaker is not known are left out."""
    turns = ((name, list(own)) for name, own in groupby(segments, lambda segment: segment.speaker))
    return [
        SpeakerBody(speaker=labelled(name), start=round(own[0].start, 3), end=round(own[-1].end, 3))
        for name, own in turns
        if name is not None
    ]

"""POST /v1/audio/recordings: a call with its speakers, as the known voicemail server's users ask for it."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from stt_core import languages
from stt_core.audio import AudioFile
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions, Transcript
from stt_core.http import form, rendering
from stt_core.http.error_responses import NAMING_A_MODEL, TAKING_AUDIO
from stt_core.http.intake import Intake, Received
from stt_core.http.parameters import Track
from stt_core.output.speaker_labels import labelled
from stt_speakers.stages import Stages

PATH = "/v1/audio/recordings"


class RecordingForm(BaseModel):
    """Everything in the form but the file. Empty fields count as left out."""

    url: str = Field("", description="Where the file is, in place of `file`: http:// or https://.")
    model: str = Field("", description="A name from /v1/models; left out, the service's own.")
    language: str = Field("", description="Code such as `fr`; left out or `auto`, it is detected.")
    track: Track = None
    diarize: bool = Field(True, description="Tell who speaks, where the service can.")
    response_format: Literal["json", "text", "verbose_json"] = "json"

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for a language that it does not know."""
        return Options(
            language=languages.asked(self.language, capabilities.languages, "language"),
            speakers=SpeakerOptions(required=False) if self.diarize and capabilities.speakers else None,
        )


class RecordingSegment(BaseModel):
    """What one speaker says at a stretch. Times are seconds; speaker: only where speakers were told."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | None = None


class RecordingBody(BaseModel):
    """A call. duration: in seconds. diarization_enabled: its segments have speakers."""

    text: str
    segments: list[RecordingSegment]
    duration: float
    diarization_enabled: bool


class VerboseRecordingBody(RecordingBody):
    """The same with its language; null where it could not be told."""

    task: Literal["transcribe"] = "transcribe"
    language: str | None


class RecordingStatus(BaseModel):
    """Whether calls are taken, and whether their speakers are told. diarization_model: null where they are not."""

    available: bool
    diarization_available: bool
    diarization_model: str | None


async def read(request: Request, limit: int, begins: form.Begins) -> Received[RecordingForm]:
    file, asked = await form.read(request, RecordingForm, limit, begins)
    return Received(file, asked, asked.url)


def router(intake: Intake, stages: Stages | None) -> APIRouter:
    """stages: None where speakers are not told."""
    routes = APIRouter(tags=["Recordings"])

    @routes.post(
        PATH,
        summary="Transcribe a call, and tell its speakers",
        response_class=Response,
        responses={
            200: {
                "description": "The call, in the format that was asked for.",
                "model": RecordingBody | VerboseRecordingBody,
                "content": {"text/plain": {}},
            },
            **TAKING_AUDIO,
            **NAMING_A_MODEL,
        },
        openapi_extra=form.described(RecordingForm),
    )
    async def recording(request: Request) -> Response:
        async with intake.take(request, read) as taken:
            asked = taken.asked
            (transcript,) = await taken.transcripts(AudioFile(await taken.release(), track=asked.track))
        return await run_in_threadpool(rendered, transcript, asked)

    @routes.get(f"{PATH}/status", summary="Whether speakers of calls are told")
    async def status() -> RecordingStatus:
        told: dict[str, Any] = {} if stages is None else dict(await run_in_threadpool(stages.status))
        works = stages is not None and not await run_in_threadpool(lambda: stages.trouble)
        return RecordingStatus(
            available=True,
            diarization_available=works,
            diarization_model=told["diarizer"]["name"] if works else None,
        )

    return routes


def rendered(transcript: Transcript, asked: RecordingForm) -> Response:
    """The answer in the format that was asked for."""
    answer: Response
    if asked.response_format == "text":
        answer = PlainTextResponse(_text(transcript))
    else:
        answer = rendering.json(_body(transcript, verbose=asked.response_format == "verbose_json"))
    return rendering.warned(answer, transcript.warnings)


def _body(transcript: Transcript, *, verbose: bool) -> RecordingBody:
    told = transcript.told_apart
    fields: dict[str, Any] = {
        "text": transcript.text,
        "segments": [
            RecordingSegment(
                id=number,
                start=round(segment.start, 3),
                end=round(segment.end, 3),
                text=segment.text.strip(),
                speaker=_speaker(segment.speaker),
            )
            for number, segment in enumerate(transcript.segments)
        ],
        "duration": round(transcript.duration, 3),
        "diarization_enabled": told,
    }
    return VerboseRecordingBody(**fields, language=transcript.language) if verbose else RecordingBody(**fields)


def _text(transcript: Transcript) -> str:
    """The lines of each speaker below the speaker's name; without speakers the text alone."""
    if not transcript.told_apart:
        return transcript.text + "\n"
    parts: list[str] = []
    before: str | None = None
    for segment in transcript.segments:
        speaker = _speaker(segment.speaker) or before
        if speaker != before or not parts:
            parts.append(f"{chr(10) if parts else ''}[{speaker}]")
        parts.append(segment.text.strip())
        before = speaker
    return "\n".join(parts) + "\n"


def _speaker(name: str | None) -> str | None:
    return None if name is None else labelled(name)

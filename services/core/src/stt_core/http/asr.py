"""POST /asr and /detect-language, as whisper-asr-webservice has them: Bazarr and others call these."""

import json
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from stt_core import languages
from stt_core.audio import AudioFile, AudioSource, RawPcm
from stt_core.engine.protocol import (
    Capabilities,
    Options,
    Segment,
    SpeakerOptions,
    Task,
    Transcript,
    WindowResult,
)
from stt_core.errors import BadRequest
from stt_core.http import form, rendering
from stt_core.http.error_responses import TAKING_AUDIO, TELLING_SPEAKERS, Responses
from stt_core.http.intake import Intake, Read, Received, Taken
from stt_core.http.live import Live
from stt_core.http.parameters import Track
from stt_core.output import formats
from stt_core.output.speaker_labels import labelled
from stt_core.output.subtitles import Limits
from stt_core.settings import Settings

FIELD = "audio_file"
NAME = 200
"""Characters that are kept of an uploaded file's name."""

Output = Literal["txt", "vtt", "srt", "tsv", "json"]
Encode = Annotated[bool, Query(description="false: the upload is bare samples, 16 bit little endian, mono, 16 kHz.")]


class Asked(BaseModel):
    """The parameters of /asr; others are passed over."""

    encode: Encode = True
    task: Task = Field("transcribe", description="`translate` gives English.")
    language: str = Field("", description="Code or English name; left out or `auto`, it is detected.")
    initial_prompt: str = Field("", description="Text that might have come before.")
    vad_filter: bool = Field(False, description="Silence is left out in any case.")
    word_timestamps: bool = Field(False, description="Words with their times, in `json`.")
    diarize: bool = Field(False, description="Identify the speakers, where the service supports it.")
    output: Output = "txt"
    track: Track = None

    @property
    def model(self) -> str:
        """The service's own: there is no parameter for it."""
        return ""

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what it cannot do."""
        for field, asked, able in (
            ("task", self.task == "translate", capabilities.translation),
            ("initial_prompt", self.initial_prompt, capabilities.prompt),
            ("word_timestamps", self.word_timestamps, capabilities.word_times),
            ("diarize", self.diarize, capabilities.speakers),
        ):
            if asked and not able:
                what = f"{field}={str(getattr(self, field))[:40]}"
                raise BadRequest(f"This service's model does not support {what}; leave it out.", param=field)
        language = languages.asked(self.language, capabilities.languages, "language")
        # Subtitles are cut by words, and speakers told apart between them; a translation's were never said.
        worded = (self.diarize or self.output in ("srt", "vtt")) and self.task == "transcribe"
        return Options(
            task=self.task,
            language=language,
            prompt=self.initial_prompt,
            word_times=self.word_timestamps or (worded and capabilities.word_times),
            speakers=SpeakerOptions() if self.diarize else None,
        )


TEXT: Responses = {200: {"description": "In the format that was asked for.", "content": {"text/plain": {}}}}


class Detected(BaseModel):
    """The language of a file: `und` where nobody speaks. Not every engine can tell how sure it is."""

    detected_language: str
    language_code: str
    confidence: float | None


class Detecting:
    """What /detect-language asks for: the words are not wanted, so the first that come will do."""

    model = ""

    def options(self, capabilities: Capabilities) -> Options:
        return Options(temperature=0)


Form = TypeVar("Form", Asked, Detecting)


def reading(asked: Form) -> Read[Form]:
    """Reads a form that has nothing but the file: what is asked stands in the query."""

    async def read(request: Request, limit: int, begins: form.Begins) -> Received[Form]:
        upload, _ = await form.required(request, limit, begins, FIELD)
        return Received(upload.file, asked, name=upload.filename or "")

    return read


def router(intake: Intake, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["whisper-asr-webservice"])
    limits = Limits(settings.subtitle_line, settings.subtitle_lines, settings.subtitle_seconds)

    @routes.post(
        "/asr",
        summary="Transcribe a file",
        response_class=Response,  # of text alone, it would have the errors be text too
        responses=TAKING_AUDIO | TELLING_SPEAKERS | TEXT,
        openapi_extra=BODY,
    )
    async def transcribe(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        async with intake.take(request, reading(asked), FIELD) as taken:
            (transcript,) = await taken.transcripts(await _source(taken, asked.encode, asked.track))
        name = quote((taken.name or FIELD)[:NAME], safe="")
        answer = PlainTextResponse(
            await run_in_threadpool(rendered, transcript, asked.output, limits, asked.word_timestamps),
            headers={"Content-Disposition": f'attachment; filename="{name}.{asked.output}"'},
        )
        return rendering.warned(answer, transcript.warnings)

    @routes.post(
        "/detect-language",
        summary="The language of a file",
        response_model=Detected,
        responses=TAKING_AUDIO,
        openapi_extra=BODY,
    )
    async def detect(request: Request, encode: Encode = True, track: Annotated[Track, Query()] = None) -> Detected:
        async with intake.take(request, reading(Detecting()), FIELD) as taken:
            heard = await taken.wait(_telling(taken.live(await _source(taken, encode, track))))
        return detected(heard)

    return routes


async def _source(taken: Taken[Form], encode: bool, track: int | None) -> AudioSource:
    """Raises BadRequest for a track of bare samples, which have none."""
    if encode:
        return AudioFile(await taken.release(), track=track)
    if track is not None:
        raise BadRequest("encode=false says that the upload is bare samples: leave out track.", param="track")
    return RawPcm(await taken.release())


async def _telling(live: Live) -> WindowResult | Transcript:
    """The first that tells the language, however much of the file follows; the whole where nothing does."""
    while True:
        news = await live.next()
        if isinstance(news, Transcript) or (isinstance(news, WindowResult) and news.language):
            return news


def detected(heard: WindowResult | Transcript) -> Detected:
    if not heard.language:
        return Detected(detected_language="undetermined", language_code="und", confidence=0)
    return Detected(
        detected_language=languages.NAMES.get(heard.language, heard.language),
        language_code=heard.language,
        confidence=heard.language_probability if isinstance(heard, WindowResult) else None,
    )


def rendered(transcript: Transcript, output: Output, limits: Limits, worded: bool) -> str:
    """The answer in the format that was asked for; `worded`: with the words, where it is json."""
    match output:
        case "txt":
            return formats.lines(transcript)
        case "srt":
            return formats.srt(transcript, limits)
        case "vtt":
            return formats.vtt(transcript, limits)
        case "tsv":
            rows = (
                f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{formats.line(segment)}\n"
                for segment in transcript.segments
            )
            return "start\tend\ttext\n" + "".join(rows)
        case "json":
            return json.dumps(body(transcript, worded), ensure_ascii=False)


def body(transcript: Transcript, worded: bool) -> dict[str, Any]:
    """output=json: the segments have the fields of faster-whisper's."""
    return {
        "text": "".join(segment.text for segment in transcript.segments),
        "segments": [_segment(number, segment, worded) for number, segment in enumerate(transcript.segments, 1)],
        "language": transcript.language,
    }


def _segment(number: int, segment: Segment, worded: bool) -> dict[str, Any]:
    words = [
        {"start": word.start, "end": word.end, "word": word.text, "probability": word.probability}
        for word in (segment.words if worded else ())
    ]
    fields: dict[str, Any] = {
        "id": number,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": segment.tokens,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
        "words": words or None,
        "temperature": segment.temperature,
    }
    return fields if segment.speaker is None else fields | {"speaker": labelled(segment.speaker)}


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
"""The upload is read apart from FastAPI, within bounds."""

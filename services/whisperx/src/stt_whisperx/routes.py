"""POST /transcribe, in the shape that WhisperX's users know."""

from typing import IO

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from stt_core import audio
from stt_core.audio import AudioFile
from stt_core.engine.protocol import Transcript
from stt_core.errors import BadRequest
from stt_core.http import form, rendering
from stt_core.http.error_responses import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.intake import Intake, Received
from stt_core.output import formats
from stt_core.output.subtitles import Limits
from stt_core.settings import Settings
from stt_whisperx import answer
from stt_whisperx.parameters import TranscribeForm

FIELD = "file"
CHANNELS = 8
"""The most that are heard apart: each is a transcription of its own."""


async def read(request: Request, limit: int, begins: form.Begins) -> Received[TranscribeForm]:
    """Reads a form of /transcribe."""
    upload, asked, _ = await form.uploaded(request, TranscribeForm, limit, begins, FIELD)
    return Received(upload.file, asked)


def router(intake: Intake, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["WhisperX"])
    limits = Limits(settings.subtitle_line, settings.subtitle_lines, settings.subtitle_seconds)

    @routes.post(
        "/transcribe",
        summary="Transcribe a file, with exact word times and speakers",
        response_class=Response,
        responses={
            200: {
                "description": "The transcript, in the format that was asked for.",
                "model": answer.TranscribeBody | formats.VerboseBody | formats.DiarizedBody,
                "content": {"text/plain": {}, "text/vtt": {}},
            },
            **TAKING_AUDIO,
            **NAMING_A_MODEL,
            **TELLING_SPEAKERS,
        },
        openapi_extra=form.described(TranscribeForm, FIELD),
    )
    async def transcribe(request: Request) -> Response:
        async with intake.take(request, read, FIELD) as taken:
            asked = taken.asked
            if asked.diarize == "channels":
                found = await taken.transcripts(*await run_in_threadpool(_channels, await taken.file(), asked.track))
                transcript = answer.merged(found)
            else:
                (transcript,) = await taken.transcripts(AudioFile(await taken.release(), track=asked.track))
        return await run_in_threadpool(rendered, transcript, asked, limits)

    return routes


def rendered(transcript: Transcript, asked: TranscribeForm, limits: Limits) -> Response:
    """The answer in the format that was asked for."""
    if asked.response_format == "json":
        found: Response = JSONResponse(answer.body(transcript, aligned=asked.align))
    else:
        granularities = {"segment", "word"} if asked.align else {"segment"}
        found = rendering.rendered(transcript, asked.response_format, granularities, limits)
    return rendering.warned(found, transcript.warnings)


def _channels(file: IO[bytes], track: int | None) -> list[AudioFile]:
    """A source for each channel. Raises AudioError, and BadRequest for a file that has one or too many."""
    count = audio.channels(file, track)
    if count == 1:
        raise BadRequest(
            "The file has one channel; diarize=channels needs one channel per speaker. "
            "Use diarize=true to identify speakers by their voices.",
            param="diarize",
        )
    if count > CHANNELS:
        raise BadRequest(
            f"The file has {count} channels; at most {CHANNELS} can be transcribed separately.",
            param="diarize",
        )
    return [AudioFile(_again(file), track=track, channel=channel) for channel in range(count)]


def _again(file: IO[bytes]) -> IO[bytes]:
    """The same bytes with a place of their own, as they are read side by side."""
    number = file.fileno()  # what was kept in memory lies on disk from here on
    file.flush()
    return open(f"/proc/self/fd/{number}", "rb")

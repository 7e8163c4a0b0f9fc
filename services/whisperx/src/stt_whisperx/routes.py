"""POST /transcribe, in the shape that WhisperX's users know."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import IO

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from stt_core import audio
from stt_core.audio import AudioFile
from stt_core.engine.models import Models
from stt_core.engine.protocol import Transcript
from stt_core.errors import BadRequest, about
from stt_core.http import form, rendering
from stt_core.http.answers import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.live import GONE, unless_gone
from stt_core.output import formats
from stt_core.output.subtitles import Limits
from stt_core.scheduling.scheduler import Scheduler
from stt_core.settings import Settings
from stt_whisperx import answer
from stt_whisperx.parameters import TranscribeForm

FIELD = "file"
CHANNELS = 8
"""The most that are heard apart: each is a transcription of its own."""


def router(scheduler: Scheduler, models: Models, settings: Settings) -> APIRouter:
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
        with ExitStack() as held:
            held.enter_context(scheduler.admission())
            try:
                upload, data = await form.received(request, settings.max_upload_bytes, FIELD)
            except ClientDisconnect:
                return GONE
            if upload is None:
                raise BadRequest(f"The field {FIELD} is missing: send the audio in it.", param=FIELD)
            held.enter_context(about(FIELD))
            with ExitStack() as unused:
                unused.callback(upload.file.close)
                asked = form.checked(data.multi_items(), TranscribeForm)
                model = models.resolve(asked.model)
                options = replace(asked.options(await scheduler.capabilities(model)), model=model)
                if asked.diarize == "channels":
                    sources = await run_in_threadpool(_channels, upload.file, asked.track)
                else:
                    unused.pop_all()
                    sources = [AudioFile(upload.file, track=asked.track)]
            jobs = [scheduler.submit(source, options) for source in sources]
            for job in jobs:
                held.callback(scheduler.cancel, job)
            answers = asyncio.gather(*[asyncio.wrap_future(job.answer) for job in jobs])
            found = await unless_gone(request, answers)
        if found is None:
            return GONE
        transcript = answer.merged(found) if asked.diarize == "channels" else found[0]
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
            "The file has one channel; diarize=channels is for files with a speaker on each. "
            "diarize=true tells by the voices.",
            param="diarize",
        )
    if count > CHANNELS:
        raise BadRequest(
            f"The file has {count} channels; at most {CHANNELS} are heard apart.", param="diarize"
        )
    return [AudioFile(_again(file), track=track, channel=channel) for channel in range(count)]


def _again(file: IO[bytes]) -> IO[bytes]:
    """The same bytes with a place of their own, as they are read side by side."""
    number = file.fileno()  # what was kept in memory lies on disk from here on
    file.flush()
    return open(f"/proc/self/fd/{number}", "rb")

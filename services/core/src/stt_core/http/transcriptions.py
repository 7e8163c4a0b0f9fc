"""POST /v1/audio/transcriptions and /v1/audio/translations: from the form to the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from stt_core.audio import AudioFile
from stt_core.engine.models import Models
from stt_core.engine.protocol import Transcript
from stt_core.errors import about
from stt_core.http import form, rendering
from stt_core.http.answers import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.events import Telling
from stt_core.http.live import GONE, EventStream, Live, told, unless_gone
from stt_core.http.parameters import TranscriptionForm, TranslationForm
from stt_core.http.ways import DEPLOYMENT
from stt_core.output import formats
from stt_core.output.subtitles import Limits
from stt_core.scheduling.scheduler import Scheduler
from stt_core.settings import Settings

Asked = TranscriptionForm | TranslationForm


Fetch = Callable[[str], Awaitable[IO[bytes]]]
"""The file behind a URL."""


def router(scheduler: Scheduler, models: Models, settings: Settings, fetch: Fetch) -> APIRouter:
    routes = APIRouter(tags=["Audio"])
    limits = Limits(settings.subtitle_line, settings.subtitle_lines, settings.subtitle_seconds)

    async def answer(request: Request, kind: type[Asked]) -> Response:
        with ExitStack() as held:
            held.enter_context(scheduler.admission())
            try:
                file, asked = await form.read(request, kind, settings.max_upload_bytes)
            except ClientDisconnect:
                return GONE
            try:
                model = models.resolve(request.scope.get(DEPLOYMENT) or asked.model)
                options = replace(asked.options(await scheduler.capabilities(model)), model=model)
            except BaseException:
                if file is not None:
                    file.close()
                raise
            if file is None:
                file = await unless_gone(request, fetch(asked.url))
            if file is None:
                return GONE
            held.enter_context(about("url" if asked.url else "file"))
            if asked.streams:
                live = Live(scheduler, AudioFile(file, track=asked.track), options)
                held.callback(scheduler.cancel, live.job)
                # What fails before any text is there has its own status yet.
                news = await unless_gone(request, live.next())
                telling = Telling(with_logprobs=options.logprobs, diarized=options.speakers is not None)
                stream = EventStream(told(live, news, telling), held.pop_all())
                return rendering.warned(stream, asked.left_out)
            job = scheduler.submit(AudioFile(file, track=asked.track), options)
            held.callback(scheduler.cancel, job)
            transcript = await unless_gone(request, asyncio.wrap_future(job.answer))
        if transcript is None:
            return GONE
        return await run_in_threadpool(rendered, transcript, asked, limits)

    @routes.post(
        "/v1/audio/transcriptions",
        summary="Transcribe a file",
        responses=_responses(
            "The transcript, in the format that was asked for.",
            formats.TranscriptionBody | formats.VerboseBody | formats.DiarizedBody,
            "text/event-stream",
        )
        | TELLING_SPEAKERS,
        openapi_extra=form.described(TranscriptionForm),
    )
    async def transcribe(request: Request) -> Response:
        return await answer(request, TranscriptionForm)

    @routes.post(
        "/v1/audio/translations",
        summary="Translate a file into English",
        responses=_responses(
            "The English text, in the format that was asked for.",
            formats.TranslationBody | formats.VerboseBody,
        ),
        openapi_extra=form.described(TranslationForm),
    )
    async def translate(request: Request) -> Response:
        return await answer(request, TranslationForm)

    return routes


def rendered(transcript: Transcript, asked: Asked, limits: Limits) -> Response:
    """The answer in the format that was asked for."""
    if asked.response_format != "json":
        answer = rendering.rendered(
            transcript, asked.response_format, asked.granularities, limits, asked.task
        )
    elif isinstance(asked, TranslationForm):
        answer = rendering.json(formats.translation_body(transcript))
    else:
        answer = rendering.json(formats.json_body(transcript, with_logprobs=asked.logprobs))
    return rendering.warned(answer, (*transcript.warnings, *asked.left_out))


def _responses(description: str, body: Any, *others: str) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {kind: {} for kind in ("text/plain", "text/vtt", *others)}
    return {
        200: {"description": description, "model": body, "content": content},
        **TAKING_AUDIO,
        **NAMING_A_MODEL,
    }

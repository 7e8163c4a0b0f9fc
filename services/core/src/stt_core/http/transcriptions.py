"""POST /v1/audio/transcriptions and /v1/audio/translations: from the form to the answer."""

from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from stt_core.audio import AudioFile, AudioSource
from stt_core.engine.protocol import Transcript
from stt_core.http import form, rendering
from stt_core.http.error_responses import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.events import Telling
from stt_core.http.intake import Intake, Read, Received, Taken
from stt_core.http.job_bodies import Submitted
from stt_core.http.job_forms import TRANSCRIPTIONS, TRANSLATIONS
from stt_core.http.jobs import Desk
from stt_core.http.live import EventStream, event_stream
from stt_core.http.parameters import TranscriptionForm, TranslationForm
from stt_core.output import formats
from stt_core.output.subtitles import Limits
from stt_core.settings import Settings

Asked = TranscriptionForm | TranslationForm
Form = TypeVar("Form", TranscriptionForm, TranslationForm)


def reading(kind: type[Form]) -> Read[Form]:
    """Reads a form of this kind."""

    async def read(request: Request, limit: int, begins: form.Begins) -> Received[Form]:
        file, asked = await form.read(request, kind, limit, begins)
        return Received(file, asked, asked.url)

    return read


def router(intake: Intake, desk: Desk, settings: Settings) -> APIRouter:
    routes = APIRouter(tags=["Audio"])
    limits = Limits(settings.subtitle_line, settings.subtitle_lines, settings.subtitle_seconds)

    async def answer(request: Request, kind: type[Form], name: str) -> Response:
        async with intake.take(request, reading(kind), submits=lambda fields: desk.submits(request, fields)) as taken:
            asked = taken.asked
            if desk.wants(request, asked):
                return await desk.take(taken, name, asked)
            source = AudioFile(await taken.release(), track=asked.track)
            if asked.streams:
                return await _streamed(taken, source)
            (transcript,) = await taken.transcripts(source)
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
        return await answer(request, TranscriptionForm, TRANSCRIPTIONS)

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
        return await answer(request, TranslationForm, TRANSLATIONS)

    return routes


async def _streamed(taken: Taken[Form], source: AudioSource) -> Response:
    live, options = taken.live(source), taken.options
    # What fails before any text is there has its own status yet.
    news = await taken.wait(live.next())
    telling = Telling(with_logprobs=options.logprobs, diarized=options.speakers is not None)
    return rendering.warned(EventStream(event_stream(live, news, telling), taken.keep()), taken.asked.left_out)


def rendered(transcript: Transcript, asked: Asked, limits: Limits) -> Response:
    """The answer in the format that was asked for."""
    if asked.response_format != "json":
        answer = rendering.rendered(transcript, asked.response_format, asked.granularities, limits, asked.task)
    elif isinstance(asked, TranslationForm):
        answer = rendering.json(formats.translation_body(transcript))
    else:
        answer = rendering.json(formats.json_body(transcript, with_logprobs=asked.logprobs))
    return rendering.warned(answer, (*transcript.warnings, *asked.left_out))


def _responses(description: str, body: Any, *others: str) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {kind: {} for kind in ("text/plain", "text/vtt", *others)}
    return {
        200: {
            "description": f"{description} Of a job with names of its submitter: the job.",
            "model": body | Submitted,
            "content": content,
        },
        202: {"description": "The job that was made of it.", "model": Submitted},
        **TAKING_AUDIO,
        **NAMING_A_MODEL,
    }

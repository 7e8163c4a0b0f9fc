"""POST /v1/audio/transcriptions: from the form to the answer."""

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from stt_core import form, formats
from stt_core.audio import AudioFile
from stt_core.engine import Transcript
from stt_core.form import TranscriptionForm
from stt_core.job import Job
from stt_core.models import Models
from stt_core.scheduler import Scheduler

PATH = "/v1/audio/transcriptions"


def router(scheduler: Scheduler, models: Models, upload_limit: int) -> APIRouter:
    """upload_limit: bytes of the file."""
    routes = APIRouter(tags=["Audio"])

    @routes.post(PATH, summary="Transcribe a file", responses=RESPONSES, openapi_extra={"requestBody": BODY})
    async def transcribe(request: Request) -> Response:
        with scheduler.admission():
            try:
                file, asked = await form.read(request, upload_limit)
            except ClientDisconnect:
                return GONE
            try:
                model = models.resolve(asked.model)
                options = replace(asked.options(await scheduler.capabilities(model)), model=model)
            except BaseException:
                file.close()
                raise
            job = scheduler.submit(AudioFile(file), options)
            try:
                transcript = await _answer(job, request)
            finally:
                scheduler.cancel(job)
        return GONE if transcript is None else rendered(transcript, asked)

    return routes


GONE = Response(status_code=499)
"""Nobody is there to read it; nginx's status for a client that closed the connection."""


async def _answer(job: Job, request: Request) -> Transcript | None:
    """The transcript, or None as soon as the client has hung up."""
    answer = asyncio.wrap_future(job.answer)
    left: asyncio.Future[None] = asyncio.ensure_future(_left(request))
    try:
        waits: set[asyncio.Future[Any]] = {answer, left}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        left.cancel()
        answer.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def rendered(transcript: Transcript, asked: TranscriptionForm) -> Response:
    """The answer in the format that was asked for."""
    match asked.response_format:
        case "json":
            return JSONResponse(formats.json_body(transcript).model_dump())
        case "verbose_json":
            body = formats.verbose_body(transcript, asked.granularities)
            return JSONResponse(body.model_dump(exclude_none=True))
        case "text":
            return PlainTextResponse(formats.text(transcript))
        case "srt":
            return PlainTextResponse(formats.srt(transcript))
        case "vtt":
            return PlainTextResponse(formats.vtt(transcript), media_type="text/vtt")


def _body_schema() -> dict[str, Any]:
    schema = TranscriptionForm.model_json_schema(by_alias=True)
    file = {"type": "string", "format": "binary", "description": "wav, mp3, m4a, flac, ogg, webm, mp4 …"}
    properties = {"file": file, **schema["properties"]}
    return {"type": "object", "required": ["file"], "properties": properties}


BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": _body_schema(),
            "encoding": {"timestamp_granularities[]": {"style": "form", "explode": True}},
        }
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the format that was asked for.",
        "model": formats.TranscriptionBody | formats.VerboseBody,
        "content": {"text/plain": {}, "text/vtt": {}},
    }
}

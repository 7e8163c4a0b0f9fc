"""POST /transcribe and /download-pyannote, as this service's users know them."""

import asyncio
import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from stt_core import errors, languages
from stt_core.audio import AudioFile
from stt_core.engine.models import Models
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions
from stt_core.errors import BadRequest, SpeakersUnavailable, about
from stt_core.http import form
from stt_core.http.answers import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.live import GONE, unless_gone
from stt_core.http.parameters import Track
from stt_core.scheduling.scheduler import Scheduler
from stt_core.settings import Settings
from stt_pytorch import answer
from stt_pytorch.settings import Transcribe
from stt_speakers.diarization.protocol import DiarizationUnavailable
from stt_speakers.stages import Stages

log = logging.getLogger("stt")

FIELD = "file"


class TranscribeForm(BaseModel):
    """Everything in the form of /transcribe but the file. Empty fields but `language` count as left out."""

    language: str = Field(
        "",
        description="Code such as `fr`; `auto` or empty, it is detected. Left out, the setting "
        "STT_TRANSCRIBE_LANGUAGE counts; without that, it is detected.",
    )
    model: str = Field("", description="Such as `medium` or `large-v3`; left out, the service's own.")
    track: Track = None
    enable_diarization: bool = Field(False, description="Who spoke when, where the service can tell.")

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for a language that it does not know."""
        return Options(
            language=languages.asked(self.language, capabilities.languages, "language"),
            speakers=SpeakerOptions(required=False) if self.enable_diarization else None,
        )


class Diarizing(BaseModel):
    """Speakers can be told."""

    status: Literal["success"] = "success"
    message: str
    diarization_available: Literal[True] = True


def router(
    scheduler: Scheduler, models: Models, settings: Settings, own: Transcribe, stages: Stages
) -> APIRouter:
    routes = APIRouter(tags=["PyTorch"])

    @routes.post(
        "/transcribe",
        summary="Transcribe a file, and tell its speakers",
        response_model=answer.TranscribeBody,
        responses={**TAKING_AUDIO, **NAMING_A_MODEL},
        openapi_extra=form.described(TranscribeForm, FIELD),
    )
    async def transcribe(request: Request) -> answer.TranscribeBody | Response:
        began = time.monotonic()
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
                if "language" not in data:
                    asked = asked.model_copy(update={"language": own.transcribe_language})
                model = models.resolve(asked.model)
                options = replace(asked.options(await scheduler.capabilities(model)), model=model)
                unused.pop_all()
            job = scheduler.submit(AudioFile(upload.file, track=asked.track), options)
            held.callback(scheduler.cancel, job)
            transcript = await unless_gone(request, asyncio.wrap_future(job.answer))
        if transcript is None:
            return GONE
        return answer.body(transcript, model, time.monotonic() - began, diarized=asked.enable_diarization)

    @routes.post(
        "/download-pyannote",
        summary="Have what tells speakers apart ready",
        response_model=Diarizing,
        responses=TELLING_SPEAKERS,
    )
    async def ready() -> Diarizing | Response:
        """Nothing is downloaded here, whatever the path says: the deploy fetches models. It is loaded."""
        try:
            diarizer = await run_in_threadpool(stages.diarizer)
        except DiarizationUnavailable as error:
            return _refused(str(error))
        except Exception:
            log.exception("the diarizer cannot be loaded")
            return _refused("Speakers cannot be told apart: loading failed; the service's log says why.")
        return Diarizing(message=f"Speakers are told apart by {diarizer.name}.")

    return routes


def _refused(reason: str) -> Response:
    """An error with its sentence where the readers of this path look for it, too."""
    error = SpeakersUnavailable(reason)
    return JSONResponse(errors.body(error) | {"detail": reason}, error.status, headers=errors.headers(error))

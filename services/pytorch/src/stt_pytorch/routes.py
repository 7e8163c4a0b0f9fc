"""POST /transcribe, as this service's users know it."""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import replace

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from stt_core import form
from stt_core.answers import NAMING_A_MODEL, TAKING_AUDIO
from stt_core.audio import AudioFile
from stt_core.engine import Capabilities, Options, SpeakerOptions
from stt_core.errors import BadRequest, about
from stt_core.live import GONE, unless_gone
from stt_core.models import Models
from stt_core.parameters import Track
from stt_core.scheduler import Scheduler
from stt_core.settings import Settings
from stt_pytorch import answer
from stt_whisperx.parameters import code

FIELD = "file"


class TranscribeForm(BaseModel):
    """Everything in the form of /transcribe but the file. Empty fields count as left out."""

    language: str = Field("", description="ISO 639-1 code such as `fr`; left out, it is detected.")
    model: str = Field("", description="Such as `medium` or `large-v3`; left out, the service's own.")
    track: Track = None
    enable_diarization: bool = Field(False, description="Who spoke when, where the service can tell.")

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for a language that it does not know."""
        return Options(
            language=code(self.language, capabilities) if self.language else None,
            speakers=SpeakerOptions(required=False) if self.enable_diarization else None,
        )


def router(scheduler: Scheduler, models: Models, settings: Settings) -> APIRouter:
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
                model = models.resolve(asked.model)
                options = replace(asked.options(await scheduler.capabilities(model)), model=model)
                unused.pop_all()
            job = scheduler.submit(AudioFile(upload.file, track=asked.track), options)
            held.callback(scheduler.cancel, job)
            transcript = await unless_gone(request, asyncio.wrap_future(job.answer))
        if transcript is None:
            return GONE
        return answer.body(transcript, model, time.monotonic() - began)

    return routes

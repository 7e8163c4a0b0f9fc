"""POST /transcribe and /download-pyannote, as this service's users know them."""

import logging
import time
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from stt_core import errors, languages
from stt_core.audio import AudioFile
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions
from stt_core.errors import SpeakersUnavailable
from stt_core.http import form
from stt_core.http.error_responses import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS
from stt_core.http.intake import Intake, Read, Received
from stt_core.http.parameters import Track
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
    enable_diarization: bool = Field(False, description="Identify the speakers, where the service supports it.")

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


def reading(own: Transcribe) -> Read[TranscribeForm]:
    """Reads a form of /transcribe, with the service's own language where it names none."""

    async def read(request: Request, limit: int, begins: form.Begins) -> Received[TranscribeForm]:
        upload, asked, data = await form.uploaded(request, TranscribeForm, limit, begins, FIELD)
        if "language" not in data:
            asked = asked.model_copy(update={"language": own.transcribe_language})
        return Received(upload.file, asked)

    return read


def router(intake: Intake, own: Transcribe, stages: Stages) -> APIRouter:
    routes = APIRouter(tags=["PyTorch"])

    @routes.post(
        "/transcribe",
        summary="Transcribe a file, and tell its speakers",
        response_model=answer.TranscribeBody,
        responses={**TAKING_AUDIO, **NAMING_A_MODEL},
        openapi_extra=form.described(TranscribeForm, FIELD),
    )
    async def transcribe(request: Request) -> answer.TranscribeBody:
        began = time.monotonic()
        async with intake.take(request, reading(own), FIELD) as taken:
            asked = taken.asked
            (transcript,) = await taken.transcripts(AudioFile(await taken.release(), track=asked.track))
        spent = time.monotonic() - began
        return answer.body(transcript, taken.options.model, spent, diarized=asked.enable_diarization)

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
            return _refused("Diarization is unavailable: its model could not be loaded. See the service's log.")
        return Diarizing(message=f"Speakers are identified by {diarizer.name}.")

    return routes


def _refused(reason: str) -> Response:
    """An error with its sentence where the readers of this path look for it, too."""
    error = SpeakersUnavailable(reason)
    return JSONResponse(errors.body(error) | {"detail": reason}, error.status, headers=errors.headers(error))

"""The service: `python -m stt_whisperx`; with the argument `openapi` it prints its OpenAPI document."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stt_core import cores
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_ctranslate2.engine import FasterWhisper
from stt_speakers.engine import SpeakerEngine
from stt_speakers.settings import from_environment
from stt_speakers.stages import stages

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.http.intake import Intake
    from stt_core.http.job_forms import JobForm
    from stt_core.http.jobs import Desk

TITLE = "Greffier: WhisperX"
DEFAULTS = Settings(port=8002, model="Systran/faster-whisper-base")
LIBRARIES = ("pocketsphinx", "pyannote-audio", "torch", "transformers", "whisperx")


def kind(settings: Settings) -> Kind:
    threads = cores.available()
    shared = stages(settings, from_environment(), threads)

    def engine() -> SpeakerEngine:
        whisper = FasterWhisper(settings.models_dir, settings.device, settings.compute_type, threads)
        return SpeakerEngine(whisper, shared)

    def status(common: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**common, **shared.status()}

    return Kind(TITLE, engine, _routers, status, libraries=LIBRARIES, job_forms=_job_forms)


def _routers(intake: "Intake", desk: "Desk", settings: Settings) -> "Iterable[APIRouter]":
    from stt_core.http import queued_transcribe  # the web framework is slow to import
    from stt_whisperx import routes

    return routes.router(intake, settings), queued_transcribe.router(intake, desk, settings.jobs_queue)


def _job_forms() -> "Mapping[str, JobForm]":
    from stt_core.http import queued_transcribe

    return queued_transcribe.job_forms()


if __name__ == "__main__":
    main(kind, sys.argv[1:], DEFAULTS)

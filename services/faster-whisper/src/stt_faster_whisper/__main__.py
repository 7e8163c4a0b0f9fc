"""The service: `python -m stt_faster_whisper`; with the argument `openapi` it prints its OpenAPI document."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stt_core import cores
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_ctranslate2.engine import FasterWhisper

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.http.intake import Intake
    from stt_core.http.job_forms import JobForm
    from stt_core.http.jobs import Desk

TITLE = "Greffier: Whisper"
DEFAULTS = Settings(port=8001, model="Systran/faster-whisper-small")


def kind(settings: Settings) -> Kind:
    threads = cores.available()
    return Kind(
        TITLE,
        lambda: FasterWhisper(settings.models_dir, settings.device, settings.compute_type, threads),
        _routers,
        job_forms=_job_forms,
    )


def _routers(intake: "Intake", desk: "Desk", settings: Settings) -> "Iterable[APIRouter]":
    from stt_core.http import queued_transcribe  # the web framework is slow to import

    return (queued_transcribe.router(intake, desk, settings.jobs_queue),)


def _job_forms() -> "Mapping[str, JobForm]":
    from stt_core.http import queued_transcribe

    return queued_transcribe.job_forms()


if __name__ == "__main__":
    main(kind, sys.argv[1:], DEFAULTS)

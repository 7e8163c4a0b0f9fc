"""The service: `python -m stt_parakeet`; with the argument `openapi` it prints its OpenAPI document."""

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stt_core import cores
from stt_core.engine.protocol import Engine
from stt_core.errors import StartError
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_parakeet import environment
from stt_parakeet.places import Places

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.http.intake import Intake
    from stt_core.http.job_forms import JobForm
    from stt_core.http.jobs import Desk
    from stt_core.jobs.service import JobService

TITLE = "Greffier: Parakeet"
DEFAULTS = environment.defaults({})
LIBRARIES = ("onnx-asr", "onnxruntime", "pyannote-audio", "torch")

log = logging.getLogger("stt")


def kind(settings: Settings) -> Kind:
    from stt_speakers.settings import from_environment
    from stt_speakers.stages import stages

    threads = cores.available()
    own = environment.own()
    places = Places(settings, own.model_path)
    shared = stages(settings, from_environment(), threads, aligned=False) if own.diarized else None

    def engine() -> Engine:
        from stt_parakeet.engine import Parakeet
        from stt_speakers.engine import SpeakerEngine

        model = Parakeet(places.of, threads)
        return model if shared is None else SpeakerEngine(model, shared)

    def status(common: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**common, **({} if shared is None else shared.status())}

    def routers(intake: "Intake", desk: "Desk", settings: Settings) -> "Iterable[APIRouter]":
        from stt_core.http import queued_transcribe  # the web framework is slow to import
        from stt_parakeet import recordings

        return recordings.router(intake, shared), queued_transcribe.router(intake, desk, settings.jobs_queue)

    def starting(jobs: "JobService") -> None:
        from stt_parakeet import former

        if own.database is None or not former.present(own.database):
            return
        path = own.database
        taken = jobs.take_over(str(path.resolve()), lambda: former.past(path))
        if taken is not None:
            log.info("%d transcriptions taken over from %s, which stays as it is", taken, path)

    return Kind(TITLE, engine, routers, status=status, libraries=LIBRARIES, job_forms=_job_forms, starting=starting)


def _job_forms() -> "Mapping[str, JobForm]":
    from stt_core.http import queued_transcribe

    return queued_transcribe.job_forms()


def run() -> None:
    try:
        defaults = environment.defaults(os.environ)
    except StartError as error:
        sys.exit(str(error))
    main(kind, sys.argv[1:], defaults)


if __name__ == "__main__":
    run()

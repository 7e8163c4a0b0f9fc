"""The service: `python -m stt_pytorch`; with the argument `openapi` it prints its OpenAPI document."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stt_core import cores
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_pytorch.engine import PyTorchWhisper
from stt_pytorch.hardware import hardware
from stt_whisperx.engine import WhisperX
from stt_whisperx.settings import Stages, from_environment
from stt_whisperx.speakers.protocol import DiarizationUnavailable
from stt_whisperx.stages import stages

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.models import Models
    from stt_core.scheduler import Scheduler

TITLE = "Greffier: Whisper (PyTorch)"
USUAL = Settings(port=8004, model="openai/whisper-medium", device="auto", compute_type="auto")
LIBRARIES = ("pocketsphinx", "pyannote-audio", "torch", "transformers")


def kind(settings: Settings) -> Kind:
    threads = cores.available()
    taken = hardware(settings.device, settings.compute_type, threads)
    shared = stages(replace(settings, device=taken.device), _own(from_environment()), threads)

    def engine() -> WhisperX:
        return WhisperX(PyTorchWhisper(settings.models_dir, taken), shared)

    def status() -> Mapping[str, Any]:
        try:
            shared.check()
            available = True
        except DiarizationUnavailable:
            available = False
        found = {"device": taken.device, "compute_type": taken.compute_type}
        return {**found, **shared.status(), "diarization_available": available}

    return Kind(TITLE, engine, _routers, status, LIBRARIES)


def _own(asked: Stages) -> Stages:
    """Here `auto` is pyannote or nobody: the open diarizer has to be chosen. No models align words."""
    diarizer = "pyannote" if asked.diarizer == "auto" else asked.diarizer
    return replace(asked, diarizer=diarizer, align_models={})


def _routers(scheduler: "Scheduler", models: "Models", settings: Settings) -> "Iterable[APIRouter]":
    from stt_pytorch import routes  # the web framework is slow to import

    return (routes.router(scheduler, models, settings),)


if __name__ == "__main__":
    main(kind, sys.argv[1:], USUAL)

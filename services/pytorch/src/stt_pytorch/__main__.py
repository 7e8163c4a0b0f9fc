"""The service: `python -m stt_pytorch`; with the argument `openapi` it prints its OpenAPI document."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from stt_core import cores
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings
from stt_pytorch.engine import PyTorchWhisper
from stt_pytorch.hardware import cuda, hardware
from stt_pytorch.settings import transcribe
from stt_speakers.engine import SpeakerEngine
from stt_speakers.settings import Stages, from_environment
from stt_speakers.stages import stages

if TYPE_CHECKING:
    from fastapi import APIRouter

    from stt_core.http.intake import Intake
    from stt_core.http.jobs import Desk

TITLE = "Greffier: Whisper (PyTorch)"
SERVICE = "transcription-pytorch"
"""What its clients know it by."""
DEFAULTS = Settings(port=8004, model="openai/whisper-medium", device="auto", compute_type="auto")
LIBRARIES = ("pocketsphinx", "pyannote-audio", "torch", "transformers")


def kind(settings: Settings) -> Kind:
    threads = cores.available()
    taken = hardware(settings.device, settings.compute_type, threads)
    own = transcribe()
    shared = stages(replace(settings, device=taken.device), _own(from_environment()), threads)

    def engine() -> SpeakerEngine:
        return SpeakerEngine(PyTorchWhisper(settings.models_dir, taken), shared)

    def status(common: Mapping[str, Any]) -> Mapping[str, Any]:
        works = not shared.trouble
        return {
            **common,
            **shared.status(),
            "device": taken.device,
            "compute_type": taken.compute_type,
            "diarization_available": works,
            "known_models": common["models"],
            "service": SERVICE,
            "torch_version": metadata.version("torch"),
            # PyTorch is slow to import, and while the model is loaded somebody else is at it.
            "cuda_available": taken.device == "cuda" or (common["state"] != "loading" and cuda()),
            "models": {
                "whisper": any(model["state"] == "loaded" for model in common["models"]),
                "diarization": works,
            },
        }

    def health(ready: bool) -> Mapping[str, Any]:
        return {
            "status": "healthy",
            "service": SERVICE,
            "available": ready,
            "model_loaded": ready,
            "diarization_available": not shared.trouble,
            "device": taken.device,
            "error": None,  # a service whose model cannot be loaded ends, and its log says why
        }

    def routers(intake: "Intake", desk: "Desk", settings: Settings) -> "Iterable[APIRouter]":
        from stt_pytorch import routes  # the web framework is slow to import

        return (routes.router(intake, own, shared),)

    return Kind(TITLE, engine, routers, status=status, health=health, libraries=LIBRARIES)


def _own(asked: Stages) -> Stages:
    """Here `auto` is pyannote or nobody: the open diarizer has to be chosen. No models align words."""
    diarizer = "pyannote" if asked.diarizer == "auto" else asked.diarizer
    return replace(asked, diarizer=diarizer, align_models={})


if __name__ == "__main__":
    main(kind, sys.argv[1:], DEFAULTS)

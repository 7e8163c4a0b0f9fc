"""The diarizer of a service: which one it is, whether it is there, and in memory once it is wanted."""

import threading
from pathlib import Path
from typing import Literal

from stt_core import memory
from stt_core.engine import modeldir
from stt_core.errors import StartError
from stt_speakers.diarization.protocol import DiarizationUnavailable, Diarizer
from stt_speakers.settings import Stages

OPEN = "greffier/open-diarization"
"""The folder of the open diarizer's weights, as the kit fetches them."""
NEEDED = {"open": 500_000_000, "pyannote": 1_200_000_000}
"""Bytes that telling speakers apart takes beside the rest of the process, on a processor; open took 385 MB on
half a minute, PyTorch included."""


class Diarizers:
    """Says which diarizer is the service's, and keeps it once it is loaded.

    device: `cpu`, `cuda` or another of PyTorch's.
    """

    def __init__(self, models_dir: Path, settings: Stages, threads: int, device: str) -> None:
        self._models = models_dir
        self._settings = settings
        self._threads = threads
        self._device = device
        self._loaded: Diarizer | None = None
        self._failed = ""
        self._lock = threading.Lock()

    @property
    def kind(self) -> Literal["open", "pyannote"]:
        asked = self._settings.diarizer
        if asked != "auto":
            return asked
        return "pyannote" if self._gated.is_dir() else "open"

    @property
    def name(self) -> str:
        """As /status says it: `open`, or the name of a model."""
        return "open" if self.kind == "open" else self._settings.diarization_model

    @property
    def loaded(self) -> bool:
        return self._loaded is not None

    @property
    def trouble(self) -> str:
        """Why speakers cannot be told, as far as is known; empty where nothing is against it."""
        if self._loaded is not None:
            return ""
        try:
            self.check()
        except DiarizationUnavailable as error:
            return str(error)
        return self._failed

    def check(self) -> None:
        """Raises DiarizationUnavailable where it is known already that there is none; quick."""
        if self._loaded is not None:
            return
        if self.kind == "open":
            try:
                modeldir.verified(self._models, OPEN)
            except StartError as error:
                raise DiarizationUnavailable(f"Diarization is unavailable. {error}") from error
        else:
            from stt_speakers.diarization.pyannote import configuration

            configuration(self._gated, self._settings.diarization_model)

    def get(self) -> Diarizer:
        """The diarizer, loaded. Raises DiarizationUnavailable."""
        with self._lock:
            if self._loaded is None:
                self.check()
                try:
                    if self._device == "cpu":
                        self._require()
                    diarizer = self._made()
                    diarizer.load()
                except Exception as error:
                    self._failed = str(error)
                    raise
                self._loaded, self._failed = diarizer, ""
            return self._loaded

    def put_away(self) -> None:
        """Its memory is free when nobody uses it any more; it is loaded again when it is wanted."""
        with self._lock:
            self._loaded = None

    @property
    def _gated(self) -> Path:
        """An absolute path stays as it is; a name of the hub is a folder of the models."""
        name = self._settings.diarization_model
        return Path(name) if Path(name).is_absolute() else self._models / name.replace("/", "--")

    def _require(self) -> None:
        try:
            memory.require(NEEDED[self.kind], f"telling speakers apart ({self.name})")
        except StartError as error:
            raise DiarizationUnavailable(str(error)) from error

    def _made(self) -> Diarizer:
        if self.kind == "open":
            from stt_speakers.diarization.open import OpenDiarizer

            return OpenDiarizer(self._models / OPEN.replace("/", "--"), self._threads)
        from stt_speakers.diarization.pyannote import PyannoteDiarizer

        return PyannoteDiarizer(self._gated, self._settings.diarization_model, self._threads, self._device)

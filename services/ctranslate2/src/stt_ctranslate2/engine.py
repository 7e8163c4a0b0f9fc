"""Whisper by CTranslate2 as an engine."""

from pathlib import Path

from stt_core import memory
from stt_core.engine import modeldir
from stt_ctranslate2.whisper import Whisper
from stt_whisper.windowed import Windowed


class FasterWhisper(Windowed):
    """One model in memory."""

    def __init__(self, models: Path, device: str, compute_type: str, threads: int) -> None:
        super().__init__()
        self._models = models
        self._device = device
        self._compute_type = compute_type
        self._threads = threads

    def load(self, model: str) -> None:
        folder = modeldir.verified(self._models, model)
        if self._device == "cpu":
            memory.require(modeldir.size(self._models, model), f"the model {model}")
        self._loaded = Whisper(folder, self._device, self._compute_type, self._threads)

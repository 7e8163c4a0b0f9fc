"""Whisper in PyTorch as an engine."""

import json
import math
from pathlib import Path

from stt_core import memory
from stt_core.engine import modeldir
from stt_core.errors import StartError
from stt_pytorch.hardware import Hardware
from stt_whisper.windowed import Windowed

WEIGHTS = "model.safetensors"
HEADER = 100_000_000
"""Bytes that a header of safetensors has at most, by its own specification."""


class PyTorchWhisper(Windowed):
    """One model in memory."""

    def __init__(self, models: Path, hardware: Hardware) -> None:
        super().__init__()
        self._models = models
        self._hardware = hardware

    def load(self, model: str) -> None:
        folder = modeldir.verified(self._models, model)
        count = weights(folder / WEIGHTS)
        if self._hardware.device == "cpu":
            size = 4 if self._hardware.compute_type == "float32" else 2
            memory.require(count * size, f"the model {model}")
        # Some seconds of imports, which who asks for the OpenAPI document does not need.
        from stt_pytorch.whisper import Whisper

        self._loaded = Whisper(folder, self._hardware)


def weights(path: Path) -> int:
    """How many numbers a file of safetensors has. Raises StartError for a file that is none."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            tensors = json.loads(file.read(length) if length <= HEADER else b"")
        return sum(math.prod(one["shape"]) for name, one in tensors.items() if name != "__metadata__")
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}; run `greffier deploy`.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StartError(
            f"{path} holds no weights as safetensors; name a model such as openai/whisper-medium."
        ) from None

"""Where a model's files lie."""

import json
import tempfile
from pathlib import Path

from stt_core.engine import modeldir
from stt_core.errors import StartError
from stt_core.settings import Settings
from stt_parakeet.models import MODELS, Known, known_as

UNSAID = {"nemo-conformer-tdt": {"features_size": 128, "subsampling_factor": 8}}
"""What a config.json says of Parakeet TDT. Other servers' downloads have none, and onnx-asr then loads the model for
features of another size and fails at the first request."""


class Places:
    """model_path: a folder with the default model's files, whoever put them there; where it is not there, the model
    lies with the others."""

    def __init__(self, settings: Settings, model_path: Path | None) -> None:
        self._models = settings.models_dir
        self._default = settings.model
        self._path = model_path
        self._made: tempfile.TemporaryDirectory[str] | None = None

    def of(self, model: str) -> Path:
        """The folder of a model. Raises StartError where it is not complete."""
        path = self._path if model == self._default else None
        if path is None or not path.is_dir() or not any(path.iterdir()):
            if model not in MODELS:
                raise StartError(f"There is no model {model!r} here; the models are {', '.join(MODELS)}.")
            return modeldir.verified(self._models, model)
        known = known_as(model)
        if (path / modeldir.RECORD).is_file():
            return modeldir.verified(path.parent, path.name)
        if not (path / "config.json").exists() and known.name in UNSAID:
            return self._described(path, known)
        return path

    def _described(self, path: Path, known: Known) -> Path:
        """The same files, with a config.json beside them."""
        self._made = tempfile.TemporaryDirectory(prefix="parakeet-")
        folder = Path(self._made.name)
        for file in path.iterdir():
            if file.is_file():
                (folder / file.name).symlink_to(file.resolve())
        config = {"model_type": known.name, **UNSAID[known.name]}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

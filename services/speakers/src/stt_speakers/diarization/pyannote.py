"""Speakers by one of pyannote's own pipelines, from local folders: community-1, 3.1, or one like them."""

import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stt_core.audio import SAMPLE_RATE
from stt_core.engine import modeldir
from stt_core.engine.protocol import Samples
from stt_core.errors import StartError
from stt_speakers import audio_library
from stt_speakers.diarization.assign import exclusive
from stt_speakers.diarization.protocol import Diarization, DiarizationUnavailable, Embedding, Turn
from stt_speakers.sound import Sound

CONFIG = "config.yaml"
PIPELINE = "pyannote.audio.pipelines.SpeakerDiarization"
OWN = "$model/"
"""Begins the name of a part that lies in the pipeline's own folder."""
FILES = {
    "segmentation": ("pytorch_model.bin",),
    "embedding": ("pytorch_model.bin",),
    "plda": ("plda.npz", "xvec_transform.npz"),
}
"""The parts of a pipeline, and the files of each."""
BATCH = 8
"""Windows at once on a processor; the pipelines' own 32 take gigabytes there and are no faster."""
STAGES = {"segmentation": (0.0, 0.15), "embeddings": (0.15, 0.95)}
"""The shares of the work at which the long steps begin and end, about as they take time."""
REMEDY = "run `greffier models pull`, which fetches what is missing."
BLOCK = 60 * SAMPLE_RATE
ENOUGH = 1.0
"""Seconds of speech that tell a voice."""


class PyannoteDiarizer:
    """One pipeline, as pyannote.audio runs it. It never asks the network."""

    def __init__(self, folder: Path, name: str, threads: int, device: str) -> None:
        """folder: that of the pipeline; models that it shares with others lie beside it, as `pull` puts them.

        name: on the hub, or what else the operator calls it. device: `cpu`, `cuda` or another of torch's.
        """
        self._folder = folder
        self._name = name
        self._threads = threads
        self._device = device
        self._pipeline: Any = None
        self._once = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    def load(self) -> None:
        with self._once:
            if self._pipeline is None:
                self._pipeline = self._loaded(configuration(self._folder, self._name))

    def diarize(
        self,
        sound: Sound,
        min_speakers: int | None,
        max_speakers: int | None,
        progress: Callable[[float], None],
    ) -> Diarization:
        self.load()
        if sound.length == 0:
            return Diarization((), (), ())

        def hook(
            step: str,
            artifact: Any,
            file: Any = None,
            total: int | None = None,
            completed: int | None = None,
        ) -> None:
            if total and completed is not None and step in STAGES:
                begin, end = STAGES[step]
                progress(float(begin + (end - begin) * min(1.0, completed / total)))

        with _waveform(sound) as waveform:
            file = {"waveform": waveform, "sample_rate": SAMPLE_RATE}
            try:
                found = self._pipeline(file, min_speakers=min_speakers, max_speakers=max_speakers, hook=hook)
            except ValueError:
                # VBx fails where it shall find more speakers than it has samples of voices.
                if min_speakers is None or min_speakers < 2:
                    raise
                found = self._pipeline(file, min_speakers=None, max_speakers=max_speakers, hook=hook)
        progress(1.0)
        return diarization(found)

    def voice(self, samples: Samples) -> Embedding | None:
        found = self.diarize(Sound(samples), 1, 1, lambda share: None)
        spoken = sum(turn.end - turn.start for turn in found.exclusive)
        return found.voices[0] if found.voices and spoken >= ENOUGH else None

    def _loaded(self, config: Mapping[str, Any]) -> Any:
        audio_library.prepare()
        # Of fewer speakers than were asked for, or of short pieces: for whoever trains models.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"pyannote\.|lightning\.")
        import torch
        from pyannote.audio.core.plda import PLDA
        from pyannote.audio.pipelines import SpeakerDiarization

        params = dict(config["pipeline"]["params"])
        if "plda" not in params and params.get("clustering") != "VBxClustering":
            # The library would fetch one from the hub, and not use it.
            params["plda"] = PLDA.__new__(PLDA)
        if self._device == "cpu":
            torch.set_num_threads(self._threads)
            for batch in ("segmentation_batch_size", "embedding_batch_size"):
                params[batch] = min(BATCH, params.get(batch, BATCH))
        try:
            pipeline = SpeakerDiarization(**params)
            return pipeline.instantiate(config["params"]).to(torch.device(self._device))
        except Exception as error:  # whatever a damaged file makes a library raise
            reason = next(iter(str(error).splitlines()), "")
            raise DiarizationUnavailable(
                f"The model {self._name} in {self._folder} cannot be loaded "
                f"({type(error).__name__}: {reason}); {REMEDY}"
            ) from error


def configuration(folder: Path, name: str) -> dict[str, Any]:
    """What a pipeline is made of, with folders for its parts, all of whose files are there.

    Quick: nothing is loaded. Raises DiarizationUnavailable.
    """
    _verify(folder, name)
    try:
        config = yaml.safe_load((folder / CONFIG).read_text("utf-8"))
        # Nothing else of what it may say is done: it can name any function of any library.
        config = {"pipeline": config["pipeline"], "params": config["params"]}
        params = config["pipeline"]["params"]
        if config["pipeline"]["name"] != PIPELINE or not {"segmentation", "embedding"} <= set(params):
            raise ValueError
    except FileNotFoundError:
        raise _incomplete(name, folder / CONFIG) from None
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DiarizationUnavailable(
            f"{folder / CONFIG} cannot be read as the configuration of a pyannote pipeline; {REMEDY}"
        ) from error
    for part in FILES:
        if part in params:
            params[part] = {"checkpoint": str(_part(folder, name, part, str(params[part])))}
    return config


def _part(folder: Path, name: str, part: str, wanted: str) -> Path:
    """The folder of a part of the pipeline: its own, or that of a model of the hub."""
    if wanted.startswith(OWN):
        found = folder / wanted.removeprefix(OWN)
    elif modeldir.NAME.fullmatch(wanted) and not (folder / wanted).exists():
        found = folder.parent / wanted.replace("/", "--")
        _verify(found, wanted)
    else:
        found = folder / wanted  # a path, maybe an absolute one
    for path in [found / file for file in FILES[part]] if found.is_dir() else [found]:
        if not path.is_file():
            raise _incomplete(name, path)
    return found


def _verify(folder: Path, name: str) -> None:
    """Raises DiarizationUnavailable for a folder that is not there, or not as the kit has fetched it."""
    if not folder.is_dir():
        raise DiarizationUnavailable(_missing(name, folder))
    if folder.name == name.replace("/", "--"):
        try:
            modeldir.verified(folder.parent, name)
        except StartError as error:
            raise DiarizationUnavailable(f"Diarization is unavailable. {error}") from error


def _missing(name: str, folder: Path) -> str:
    if not modeldir.NAME.fullmatch(name):
        return f"The folder {folder} is not there; give STT_DIARIZATION_MODEL another, or a model's name."
    return (
        f"The model {name} is not there ({folder}). Accept its terms at https://huggingface.co/{name}, give "
        'the service a token of that account in the inventory, secrets: {HF_TOKEN: "env:HF_TOKEN"}, and run '
        "`greffier models pull`; or set STT_DIARIZER to open, which needs no token."
    )


def _incomplete(name: str, path: Path) -> DiarizationUnavailable:
    return DiarizationUnavailable(f"The model {name} is not complete: {path} is missing; {REMEDY}")


def diarization(found: Any) -> Diarization:
    """What a pipeline gives, with speakers in the order in which they first speak."""
    annotation = getattr(found, "speaker_diarization", found)
    alone = getattr(found, "exclusive_speaker_diarization", None)
    turns = _turns(annotation)
    labels = list(dict.fromkeys(label for _, _, label in turns))
    numbers = {label: number for number, label in enumerate(labels)}
    embeddings = getattr(found, "speaker_embeddings", None)
    voices: Mapping[str, Any] = (
        dict(zip(annotation.labels(), embeddings, strict=False)) if embeddings is not None else {}
    )
    every = tuple(Turn(start, end, numbers[label]) for start, end, label in turns)
    single = [
        Turn(start, end, numbers[label])
        for start, end, label in (_turns(alone) if alone is not None else ())
        if label in numbers
    ]
    return Diarization(every, exclusive(single or every), tuple(_voice(voices.get(label)) for label in labels))


def _turns(annotation: Any) -> list[tuple[float, float, str]]:
    return sorted((turn.start, turn.end, str(label)) for turn, _, label in annotation.itertracks(yield_label=True))


def _voice(embedding: Any) -> Embedding | None:
    if embedding is None:
        return None
    length = float(np.linalg.norm(embedding))
    return (np.asarray(embedding) / length).astype(np.float32) if np.isfinite(length) and length > 0 else None


@contextmanager
def _waveform(sound: Sound) -> Iterator[Any]:
    """The sound as a tensor of shape (1, samples), on disk: the pipeline wants all of it at hand."""
    import torch

    with tempfile.TemporaryFile() as file:
        for first in range(0, sound.length, BLOCK):
            file.write(sound.between(first, first + BLOCK).astype(np.float32, copy=False).tobytes())
        file.flush()
        yield torch.from_numpy(np.memmap(file, np.float32, "r+"))[None]

"""Folders like those of pyannote's gated models, of weights that are at hand: the real pipeline runs on them.

The segmentation is the real one. Voices are told by CAM++, or by an untrained network of the shape of the
gated one, which is enough to run every line of what stands around it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from stt_core.engine import modeldir
from stt_speakers import audio_library
from stt_speakers.diarization.embedding import DIMENSION, SpeakerNetwork

audio_library.prepare()

import torchaudio.compliance.kaldi as kaldi  # noqa: E402
from pyannote.audio import Model  # noqa: E402
from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: E402
from pyannote.audio.models.embedding import WeSpeakerResNet34  # noqa: E402
from pyannote.audio.models.segmentation import PyanNet  # noqa: E402

COMMUNITY = "pyannote/speaker-diarization-community-1"
LEGACY = "pyannote/speaker-diarization-3.1"
LEGACY_PARTS = {
    "segmentation": "pyannote/segmentation-3.0",
    "embedding": "pyannote/wespeaker-voxceleb-resnet34-LM",
}


class Campplus(Model):
    """CAM++ as a model of pyannote.audio."""

    def __init__(self, weights: str = "", **parameters: Any) -> None:
        super().__init__(**parameters)
        self.save_hyperparameters("weights")
        self._network = SpeakerNetwork(torch.load(weights, weights_only=True))

    @property
    def dimension(self) -> int:
        return DIMENSION

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        return torch.stack(
            [self._one(waveform, None if weights is None else weights[row]) for row, waveform in enumerate(waveforms)]
        )

    def _one(self, waveform: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        frames = kaldi.fbank(waveform, num_mel_bins=80, sample_frequency=16_000, dither=0.0)
        if mask is not None:
            frames = frames[torch.nn.functional.interpolate(mask[None, None], size=len(frames))[0, 0] > 0.5]
        if len(frames) < 30:
            return torch.full((DIMENSION,), float("nan"))
        return self._network((frames - frames.mean(0))[None])[0]


def save(model: Model, folder: Path, specifications: Specifications) -> None:
    """As pyannote.audio saves a model."""
    folder.mkdir(parents=True)
    torch.save(
        {
            "pytorch-lightning_version": "2.0.0",
            "state_dict": model.state_dict(),
            "hparams_name": "kwargs",
            "hyper_parameters": dict(model.hparams),
            "pyannote.audio": {
                "versions": {"pyannote.audio": "3.1.0"},
                "architecture": {"module": type(model).__module__, "class": type(model).__name__},
                "specifications": specifications,
            },
        },
        folder / "pytorch_model.bin",
    )


def segmentation(weights: Path, folder: Path) -> None:
    """The real one, of the open diarizer."""
    specifications = Specifications(
        Problem.MONO_LABEL_CLASSIFICATION,
        Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model = PyanNet(sincnet={"stride": 10, "sample_rate": 16_000}, lstm={"num_layers": 4})
    model.specifications = specifications
    model.build()
    model.load_state_dict(torch.load(weights / "segmentation.pt", weights_only=True)["state_dict"])
    save(model, folder, specifications)


def embedding(model: Model, folder: Path) -> None:
    specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0, classes=["speaker"])
    save(model, folder, specifications)


def untrained() -> Model:
    torch.manual_seed(0)
    return WeSpeakerResNet34()


def campplus(weights: Path) -> Model:
    return Campplus(str(weights / "embedding.pt"))


def community(weights: Path, models: Path, voices: Model) -> Path:
    """A folder with all parts, laid out and configured as speaker-diarization-community-1."""
    folder = models / COMMUNITY.replace("/", "--")
    segmentation(weights, folder / "segmentation")
    embedding(voices, folder / "embedding")
    plda(folder / "plda", voices.dimension)
    config(
        folder,
        {
            "clustering": "VBxClustering",
            "segmentation": "$model/segmentation",
            "embedding": "$model/embedding",
            "plda": "$model/plda",
        },
        {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
    )
    return folder


def legacy(weights: Path, models: Path, voices: Model) -> Path:
    """A folder with a configuration alone, as speaker-diarization-3.1, and its models beside it."""
    folder = models / LEGACY.replace("/", "--")
    folder.mkdir(parents=True)
    segmentation(weights, models / LEGACY_PARTS["segmentation"].replace("/", "--"))
    embedding(voices, models / LEGACY_PARTS["embedding"].replace("/", "--"))
    config(
        folder,
        {"clustering": "AgglomerativeClustering"} | LEGACY_PARTS,
        {"method": "centroid", "min_cluster_size": 6, "threshold": 0.6},
        version="3.1.0",
    )
    return folder


def record(models: Path) -> None:
    """As the kit leaves folders that it has fetched whole."""
    for folder in models.iterdir():
        files = {
            str(file.relative_to(folder)): {
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "size": file.stat().st_size,
                "mtime_ns": file.stat().st_mtime_ns,
            }
            for file in folder.rglob("*")
            if file.is_file()
        }
        (folder / modeldir.RECORD).write_text(json.dumps({"files": files}))


def plda(folder: Path, dimension: int) -> None:
    """One that changes little: as many of the dimensions as it keeps, each as telling as the other."""
    kept = 128
    folder.mkdir()
    chance = np.random.default_rng(0)
    basis, _ = np.linalg.qr(chance.normal(size=(dimension, dimension)))
    np.savez(folder / "xvec_transform.npz", mean1=np.zeros(dimension), mean2=np.zeros(kept), lda=basis[:, :kept])
    np.savez(folder / "plda.npz", mu=np.zeros(kept), tr=np.eye(kept), psi=np.linspace(9, 10, kept))


def config(folder: Path, params: dict[str, Any], clustering: dict[str, Any], **more: str) -> None:
    content = {
        **more,
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": params
            | {
                "embedding_exclude_overlap": True,
                "segmentation_batch_size": 32,
                "embedding_batch_size": 32,
            },
        },
        "params": {"clustering": clustering, "segmentation": {"min_duration_off": 0.0}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))

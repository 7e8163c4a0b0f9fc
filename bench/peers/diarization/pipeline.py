"""pyannote.audio's own SpeakerDiarization: `python -m bench.peers.diarization.pipeline WEIGHTS THREADS`.

The weights are those of the service. The pipeline, its segmentation network and its clustering are pyannote's; the
voices are the service's CAM++, for which pyannote has no network, given to it as one of its models. Windows and
embeddings go in batches, silent voices are not embedded at all, and of the others only the frames in which they speak,
so it is faster here than out of the box. It runs in the service's environment, and answers as
bench.diarization.opened does.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from stt_speakers import audio_library

audio_library.prepare()

from pyannote.audio.core.model import Model  # noqa: E402
from pyannote.audio.core.plda import PLDA  # noqa: E402
from pyannote.audio.core.task import Problem, Resolution, Specifications  # noqa: E402
from pyannote.audio.models.segmentation import PyanNet  # noqa: E402
from pyannote.audio.pipelines import SpeakerDiarization  # noqa: E402
from stt_speakers.diarization.embedding import DIMENSION, SpeakerNetwork  # noqa: E402
from stt_speakers.diarization.fbank import fbank  # noqa: E402
from torch import Tensor  # noqa: E402

from bench import warm  # noqa: E402
from bench.diarization.samples import mapped  # noqa: E402

BATCH = 32
"""As the configurations have it that pyannote publishes."""
CLUSTERING = {"method": "centroid", "min_cluster_size": 6, "threshold": 0.6}
LEAST = 30
"""Feature frames of 10 ms that a voice needs."""
ROUNDED = 50
"""Clips of lengths that are the same when rounded up to so many frames go in one batch, filled up by repetition."""


class Voices(Model):
    """CAM++ as pyannote's pipeline asks for it: windows, and masks of the frames that count."""

    def __init__(self, network: SpeakerNetwork) -> None:
        super().__init__(sample_rate=16_000, num_channels=1)
        self._network = network

    @property
    def dimension(self) -> int:
        return DIMENSION

    @property
    def min_num_samples(self) -> int:
        return 400 + 160 * LEAST

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:
        """Shape (windows, DIMENSION), NaN where too little is said; of (windows, 1, samples), (windows, frames)."""
        voices = torch.full((len(waveforms), DIMENSION), torch.nan)
        by_length: defaultdict[int, list[tuple[int, Tensor]]] = defaultdict(list)
        last: tuple[Tensor, Tensor] | None = None
        for number, (waveform, mask) in enumerate(zip(waveforms[:, 0], weights, strict=True)):
            # The pipeline gives every window once for each of its voices.
            if last is None or not torch.equal(last[0], waveform):
                last = (waveform, fbank(waveform))
            kept = last[1]
            frames = torch.nn.functional.interpolate(mask[None, None], size=len(kept), mode="nearest")[0, 0] > 0.5
            if (count := int(frames.sum())) >= LEAST:
                by_length[-(-count // ROUNDED) * ROUNDED].append((number, kept[frames]))
        for length, clips in by_length.items():
            filled = [clip[torch.arange(length) % len(clip)] for _, clip in clips]
            batch = torch.stack([clip - clip.mean(0) for clip in filled])
            voices[[number for number, _ in clips]] = self._network(batch)
        return voices


def main() -> int:
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    pipeline = made(folder)

    def diarize(audio: str, speakers: int | None = None) -> str:
        samples = torch.from_numpy(mapped(audio).astype("float32") / 32768)
        file: dict[str, Any] = {"waveform": samples[None], "sample_rate": 16_000, "uri": "file"}
        found = pipeline(file, num_speakers=speakers).speaker_diarization
        return json.dumps([[turn.start, turn.end, who] for turn, _, who in found.itertracks(yield_label=True)])

    warm.answer(torch.get_num_threads(), diarize)
    return 0


def made(folder: Path) -> SpeakerDiarization:
    pipeline = SpeakerDiarization(
        segmentation=segmentation(folder / "segmentation.pt"),
        embedding=Voices(SpeakerNetwork(torch.load(folder / "embedding.pt", weights_only=True))),
        embedding_exclude_overlap=True,
        clustering="AgglomerativeClustering",
        plda=PLDA.__new__(PLDA),  # this clustering needs none
        embedding_batch_size=BATCH,
        segmentation_batch_size=BATCH,
    )
    return pipeline.instantiate({"clustering": CLUSTERING, "segmentation": {"min_duration_off": 0.0}})


def segmentation(path: Path) -> PyanNet:
    """segmentation-3.0: three voices, two at a time, in ten seconds."""
    model = PyanNet(lstm={"num_layers": 4, "monolithic": True})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.build()
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return model.eval()


if __name__ == "__main__":
    sys.exit(main())

"""Speakers without a token: pyannote's segmentation-3.0 and CAM++ voices, clustered."""

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stt_core.engine.protocol import Samples
from stt_speakers.diarization.protocol import Diarization, DiarizationUnavailable, Embedding, Turn
from stt_speakers.sound import Sound

if TYPE_CHECKING:
    from stt_speakers.diarization.listening import Heard, Networks

SEGMENTATION = "segmentation.pt"
EMBEDDING = "embedding.pt"
TELLING = 1.5
"""Seconds that somebody must speak alone at a stretch, for the voice to count in finding the speakers."""
SHORTEST_VOICE = 1.0
"""Seconds of speech that a reference clip needs."""


class OpenDiarizer:
    """A Diarizer. PyTorch is imported and the weights are read by `load`, or by the first use."""

    def __init__(self, folder: Path, threads: int) -> None:
        """folder: with segmentation.pt and embedding.pt. threads: of the processor, for PyTorch."""
        self._folder = folder
        self._threads = threads
        self._networks: Networks | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        return "open"

    def load(self) -> None:
        self._loaded()

    def diarize(
        self,
        sound: Sound,
        min_speakers: int | None,
        max_speakers: int | None,
        progress: Callable[[float], None],
    ) -> Diarization:
        networks = self._loaded()
        from stt_speakers.diarization.timeline import turns

        heard = networks.listen(sound, progress)
        speakers, voices = _speakers(heard, min_speakers, max_speakers)
        said = turns(heard.activity, heard.starts, heard.pieces, speakers, alone=False)
        one = turns(heard.activity, heard.starts, heard.pieces, speakers, alone=True)
        order = list(dict.fromkeys(turn.speaker for turn in said))
        return Diarization(
            _renumbered(said, order), _renumbered(one, order), tuple(voices[speaker] for speaker in order)
        )

    def voice(self, samples: Samples) -> Embedding | None:
        voice, seconds = self._loaded().voice(Sound(samples))
        return voice if seconds >= SHORTEST_VOICE else None

    def _loaded(self) -> "Networks":
        with self._loading:
            import torch

            torch.set_num_threads(self._threads)
            if self._networks is None:
                from stt_speakers.diarization.listening import Networks

                try:
                    self._networks = Networks(self._folder / SEGMENTATION, self._folder / EMBEDDING, self._threads)
                except Exception as error:
                    raise DiarizationUnavailable(
                        f"Diarization is unavailable: the open diarizer's weights in {self._folder} "
                        f"cannot be read ({type(error).__name__}); run `greffier deploy`, which fetches them."
                    ) from error
            return self._networks


def _speakers(
    heard: "Heard", min_speakers: int | None, max_speakers: int | None
) -> tuple[NDArray[np.int64], list[Embedding | None]]:
    """Whose each piece is, of shape (pieces,), and each speaker's voice."""
    from stt_speakers.diarization.clustering import assigned, centroids, speakers

    if not len(heard.pieces):
        return np.zeros(0, np.int64), []
    telling = heard.seconds >= TELLING
    if not telling.any():
        telling[:] = True
    voices, seconds = heard.voices[telling], np.maximum(heard.seconds[telling], 0.1)
    labels = speakers(voices, seconds, min_speakers, max_speakers)
    count = int(labels.max()) + 1
    known = centroids(voices, seconds, labels, count)
    likeness = heard.voices @ known.T
    whose = np.zeros(len(heard.pieces), np.int64)
    edges = np.flatnonzero(np.diff(heard.pieces[:, 0], prepend=-1, append=-1))
    for first, last in pairwise(edges):
        number, start, stop = heard.pieces[first:last, 1:].T
        together = (start[:, None] < stop) & (start < stop[:, None])
        apart = together & (number[:, None] != number)
        whose[first:last] = assigned(likeness[first:last], heard.seconds[first:last], apart)
    alone = np.bincount(labels, seconds, count)
    return whose, [known[speaker] if alone[speaker] >= SHORTEST_VOICE else None for speaker in range(count)]


def _renumbered(turns: list[Turn], order: list[int]) -> tuple[Turn, ...]:
    """Speakers numbered by when they first speak."""
    return tuple(Turn(turn.start, turn.end, order.index(turn.speaker)) for turn in turns)

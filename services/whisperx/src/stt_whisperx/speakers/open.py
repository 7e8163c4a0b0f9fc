"""Speakers without a token: pyannote's segmentation-3.0 and CAM++ voices, clustered."""

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stt_core.engine import Samples
from stt_whisperx.sound import Sound
from stt_whisperx.speakers.protocol import Diarization, DiarizationUnavailable, Embedding, Turn

if TYPE_CHECKING:
    from stt_whisperx.speakers.listening import Heard, Networks

SEGMENTATION = "segmentation.pt"
EMBEDDING = "embedding.pt"
TELLING = 1.0
"""Seconds that somebody must speak alone in a window, for the voice to count in finding the speakers."""
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
        self, sound: Sound, least: int | None, most: int | None, progress: Callable[[float], None]
    ) -> Diarization:
        networks = self._loaded()
        from stt_whisperx.speakers.timeline import turns

        heard = networks.listen(sound, progress)
        speakers, voices = _speakers(heard, least, most)
        said = turns(heard.classes, heard.starts, speakers, alone=False)
        one = turns(heard.classes, heard.starts, speakers, alone=True)
        order = list(dict.fromkeys(turn.speaker for turn in said))
        return Diarization(
            _renumbered(said, order),
            _renumbered(one, order),
            tuple(voices[speaker] for speaker in order),
        )

    def voice(self, samples: Samples) -> Embedding | None:
        voice, seconds = self._loaded().voice(Sound(samples))
        return voice if seconds >= SHORTEST_VOICE else None

    def _loaded(self) -> "Networks":
        with self._loading:
            import torch

            torch.set_num_threads(self._threads)
            if self._networks is None:
                from stt_whisperx.speakers.listening import Networks

                try:
                    self._networks = Networks(self._folder / SEGMENTATION, self._folder / EMBEDDING)
                except Exception as error:
                    raise DiarizationUnavailable(
                        f"Speakers cannot be told apart: the open diarizer's weights in {self._folder} cannot "
                        f"be read ({type(error).__name__}); run `cli.py deploy`, which fetches them again."
                    ) from error
            return self._networks


def _speakers(
    heard: "Heard", least: int | None, most: int | None
) -> tuple[NDArray[np.int64], list[Embedding | None]]:
    """Who the voices of each window are, of shape (windows, LOCALS), -1 for nobody; each speaker's voice."""
    from stt_whisperx.speakers.clustering import assigned, centroids, speakers
    from stt_whisperx.speakers.timeline import LOCALS

    owners = np.full((len(heard.starts), LOCALS), -1, np.int64)
    if not len(heard.voices):
        return owners, []
    telling = heard.seconds >= TELLING
    if not telling.any():
        telling[:] = True
    labels = speakers(heard.voices[telling], np.maximum(heard.seconds[telling], 0.1), least, most)
    count = int(labels.max()) + 1
    known = centroids(heard.voices[telling], heard.seconds[telling], labels, count)
    likeness = heard.voices @ known.T
    edges = np.flatnonzero(np.diff(heard.owners[:, 0], prepend=-1, append=-1))
    for first, last in pairwise(edges):
        window, numbers = heard.owners[first, 0], heard.owners[first:last, 1]
        owners[window, numbers] = assigned(likeness[first:last])
    alone = np.bincount(labels, heard.seconds[telling], count)
    return owners, [known[k] if alone[k] >= SHORTEST_VOICE else None for k in range(count)]


def _renumbered(turns: list[Turn], order: list[int]) -> tuple[Turn, ...]:
    """Speakers numbered by when they first speak."""
    return tuple(Turn(turn.start, turn.end, order.index(turn.speaker)) for turn in turns)

"""A recording through both networks, in windows that overlap: who speaks in each, and with what voice."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stt_core.audio import SAMPLE_RATE
from stt_whisperx.sound import Sound
from stt_whisperx.speakers.embedding import DIMENSION, SpeakerNetwork
from stt_whisperx.speakers.fbank import BINS, LENGTH, SHIFT, fbank
from stt_whisperx.speakers.segmentation import Segmentation
from stt_whisperx.speakers.timeline import (
    CERTAIN,
    FIELD,
    FRAME,
    FRAMES,
    LOCALS,
    SPEAKERS,
    WINDOW,
    joined,
    runs,
)

STEP = 148
"""Frames from one window to the next: 2.5 s, so that four windows vote on each frame."""
WINDOWS = 8
"""Heard at once."""
CLIPS = 16
"""Voices that are embedded at once."""
PAUSE = round(0.3 * SAMPLE_RATE / FRAME)
"""Frames: after a longer one, a window's speaker is recognised anew, since windows confound people."""
LENGTHS = (30, 40, 50, 65, 80, 100, 150, 200)
"""Feature frames of 10 ms that a voice is known by: few lengths, so that clips go in batches."""
ENOUGH = 50
"""Feature frames alone from which a voice is taken from what it says alone."""
LONGEST_CLIP = 1000
"""Feature frames of a reference clip."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What timeline.turns takes, `activity`, `starts` and `pieces`, and of each piece:

    voices: its embedding of length 1, (pieces, DIMENSION). seconds: in which it is heard alone, (pieces,).
    """

    activity: NDArray[np.uint8]
    starts: NDArray[np.int64]
    pieces: NDArray[np.int64]
    voices: NDArray[np.float32]
    seconds: NDArray[np.float64]


class Networks:
    """Both networks, in memory."""

    def __init__(self, segmentation: Path, embedding: Path) -> None:
        """Raises what torch.load raises, and KeyError or RuntimeError where a file is not one of theirs."""
        self._segmentation = Segmentation(torch.load(segmentation, weights_only=True)["state_dict"])
        self._embedding = SpeakerNetwork(torch.load(embedding, weights_only=True))

    @torch.inference_mode()
    def listen(self, sound: Sound, progress: Callable[[float], None]) -> Heard:
        """progress: told of the share that was heard, after each second or so of work."""
        starts = _starts(sound.length)
        activity = np.zeros((len(starts), FRAMES, LOCALS), np.uint8)
        pieces: list[tuple[int, int, int, int]] = []
        voices: list[NDArray[np.float32]] = []
        seconds: list[float] = []
        for first in range(0, len(starts), WINDOWS):
            block = starts[first : first + WINDOWS]
            samples = _samples(sound, int(block[0]) * FRAME, int(block[-1]) * FRAME + WINDOW)
            offsets = ((block - block[0]) * FRAME).tolist()
            heard = self._segmented(torch.stack([samples[offset : offset + WINDOW] for offset in offsets]))
            activity[first : first + len(block)] = np.rint(heard @ SPEAKERS.astype(np.float32) * CERTAIN)
            progress((first + 0.3 * len(block)) / len(starts))
            clips: list[NDArray[np.int64]] = []
            for window, (classes, offset) in enumerate(zip(heard.argmax(-1), offsets, strict=True), first):
                for number, start, stop, clip, alone in _pieces(classes, offset):
                    pieces.append((window, number, start, stop))
                    clips.append(clip)
                    seconds.append(alone * SHIFT / SAMPLE_RATE)
            if clips:
                voices.append(self._embedded(fbank(samples), clips))
            progress((first + len(block)) / len(starts))
        return Heard(
            activity,
            starts,
            np.array(pieces, np.int64).reshape(-1, 4),
            np.concatenate([np.zeros((0, DIMENSION), np.float32), *voices]),
            np.array(seconds),
        )

    @torch.inference_mode()
    def voice(self, sound: Sound) -> tuple[NDArray[np.float32] | None, float]:
        """The voice of a clip with one speaker, of its speech alone, and the seconds of that speech."""
        kept = [torch.zeros(0, BINS)]
        for first in range(0, sound.length, WINDOW):
            samples = _samples(sound, first, first + WINDOW)
            speech = self._segmented(samples[None])[0].argmax(-1) > 0
            kept.append(fbank(samples)[_features(speech, 0)])
            if sum(map(len, kept)) >= LONGEST_CLIP:
                break
        features = torch.cat(kept)[:LONGEST_CLIP]
        if len(features) < LENGTHS[0]:
            return None, 0.0
        voice: NDArray[np.float32] = self._named(features[None])[0]
        return voice, len(features) * SHIFT / SAMPLE_RATE

    def _segmented(self, windows: Tensor) -> NDArray[np.float32]:
        """Probabilities of the classes: shape (windows, FRAMES, classes)."""
        classes: NDArray[np.float32] = self._segmentation(windows).numpy()
        return classes

    def _embedded(self, features: Tensor, clips: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Shape (clips, DIMENSION). clips: which features each is made of."""
        voices = np.zeros((len(clips), DIMENSION), np.float32)
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for number, clip in enumerate(clips):
            by_length[len(clip)].append(number)
        for numbers in by_length.values():
            for first in range(0, len(numbers), CLIPS):
                batch = numbers[first : first + CLIPS]
                chosen = torch.from_numpy(np.stack([clips[number] for number in batch]))
                voices[batch] = self._named(features[chosen])
        return voices

    def _named(self, features: Tensor) -> NDArray[np.float32]:
        """Embeddings of length 1, (clips, DIMENSION), of clips' features, (clips, frames, BINS)."""
        voices = self._embedding(features - features.mean(1, keepdim=True))
        unit: NDArray[np.float32] = torch.nn.functional.normalize(voices, dim=-1).numpy()
        return unit


def _starts(length: int) -> NDArray[np.int64]:
    """The first frames of windows that cover so many samples; the last one ends where they end."""
    if not length:
        return np.zeros(0, np.int64)
    last = -(-max(0, length - WINDOW) // FRAME)
    return np.append(np.arange(0, last, STEP), last)


def _samples(sound: Sound, first: int, last: int) -> Tensor:
    """The samples [first, last), with silence after the sound's end."""
    samples = np.zeros(last - first, np.float32)
    part = sound.between(first, last)
    samples[: len(part)] = part
    return torch.from_numpy(samples)


def _pieces(
    classes: NDArray[np.int64], offset: int
) -> Iterator[tuple[int, int, int, NDArray[np.int64], int]]:
    """What each speaker of a window says at a stretch; the window begins at sample `offset` of a part.

    Each with the speaker's number, its first frame and the first after it, the part's features to know the
    voice by, and how many features it is alone. What is too short to know anybody by is left out.
    """
    frames = np.arange(FRAMES)
    for number in range(LOCALS):
        for start, stop in joined(runs(SPEAKERS[classes, number]), PAUSE):
            within = (frames >= start) & (frames < stop)
            alone = _features(within & (classes == number + 1), offset)
            clip = alone if len(alone) >= ENOUGH else _features(within & SPEAKERS[classes, number], offset)
            length = max((length for length in LENGTHS if length <= len(clip)), default=0)
            if length:
                skipped = (len(clip) - length) // 2
                yield number, start, stop, clip[skipped : skipped + length], len(alone)


def _features(frames: NDArray[np.bool_], offset: int) -> NDArray[np.int64]:
    """The features, of a part, in whose middle a frame of the window at `offset` is marked."""
    features = np.arange(-(-offset // SHIFT), (offset + WINDOW - LENGTH) // SHIFT + 1)
    middles = features * SHIFT + LENGTH // 2 - offset
    nearest = np.rint((middles - FIELD / 2) / FRAME).astype(np.int64)
    marked: NDArray[np.int64] = features[frames[nearest.clip(0, FRAMES - 1)]]
    return marked

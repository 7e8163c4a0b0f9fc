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
from stt_whisperx.speakers.timeline import FIELD, FRAME, FRAMES, LOCALS, SPEAKERS, WINDOW

STEP = 148
"""Frames from one window to the next: 2.5 s, so that four windows vote on each frame."""
WINDOWS = 8
"""Heard at once."""
CLIPS = 8
"""Voices that are embedded at once."""
LENGTHS = (30, 40, 50, 65, 80, 100, 150, 200, 250, 300, 350, 400)
"""Feature frames of 10 ms that a voice is taken from: few lengths, so that clips go in batches."""
ENOUGH = 50
"""Feature frames alone from which a voice is taken from what it says alone."""
LONGEST_CLIP = 1000
"""Feature frames of a reference clip."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """classes: of each window's frames, (windows, FRAMES). starts: the windows' first frames, (windows,).

    Of each voice: owners, its window and its number there, (voices, 2); voices, its embedding of length 1,
    (voices, DIMENSION); seconds in which it speaks alone, (voices,).
    """

    classes: NDArray[np.uint8]
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
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
        """progress: told of the share that was heard, after each step of about a second."""
        starts = _starts(sound.length)
        classes = np.zeros((len(starts), FRAMES), np.uint8)
        owners: list[tuple[int, int]] = []
        voices: list[NDArray[np.float32]] = []
        seconds: list[float] = []
        for first in range(0, len(starts), WINDOWS):
            block = starts[first : first + WINDOWS]
            samples = _samples(sound, int(block[0]) * FRAME, int(block[-1]) * FRAME + WINDOW)
            offsets = (block - block[0]) * FRAME
            heard = self._segmented(torch.stack([samples[offset : offset + WINDOW] for offset in offsets]))
            classes[first : first + len(block)] = heard
            progress((first + 0.3 * len(block)) / len(starts))
            clips: list[NDArray[np.int64]] = []
            for window, offset in enumerate(offsets):
                for number, clip, alone in _clips(heard[window], int(offset)):
                    clips.append(clip)
                    owners.append((first + window, number))
                    seconds.append(alone * SHIFT / SAMPLE_RATE)
            if clips:
                voices.append(self._embedded(fbank(samples), clips))
            progress((first + len(block)) / len(starts))
        return Heard(
            classes,
            starts,
            np.array(owners, np.int64).reshape(-1, 2),
            np.concatenate([np.zeros((0, DIMENSION), np.float32), *voices]),
            np.array(seconds),
        )

    @torch.inference_mode()
    def voice(self, sound: Sound) -> tuple[NDArray[np.float32] | None, float]:
        """The voice of a clip with one speaker, of its speech alone, and the seconds of that speech."""
        kept = [torch.zeros(0, BINS)]
        for first in range(0, sound.length, WINDOW):
            samples = _samples(sound, first, first + WINDOW)
            classes = self._segmented(samples[None])[0]
            kept.append(fbank(samples)[_features(classes > 0, 0)])
        features = torch.cat(kept)[:LONGEST_CLIP]
        if len(features) < LENGTHS[0]:
            return None, 0.0
        voice = self._embedding((features - features.mean(0))[None])
        return _unit(voice)[0].numpy(), len(features) * SHIFT / SAMPLE_RATE

    def _segmented(self, windows: Tensor) -> NDArray[np.uint8]:
        """The likeliest class of each frame: shape (windows, FRAMES)."""
        classes: NDArray[np.uint8] = self._segmentation(windows).argmax(-1).to(torch.uint8).numpy()
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
                part = features[torch.from_numpy(np.stack([clips[number] for number in batch]))]
                voices[batch] = _unit(self._embedding(part - part.mean(1, keepdim=True))).numpy()
        return voices


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


def _clips(classes: NDArray[np.uint8], offset: int) -> Iterator[tuple[int, NDArray[np.int64], int]]:
    """The voices of a window that begins at sample `offset` of a part.

    Each with its number, the part's features to know it by, and how many features it speaks alone.
    """
    for number in range(LOCALS):
        alone = _features(classes == number + 1, offset)
        clip = alone if len(alone) >= ENOUGH else _features(SPEAKERS[classes, number], offset)
        length = max((length for length in LENGTHS if length <= len(clip)), default=0)
        if length:
            skipped = (len(clip) - length) // 2
            yield number, clip[skipped : skipped + length], len(alone)


def _features(frames: NDArray[np.bool_], offset: int) -> NDArray[np.int64]:
    """The features, of a part, in whose middle a frame of the window at `offset` is marked."""
    features = np.arange(-(-offset // SHIFT), (offset + WINDOW - LENGTH) // SHIFT + 1)
    middles = features * SHIFT + LENGTH // 2 - offset
    nearest = np.rint((middles - FIELD / 2) / FRAME).astype(np.int64)
    marked: NDArray[np.int64] = features[frames[nearest.clip(0, FRAMES - 1)]]
    return marked


def _unit(voices: Tensor) -> Tensor:
    return torch.nn.functional.normalize(voices, dim=-1)

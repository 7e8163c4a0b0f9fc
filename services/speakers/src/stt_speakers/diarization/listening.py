"""A recording through both networks, in windows that overlap: who speaks in each, and with what voice."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stt_core.audio import SAMPLE_RATE
from stt_speakers.diarization.embedding import DIMENSION, SpeakerNetwork
from stt_speakers.diarization.fbank import BINS, LENGTH, SHIFT, fbank
from stt_speakers.diarization.segmentation import Segmentation
from stt_speakers.diarization.timeline import (
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
from stt_speakers.sound import Sound

STEP = 148
"""Frames from one window to the next: 2.5 s, so that four windows vote on each frame."""
WINDOWS = 8
"""Heard at once by a thread; fewer in recordings of less than so many for each thread."""
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
TELL_SECONDS = 0.5
"""Between two words of progress, at most, so that work which nobody wants any more ends soon."""


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
    """Both networks, in memory.

    Parts of a recording are heard side by side, each by one thread. Threads that share one operation wait for
    each other at its end, some thousand times a second here, and for whatever else the machine does.
    """

    def __init__(self, segmentation: Path, embedding: Path, threads: int) -> None:
        """Raises what torch.load raises, and KeyError or RuntimeError where a file is not one of theirs."""
        self._segmentation = Segmentation(torch.load(segmentation, weights_only=True)["state_dict"])
        self._embedding = SpeakerNetwork(torch.load(embedding, weights_only=True))
        self._threads = threads

    def listen(self, sound: Sound, progress: Callable[[float], None]) -> Heard:
        """progress: told of the share that was heard, every TELL_SECONDS; what it raises ends the work."""
        starts = _starts(sound.length)
        size = max(1, min(WINDOWS, -(-len(starts) // self._threads)))
        parts = [starts[first : first + size] for first in range(0, len(starts), size)]
        heard: list[Heard] = []
        with ThreadPoolExecutor(self._threads, "diarizer", initializer=partial(torch.set_num_threads, 1)) as pool:
            at_work: deque[Future[Heard]] = deque()
            try:
                for number, part in enumerate(parts):
                    at_work.append(pool.submit(self._part, sound, part))
                    while len(at_work) > self._threads or (at_work and number == len(parts) - 1):
                        if wait([at_work[0]], TELL_SECONDS).done:
                            heard.append(at_work.popleft().result())
                        progress(len(heard) / len(parts))
            finally:
                pool.shutdown(cancel_futures=True)
                torch.set_num_threads(self._threads)  # the pool's number is that of any new thread
        return _whole(heard, starts, size)

    @torch.inference_mode()
    def _part(self, sound: Sound, starts: NDArray[np.int64]) -> Heard:
        """A few windows; the pieces' windows are numbered from the first of them."""
        origin = int(starts[0]) * FRAME
        samples = _samples(sound, origin, int(starts[-1]) * FRAME + WINDOW)
        offsets = (starts * FRAME - origin).tolist()
        classes = self._segmented(torch.stack([samples[offset : offset + WINDOW] for offset in offsets]))
        found = [
            (window, piece)
            for window, (likeliest, offset) in enumerate(zip(classes.argmax(-1), offsets, strict=True))
            for piece in _pieces(likeliest, offset)
        ]
        clips = [piece.clip for _, piece in found]
        return Heard(
            np.rint(classes @ SPEAKERS.astype(np.float32) * CERTAIN).astype(np.uint8),
            starts,
            np.array([(w, p.number, p.start, p.stop) for w, p in found], np.int64).reshape(-1, 4),
            self._embedded(fbank(samples), clips) if clips else np.zeros((0, DIMENSION), np.float32),
            np.array([piece.alone * SHIFT / SAMPLE_RATE for _, piece in found]),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """What a window's speaker says at a stretch.

    number: the speaker's. start, stop: its first frame, and the first after it. clip: the features to know
    the voice by. alone: how many of its features nobody else speaks in.
    """

    number: int
    start: int
    stop: int
    clip: NDArray[np.int64]
    alone: int


def _pieces(classes: NDArray[np.int64], offset: int) -> Iterator[_Piece]:
    """Of a window that begins at sample `offset` of a part; too little to know anybody by is left out."""
    frames = np.arange(FRAMES)
    for number in range(LOCALS):
        for start, stop in joined(runs(SPEAKERS[classes, number]), PAUSE):
            within = (frames >= start) & (frames < stop)
            alone = _features(within & (classes == number + 1), offset)
            clip = alone if len(alone) >= ENOUGH else _features(within & SPEAKERS[classes, number], offset)
            length = max((length for length in LENGTHS if length <= len(clip)), default=0)
            if length:
                skipped = (len(clip) - length) // 2
                yield _Piece(number, start, stop, clip[skipped : skipped + length], len(alone))


def _whole(parts: list[Heard], starts: NDArray[np.int64], size: int) -> Heard:
    """Parts of `size` windows each, in order, as one."""
    return Heard(
        np.concatenate([np.zeros((0, FRAMES, LOCALS), np.uint8), *(part.activity for part in parts)]),
        starts,
        np.concatenate([np.zeros((0, 4), np.int64), *(_moved(p.pieces, n * size) for n, p in enumerate(parts))]),
        np.concatenate([np.zeros((0, DIMENSION), np.float32), *(part.voices for part in parts)]),
        np.concatenate([np.zeros(0), *(part.seconds for part in parts)]),
    )


def _moved(pieces: NDArray[np.int64], windows: int) -> NDArray[np.int64]:
    moved: NDArray[np.int64] = pieces + np.array([windows, 0, 0, 0])
    return moved


def _features(frames: NDArray[np.bool_], offset: int) -> NDArray[np.int64]:
    """The features, of a part, in whose middle a frame of the window at `offset` is marked."""
    features = np.arange(-(-offset // SHIFT), (offset + WINDOW - LENGTH) // SHIFT + 1)
    middles = features * SHIFT + LENGTH // 2 - offset
    nearest = np.rint((middles - FIELD / 2) / FRAME).astype(np.int64)
    marked: NDArray[np.int64] = features[frames[nearest.clip(0, FRAMES - 1)]]
    return marked

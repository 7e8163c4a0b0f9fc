"""From who speaks in each window to speaker turns."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE
from stt_whisperx.speakers.protocol import Turn

WINDOW = 10 * SAMPLE_RATE
"""Samples that the segmentation was trained to hear at once."""
FRAME = 270
"""Samples from one of its frames to the next."""
FIELD = 991
"""Samples that the first of its layers put into one frame."""
FRAMES = 589
"""Of one window."""
LOCALS = 3
"""Speakers that are told apart within one window."""
SPEAKERS: NDArray[np.bool_] = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], bool
)
"""Who speaks in each of its classes: shape (classes, LOCALS)."""
_SPAN = 100_000
"""Frames that are worked out at once: 28 minutes, so that hours need no more memory."""


def turns(
    classes: NDArray[np.uint8], starts: NDArray[np.int64], speakers: NDArray[np.int64], alone: bool
) -> list[Turn]:
    """Speaker turns in order of their starts.

    classes: of each window's frames, shape (windows, FRAMES). starts: each window's first frame, ascending.
    speakers: who the window's speakers are, shape (windows, LOCALS), -1 for nobody.
    alone: one speaker at a time, the one whom most windows hear.
    """
    found: list[list[int]] = []
    open_runs: dict[int, list[int]] = {}
    count = int(speakers.max(initial=-1)) + 1
    for first, active in _active(classes, starts, speakers, count, alone):
        for speaker in range(count):
            edges = np.flatnonzero(np.diff(active[:, speaker].astype(np.int8), prepend=0, append=0)) + first
            for start, end in edges.reshape(-1, 2).tolist():
                run = open_runs.get(speaker)
                if run is not None and run[1] == start:
                    run[1] = end
                else:
                    open_runs[speaker] = run = [start, end, speaker]
                    found.append(run)
    found.sort()
    return [Turn(_time(start), _time(end), speaker) for start, end, speaker in found]


def _time(frame: int) -> float:
    """Seconds at which a frame begins: frames are centred on what they see."""
    return (frame * FRAME + (FIELD - FRAME) / 2) / SAMPLE_RATE if frame else 0.0


def _active(
    classes: NDArray[np.uint8],
    starts: NDArray[np.int64],
    speakers: NDArray[np.int64],
    count: int,
    alone: bool,
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Spans of the file: their first frame, and who is active in each of their frames, (frames, count)."""
    total = int(starts[-1]) + FRAMES if len(starts) else 0
    shape = _trust()
    for first in range(0, total, _SPAN):
        length = min(_SPAN, total - first)
        votes = np.zeros((length, count), np.float32)
        heard = np.zeros(length, np.float32)
        weight = np.zeros(length, np.float32)
        begin, end = np.searchsorted(starts, [first - FRAMES + 1, first + length])
        for window in range(begin, end):
            offset = int(starts[window]) - first
            own = slice(max(0, -offset), min(FRAMES, length - offset))
            span = slice(own.start + offset, own.stop + offset)
            local = SPEAKERS[classes[window, own]]
            trust = shape[own]
            weight[span] += trust
            heard[span] += trust * local.sum(1)
            for number in range(LOCALS):
                if speakers[window, number] >= 0:
                    votes[span, speakers[window, number]] += trust * local[:, number]
        most = np.rint(heard / np.maximum(weight, 1e-6))
        if alone:
            most = np.minimum(most, 1)
        rank = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1)
        yield first, (rank < most[:, None]) & (votes > 0)


def _trust() -> NDArray[np.float32]:
    """The weight of each frame of a window: less at its ends, where the network knows one side alone."""
    distance = np.minimum(np.arange(FRAMES), np.arange(FRAMES)[::-1]) / FRAMES
    return (0.1 + np.minimum(distance, 0.25)).astype(np.float32)

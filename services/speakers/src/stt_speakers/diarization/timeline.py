"""Windows, their frames, and the way from what was heard in them to speaker turns."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stt_core.audio import SAMPLE_RATE
from stt_speakers.diarization.protocol import Turn

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
CERTAIN = 255
"""The activity of somebody who certainly speaks; less is less likely."""

_JOINED = round(0.1 * SAMPLE_RATE / FRAME)
"""Frames: a shorter pause does not end a turn."""
_SHORTEST = round(0.1 * SAMPLE_RATE / FRAME)
"""Frames: what is shorter is no turn."""
_SPAN = 100_000
"""Frames that are worked out at once: 28 minutes, so that hours need no more memory."""

Runs = list[tuple[int, int]]


def runs(frames: NDArray[np.bool_]) -> Runs:
    """The stretches of marked frames: their first, and the first after them."""
    edges = np.flatnonzero(np.diff(frames.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def joined(stretches: Runs, pause: int) -> Runs:
    """Those with at most so many frames between them as one."""
    whole: Runs = []
    for first, last in stretches:
        if whole and first - whole[-1][1] <= pause:
            whole[-1] = (whole[-1][0], last)
        else:
            whole.append((first, last))
    return whole


def turns(
    activity: NDArray[np.uint8],
    starts: NDArray[np.int64],
    pieces: NDArray[np.int64],
    speakers: NDArray[np.int64],
    alone: bool,
) -> list[Turn]:
    """Speaker turns in order of their starts.

    activity: how likely each speaker of a window speaks in its frames, (windows, FRAMES, LOCALS), of CERTAIN.
    starts: each window's first frame, ascending, (windows,).
    pieces: where somebody was recognised: window, number there, first frame there, and the first after it;
    shape (pieces, 4), in order of the windows. speakers: who it is, (pieces,).
    alone: one speaker at a time, the likeliest.
    """
    count = int(speakers.max(initial=-1)) + 1
    said: list[Runs] = [[] for _ in range(count)]
    for first, active in _active(activity, starts, pieces, speakers, count, alone):
        for speaker, stretches in enumerate(said):
            stretches += [(start + first, end + first) for start, end in runs(active[:, speaker])]
    found = [
        (start, end, speaker)
        for speaker, stretches in enumerate(said)
        for start, end in joined(stretches, 0 if alone else _JOINED)
        if end - start >= _SHORTEST
    ]
    return [Turn(_time(start), _time(end), speaker) for start, end, speaker in sorted(found)]


def _time(frame: int) -> float:
    """Seconds at the middle of what a frame sees."""
    return (frame * FRAME + FIELD / 2) / SAMPLE_RATE


def _active(
    activity: NDArray[np.uint8],
    starts: NDArray[np.int64],
    pieces: NDArray[np.int64],
    speakers: NDArray[np.int64],
    count: int,
    alone: bool,
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Spans of the file: their first frame, and who is active in each of their frames, (frames, count).

    The windows say together how many speak, and each gives its votes to whom it recognised.
    """
    total = int(starts[-1]) + FRAMES if len(starts) else 0
    for first in range(0, total, _SPAN):
        length = min(_SPAN, total - first)
        votes = np.zeros((length, count), np.float32)
        heard = np.zeros(length, np.float32)
        windows = np.zeros(length, np.float32)
        begin, end = np.searchsorted(starts, [first - FRAMES + 1, first + length])
        for window in range(begin, end):
            own, span = _shared(int(starts[window]) - first, 0, FRAMES, length)
            windows[span] += CERTAIN
            heard[span] += activity[window, own].sum(1)
        begin, end = np.searchsorted(pieces[:, 0], [begin, end])
        for (window, number, start, stop), speaker in zip(pieces[begin:end], speakers[begin:end], strict=True):
            own, span = _shared(int(starts[window]) - first, int(start), int(stop), length)
            votes[span, speaker] += activity[window, own, number]
        most = np.rint(heard / np.maximum(windows, 1))
        if alone:
            most = np.minimum(most, 1)
        rank = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1)
        yield first, (rank < most[:, None]) & (votes > 0)


def _shared(offset: int, start: int, stop: int, length: int) -> tuple[slice, slice]:
    """The frames [start, stop) of a window at `offset` of a span of `length`: in the window, in the span."""
    start, stop = max(start, -offset), min(stop, length - offset)
    stop = max(start, stop)
    return slice(start, stop), slice(start + offset, stop + offset)

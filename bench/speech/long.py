"""Long files: when the first words come, what memory they take, and what a short clip beside one waits."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.report import Figure, Goal, spread
from bench.speech import memory, peers, service
from bench.speech.client import Client, Event
from bench.speech.scene import WARM_UP, Scene

TEN_MINUTES = 600
HOUR = 3600
CLIP = (3.0, 8.0)
"""Of the recording, in seconds: one sentence."""
CLIPS = 5
GROWN = 25.0
"""Seconds into the hour-long file: its batches are as large as they get."""
BETWEEN = 5.0
"""Seconds from one clip's answer to the next clip: the long file's batches grow again."""
SETTLED = 2.0
"""Seconds of rest before idle memory is read."""
STREAMED = ("transcript.text.delta", "transcript.text.segment")


def measure(scene: Scene) -> Iterator[Figure]:
    """Ten minutes as a stream, and an hour with clips beside it, each by a service of its own."""
    ten, long = scene.speech(TEN_MINUTES, HOUR)
    (clip,) = scene.pieces(WARM_UP, CLIP)
    with service.running(scene.folder / "ten.log") as served, peers.raw_library(scene.model) as library:
        time.sleep(SETTLED)
        idle, theirs = memory.resident(served.pid), memory.resident(library.pid)
        with scene.report.step(f"A stream of {TEN_MINUTES} s of speech"):
            events = list(served.events(ten))
        less = memory.peak(served.pid)
    yield from _stream(events)
    yield Figure(
        "idle memory against the library's own process",
        idle / theirs,
        f"resident, model and VAD loaded, nothing asked yet: {_mb(idle)} against {_mb(theirs)}",
        Goal("at most", 1.2),
    )
    with service.running(scene.folder / "hour.log") as served:
        with scene.report.step(f"An hour of speech, and {CLIPS} clips beside it"):
            seconds, waits = _beside(served, long, clip)
        more = memory.peak(served.pid)
    yield Figure(
        "peak memory, an hour against ten minutes",
        more / less,
        f"resident: {_mb(more)} against {_mb(less)}, each once in a process of its own; the hour with the clips",
        Goal("at most", 1.3),
    )
    yield Figure("real-time factor served, an hour", seconds / HOUR, f"once, {seconds:.0f} s, the clips included")
    yield Figure(
        f"a clip of {CLIP[1] - CLIP[0]:g} s beside an hour-long file, the longest wait (s)",
        max(waits),
        f"of {CLIPS}, median {median(waits):.2f}, {spread(waits)}",
        Goal("at most", 5.0),
    )


def _stream(events: Sequence[Event]) -> Iterator[Figure]:
    whole = events[-1].seconds
    texts = [event for event in events if event.kind in STREAMED]
    if not texts:
        raise RuntimeError(f"a stream without text: {', '.join(event.kind for event in events)}")
    yield Figure("first byte of a stream of ten minutes (s)", events[0].seconds, "once, the upload included")
    yield Figure(
        "first segment of ten minutes (share of the whole time)",
        texts[0].seconds / whole,
        f"once: {texts[0].seconds:.2f} of {whole:.2f} s, {len(texts)} events with text",
        Goal("at most", 0.1),
    )


def _beside(served: Client, long: Path, clip: Path) -> tuple[float, list[float]]:
    """Seconds that the long file took, and each clip sent meanwhile."""
    waits: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(served.transcribe, long)
        time.sleep(GROWN)
        for _ in range(CLIPS):
            waits.append(served.transcribe(clip).seconds)
            time.sleep(BETWEEN)
        if answer.done():
            raise RuntimeError("the hour was over before the clips were; nothing was beside it")
        return answer.result().seconds, waits


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"

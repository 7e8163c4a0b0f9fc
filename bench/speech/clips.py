"""Eight clients at once, each with 30 s of its own."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean, median

from bench.report import Figure, Goal, spread
from bench.speech.client import Client
from bench.speech.figures import share
from bench.speech.scene import Scene
from bench.warm import Timed

CLIENTS = 8
SECONDS = 30
ROUNDS = 3


def measure(scene: Scene) -> Iterator[Figure]:
    """Throughput against one by one, and how fairly the clients share it."""
    (audio,) = scene.speech(CLIENTS * SECONDS)
    clips = scene.pieces(audio, *((start, start + SECONDS) for start in range(0, CLIENTS * SECONDS, SECONDS)))
    served, library, peer = scene.served, scene.library, scene.faster_whisper_server
    at_once: list[list[Timed]] = []
    walls: dict[str, list[float]] = {"served": [], "unbatched": [], "batched": [], "peer": []}
    with scene.report.step(f"{CLIENTS} clips of {SECONDS} s, {ROUNDS} times at once, and one by one by the library"):
        for _ in range(ROUNDS):
            wall, answers = all_at_once(served, clips)
            walls["served"].append(wall)
            at_once.append(answers)
            for name, batched in (("unbatched", False), ("batched", True)):
                transcribe = partial(library.transcribe, batched=batched)
                walls[name].append(sum(transcribe(clip).seconds for clip in clips))
    with scene.report.step(f"{CLIENTS} clips at once by faster-whisper-server"):
        walls["peer"].append(all_at_once(peer, clips)[0])

    ours = median(walls["served"])
    what = f"{CLIENTS} clients with clips of {SECONDS} s: served against"
    for name, label, goal in (
        ("unbatched", "the library unbatched, one by one", Goal("at least", 1.5)),
        ("batched", "the library batched, one by one", None),
        ("peer", "faster-whisper-server", None),
    ):
        how = f"median of {len(walls[name])} in turns, {spread(walls[name])} against {spread(walls['served'])}"
        yield Figure(f"{what} {label} (throughput ratio)", median(walls[name]) / ours, how, goal)
    waits = [answer.seconds for answers in at_once for answer in answers]
    yield Figure(
        f"{CLIENTS} clients with clips of {SECONDS} s: p95 of the waits (times their mean)",
        share(waits, 0.95) / mean(waits),
        f"of {len(waits)} requests, {spread(waits)}",
        Goal("at most", 2.0),
    )


def all_at_once(client: Client, clips: Sequence[Path]) -> tuple[float, list[Timed]]:
    """Wall time of all, and each one's own."""
    with ThreadPoolExecutor(len(clips)) as pool:
        began = time.monotonic()
        answers = list(pool.map(client.transcribe, clips))
        return time.monotonic() - began, answers

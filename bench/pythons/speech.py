"""Transcription by the service alone: what `make bench NAME=speech` measures, without its peers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.pythons.sides import NEW, OLD, Side, faster, in_turns
from bench.report import Figure, Goal
from bench.speech import memory, service
from bench.speech.clips import CLIENTS, SECONDS, all_at_once
from bench.speech.long import SETTLED
from bench.speech.scene import WARM_UP, Scene
from bench.speech.service import Served
from bench.speech.speed import PEER_SECONDS, SHORT

ROUNDS = 8
SHORT_ROUNDS = 20
CLIP_ROUNDS = 4


def measure(before: Side, after: Side, scene: Scene) -> Iterator[Figure]:
    (minute, many) = scene.speech(PEER_SECONDS, CLIENTS * SECONDS)
    (short,) = scene.pieces(WARM_UP, SHORT)
    clips = scene.pieces(many, *((start, start + SECONDS) for start in range(0, CLIENTS * SECONDS, SECONDS)))
    with (
        service.running(scene.folder / "old.log", before.services) as old,
        service.running(scene.folder / "new.log", after.services) as new,
    ):
        time.sleep(SETTLED)
        less, more = memory.resident(old.pid) / 1e6, memory.resident(new.pid) / 1e6
        texts = {served.transcribe(minute).text for served in (old, new)}

        def compare(what: str, rounds: int, measured: Callable[[Served], float]) -> Figure:
            with scene.report.step(f"{what}: {rounds} times on each Python"):
                return faster(what, "s", in_turns(rounds, lambda: measured(old), lambda: measured(new)))

        yield compare(f"one client, {PEER_SECONDS} s of speech", ROUNDS, lambda one: seconds(one, minute))
        yield compare(f"a clip of {SHORT[1]:g} s alone", SHORT_ROUNDS, lambda one: seconds(one, short))
        words = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
        yield compare(f"{PEER_SECONDS} s of speech with word times", ROUNDS, lambda one: seconds(one, minute, **words))
        yield compare(f"the first words of {PEER_SECONDS} s", ROUNDS, lambda one: first_words(one, minute))
        at_a_time = f"{CLIENTS} clients with clips of {SECONDS} s"
        yield compare(at_a_time, CLIP_ROUNDS, lambda one: all_at_once(one, clips)[0])
    yield Figure(
        f"idle memory on {NEW} against {OLD}",
        more / less,
        f"resident, model loaded, nothing asked yet: {more:.0f} against {less:.0f} MB",
        Goal("at most", 1.03),
    )
    yield Figure(f"texts of {PEER_SECONDS} s of speech", len(texts), "different ones, of both", Goal("at most", 1))


def seconds(served: Served, audio: Path, **options: Any) -> float:
    return served.transcribe(audio, **options).seconds


def first_words(served: Served, audio: Path) -> float:
    """Seconds until a stream says the first of them. The stream is read to its end, lest the next one waits for it."""
    return next(iter([event.seconds for event in served.events(audio) if event.text]))

"""One who speaks, and sees the text of it."""

import json
from collections.abc import Iterator

from bench.report import Figure, Goal, spread
from bench.speech.figures import share
from bench.speech.scene import Scene


def measure(scene: Scene) -> Iterator[Figure]:
    """How long after the last voiced sample its text comes."""
    with scene.report.step("Sentences spoken in real time, one after the other"):
        waits: list[float] = json.loads(scene.run("speaker", scene.served.url))
    how = f"{len(waits)} sentences in one session, 500 ms of silence end a turn; {spread(waits)}"
    what = "realtime: seconds from the last voiced sample to its text"
    yield Figure(f"{what}, p95", share(waits, 0.95), how, Goal("at most", 1.0))
    yield Figure(f"{what}, median", share(waits, 0.5), how)

"""One who speaks, and sees the text of it."""

import json
import subprocess
from collections.abc import Iterator

from bench.path.host import SERVICES
from bench.report import Figure, Goal, spread
from bench.speech.figures import share
from bench.speech.scene import Scene
from deploy import ROOT


def measure(scene: Scene) -> Iterator[Figure]:
    """How long after the last voiced sample its text comes."""
    with scene.report.step("Sentences spoken in real time, one after the other"):
        command = (str(SERVICES), "-m", "bench.speech.speaker", scene.served.url)
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    waits: list[float] = json.loads(done.stdout)
    how = f"{len(waits)} sentences in one session, 500 ms of silence end a turn; {spread(waits)}"
    what = "realtime: seconds from the last voiced sample to its text"
    yield Figure(f"{what}, p95", share(waits, 0.95), how, Goal("at most", 1.0))
    yield Figure(f"{what}, median", share(waits, 0.5), how)

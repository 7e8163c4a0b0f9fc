"""The encoder's context trimmed to short phrases: what it saves, and what it costs in words."""

import json
import subprocess
from collections.abc import Iterator

from bench.path.host import SERVICES
from bench.report import Figure
from bench.speech.scene import SOUNDS, Scene
from deploy import ROOT


def measure(scene: Scene) -> Iterator[Figure]:
    """A row for each padding; bench.speech.trimming says what is counted."""
    command = (str(SERVICES), "-m", "bench.speech.trimming", str(scene.model), str(SOUNDS))
    with scene.report.step("Phrases with a trimmed context"):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    for trial in found["trials"]:
        note = (
            f"{found['phrases']} telephone prompts of 1 to 6 s in five languages; an encoding takes "
            f"{trial['seconds']:.3f} s, of 30 s {found['full']:.3f} s; {trial['echoes']} phrases are said over and "
            f"over, which the service tells and encodes in full; of the others' words {trial['differ']} differ from "
            f"those heard in 30 s, of {found['words']} in all"
        )
        yield Figure(f"encoding with {trial['padding']:g} s of silence (ratio)", trial["seconds"] / found["full"], note)

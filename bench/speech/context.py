"""The encoder's context trimmed to short phrases: what it saves, and what it costs in words."""

import json
from collections.abc import Iterator

from bench.report import Figure
from bench.speech.scene import SOUNDS, Scene


def measure(scene: Scene) -> Iterator[Figure]:
    """A row for each padding; bench.speech.trimming says what is counted."""
    with scene.report.step("Phrases with a trimmed context"):
        found = json.loads(scene.run("trimming", scene.model, str(SOUNDS)))
    for trial in found["trials"]:
        note = (
            f"{found['phrases']} telephone prompts of 1 to 6 s in five languages; an encoding takes "
            f"{trial['seconds']:.3f} s, of 30 s {found['full']:.3f} s; {trial['echoes']} phrases are said over and "
            f"over, which the service tells and encodes in full; of the others' words {trial['differ']} differ from "
            f"those heard in 30 s, of {found['words']} in all"
        )
        yield Figure(f"encoding with {trial['padding']:g} s of silence (ratio)", trial["seconds"] / found["full"], note)

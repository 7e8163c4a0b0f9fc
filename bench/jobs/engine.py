"""The service around an engine that costs nothing: `python -m bench.jobs.engine`. What is measured is the queue.

It runs in the services' environment. BENCH_GATE: a file that forwards wait for, where it is set.
"""

import os
import sys
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.engine.protocol import (
    Capabilities,
    Options,
    Progress,
    Segment,
    Transcript,
    Window,
    WindowResult,
    join,
)
from stt_core.kind import Kind
from stt_core.server import main
from stt_core.settings import Settings


class Instant:
    capabilities = Capabilities(languages=("en",))

    def load(self, model: str) -> None:
        """Nothing to load."""

    def group(self, window: Window) -> Hashable:
        return None

    def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
        while (gate := os.environ.get("BENCH_GATE")) and not Path(gate).exists():
            time.sleep(0.02)
        return [
            WindowResult("en", (Segment(0.0, len(window.samples) / SAMPLE_RATE, " heard", words=()),))
            for window in windows
        ]

    def finish(
        self, audio: AudioSource, results: Sequence[WindowResult], options: Options, progress: Progress
    ) -> Transcript:
        return join(audio, results, options)


if __name__ == "__main__":
    main(lambda _: Kind("Bench", Instant), sys.argv[1:], Settings())

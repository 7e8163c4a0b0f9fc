"""`make bench NAME=diarization`: one run, about a quarter of an hour on two idle cores.

For development, `python -m bench.diarization --only NAME…` runs some scenarios and prints their rows, without keeping
them.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import httpx2
import openai

from bench import report as results
from bench.diarization import long, scene, speakers, speed, times
from bench.diarization.scene import Scene
from bench.report import Figure
from deploy.cli import progress, terminal
from deploy.errors import KitError

SCENARIOS: Mapping[str, Callable[[Scene], Iterator[Figure]]] = {
    "sample": speakers.sample,
    "conversations": speakers.conversations,
    "said": speakers.said,
    "words": times.measure,
    "transcription": speed.transcription,
    "diarizers": speed.diarizers,
    "stages": speed.stages,
    "long": long.measure,
}
FAILURES = (
    *(OSError, RuntimeError, ValueError, subprocess.SubprocessError),
    *(httpx2.HTTPError, openai.OpenAIError),
)
"""What keeps one scenario from being measured, and not the others."""
HOW = (
    "of each process; Whisper base int8; the service as a process without nginx and autostart; the others each in a "
    "warm process of its own"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.diarization")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    only = parser.parse_args().only
    # A plain `kill` cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    try:
        with progress.reporter() as report, scene.standing(report) as there:
            figures.append(Figure("threads", there.threads, HOW))
            for name in only or SCENARIOS:
                try:
                    figures += SCENARIOS[name](there)
                except FAILURES as error:
                    report.warn(f"{name}: {error}")
                    figures.append(Figure(f"{name}: not measured", None, str(error)))
    except KitError as error:
        terminal.failed(error)
        return error.code
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("diarization", figures, keep=not only)
    return int(any(figure.value is None for figure in figures))


if __name__ == "__main__":
    sys.exit(main())

"""`make bench NAME=speech`: one run, less than half an hour on two idle cores.

For development, `python -m bench.speech --only NAME…` runs some scenarios and prints their rows, without keeping them.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import openai

from bench import report as results
from bench.report import Figure
from bench.speech import clips, context, errors, long, realtime, scene, speed
from bench.speech.scene import Scene
from deploy.cli import progress, terminal
from deploy.errors import KitError

SCENARIOS: Mapping[str, Callable[[Scene], Iterator[Figure]]] = {
    "alone": speed.alone,
    "peers": speed.peers,
    "short": speed.short,
    "words": speed.words,
    "clips": clips.measure,
    "errors": errors.measure,
    "context": context.measure,
    "realtime": realtime.measure,
    "long": long.measure,
}
HOW = (
    "of each process; base int8, beam 5 and VAD everywhere; the service as a process without nginx and autostart, the "
    "openai package as its client; the others each in a warm process of its own"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.speech")
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
                except (openai.APIError, RuntimeError, subprocess.SubprocessError) as error:
                    report.warn(f"{name}: {error}")
                    figures.append(Figure(f"{name}: not measured", None, str(error)))
    except KitError as error:
        terminal.failed(error)
        return error.code
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("speech", figures, keep=not only)
    return int(any(figure.value is None for figure in figures))


if __name__ == "__main__":
    sys.exit(main())

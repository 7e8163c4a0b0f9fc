"""`make bench NAME=path`: everything on loopback, in a temporary folder, some six minutes on two cores."""

import os
import sys
import tempfile
from pathlib import Path

from bench import report as results
from bench.path import fronts, host, relay, transcription, wake
from bench.report import Figure
from deploy.cli import progress, terminal
from deploy.errors import KitError


def main() -> int:
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, progress.reporter() as report:
            folder = Path(name)
            with host.deployed(folder / "host", report) as there:
                figures += transcription.measure(there, folder, report)
                figures += wake.measure(there, report)
            with fronts.standing(folder / "service", fronts.whisper) as standing:
                figures += relay.with_service(standing, report)
            with fronts.standing(folder / "sink", fronts.sink) as standing:
                figures += relay.with_sink(standing, folder, report)
    except KitError as error:
        terminal.failed(error)
        return error.code
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("path", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

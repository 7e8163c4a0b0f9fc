"""`make bench NAME=pythons`: some ten minutes on two idle cores."""

import os
import sys
import tempfile
from pathlib import Path

from bench import report as results
from bench.pythons import path, speech
from bench.pythons.sides import side
from bench.report import Figure
from bench.speech import scene
from deploy.cli import progress, terminal
from deploy.errors import KitError


def main() -> int:
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, progress.reporter() as report:
            folder = Path(name)
            old, new = side("bookworm", folder), side("trixie", folder)
            versions = f"{new.version} against {old.version}"
            figures += path.measure(old, new, folder, report)
            with scene.standing(report) as there:
                figures += speech.measure(old, new, there)
    except KitError as error:
        terminal.failed(error)
        return error.code
    how = f"processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy; {versions}"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("pythons", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

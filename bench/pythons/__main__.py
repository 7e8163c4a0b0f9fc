"""`make bench NAME=pythons`: some ten minutes on two idle cores."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import report as results
from bench.pythons import path, speech
from bench.pythons.sides import NEW, OLD, Side
from bench.report import Figure
from bench.speech import scene
from deploy import console, progress
from deploy.errors import KitError


def main() -> int:
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="greffier-bench-") as name, progress.reporter() as report:
            figures += path.measure(Path(name), report)
            with scene.standing(report) as there:
                figures += speech.measure(there)
    except KitError as error:
        console.failed(error)
        return error.code
    how = f"processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy; {versions()}"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("pythons", figures)
    return 0


def versions() -> str:
    """Which Pythons they were, to the last figure."""
    ask = ("-c", "import platform; print(platform.python_version(), platform.python_compiler())")
    said = [subprocess.check_output((Side(one).services, *ask), text=True).strip() for one in (NEW, OLD)]
    return f"Python {said[0]} against {said[1]}"


if __name__ == "__main__":
    sys.exit(main())

"""The way through nginx and autostart: what `make bench NAME=path` measures, without its peers."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.path import fronts, load, wake
from bench.path.fronts import Process
from bench.path.host import AUTOSTART, Deployed, environment
from bench.pythons import sides
from bench.pythons.sides import SERVICES, Side, faster, in_turns
from bench.report import Figure
from deploy import ROOT
from deploy.reporting import Reporter

BURST_ROUNDS = 8
UPLOAD_ROUNDS = 6
STEADY_ROUNDS = 6
WAKE_ROUNDS = 6
Way = Callable[[Deployed], float]


def measure(before: Side, after: Side, folder: Path, report: Reporter) -> Iterator[Figure]:
    def compare(what: str, unit: str, rounds: int, old: Deployed, new: Deployed, way: Way) -> Figure:
        with report.step(f"{what}: {rounds} times on each Python"):
            return faster(what, unit, in_turns(rounds, lambda: way(old), lambda: way(new)))

    whisper = partial(fronts.whisper, python=SERVICES)
    with standing(folder / "old", before, whisper) as old, standing(folder / "new", after, whisper) as new:
        rate = load.requests_per_second
        yield compare("requests of /v1/models through nginx and autostart", "requests/s", BURST_ROUNDS, old, new, rate)
        for front in (old, new):
            asleep(front)
        yield compare("waking the service", "s", WAKE_ROUNDS, old, new, woken)
    sink = partial(fronts.sink, python=sides.AUTOSTART)
    with standing(folder / "old-sink", before, sink) as old, standing(folder / "new-sink", after, sink) as new:
        yield compare("requests of a service that costs nothing", "requests/s", BURST_ROUNDS, old, new, rate)
        file = folder / "upload"
        with file.open("wb") as hole:
            hole.truncate(load.UPLOAD_BYTES)
        upload = partial(load.upload, file=file)
        yield compare("uploads of 500 MB", "bytes/s", UPLOAD_ROUNDS, old, new, upload)
        what = f"p50 latency at {load.RATE} requests/s"
        yield compare(what, "ms", STEADY_ROUNDS, old, new, lambda front: load.steady(front).p50)


@contextmanager
def standing(folder: Path, side: Side, service: Callable[[Process], Process]) -> Iterator[Deployed]:
    """nginx, and autostart and the service on one Python, awake and warm."""
    with fronts.front(folder, service, python=side.autostart) as front:
        load.ask(front)  # wakes it
        load.requests_per_second(front)
        yield front


def woken(front: Deployed) -> float:
    """Seconds until a sleeping service answers; it sleeps again afterwards."""
    taken = wake.waking(front)
    asleep(front)
    return taken


def asleep(front: Deployed) -> None:
    """Raises CalledProcessError where autostart refuses."""
    words = ("-m", "greffier_autostart", "control", "--socket", front.host.layout.control, "sleep", front.service.name)
    there = environment(PYTHONPATH=f"{ROOT}/autostart/src")
    subprocess.run((str(AUTOSTART), *words), env=there, stdout=subprocess.DEVNULL, check=True)

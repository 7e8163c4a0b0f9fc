"""How long a request to a sleeping service takes, against a plain start of the same command; and to one that died."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.path import load
from bench.path.host import Deployed, environment
from bench.report import Figure, Goal
from deploy.render import autostart
from deploy.reporting import Reporter
from deploy.runtime import control

ROUNDS = 5
INTERVAL = 0.005
"""Seconds between two looks at a service that was started plainly."""
PATIENCE = 60.0
GOAL = Goal("at most", 1.1)


def measure(there: Deployed, report: Reporter) -> list[Figure]:
    """Ratios of medians. The service sleeps afterwards."""
    config = json.loads(Path(autostart.path(there.host)).read_text())
    process = config["services"][there.service.hostname]["process"]
    woken, plain, again = [], [], []
    with report.step(f"Waking, killing and plainly starting {there.service.name}, {ROUNDS} times each"):
        control.sleep(there.host, there.target, there.service.name)
        for _ in range(ROUNDS):
            plain.append(_plain(process, there))
            woken.append(waking(there))
            _kill(process["command"])
            again.append(waking(there))
            control.sleep(there.host, there.target, there.service.name)
    how = (
        f"medians of {ROUNDS} in turns, {median(woken):.2f} s against {median(plain):.2f} s: from the request through "
        f"nginx and autostart until the answer of /v1/models, against the same command until /ready"
    )
    died = (
        f"medians of {ROUNDS} in turns, {median(again):.2f} s against {median(woken):.2f} s: a request sent at once "
        f"after the ready service was killed (SIGKILL), against one that wakes it"
    )
    return [
        Figure("wake against plain start and model load (time ratio)", median(woken) / median(plain), how, GOAL),
        Figure(
            "a request after a crash against one that wakes (time ratio)", median(again) / median(woken), died, GOAL
        ),
    ]


def waking(there: Deployed) -> float:
    began = time.monotonic()
    load.ask(there)
    return time.monotonic() - began


def _kill(command: list[str]) -> None:
    """End the service as the kernel does where memory is short. Raises RuntimeError where it does not run once."""
    found = [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _command(process) == command
    ]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} processes run {command}, not one")
    os.kill(found[0], signal.SIGKILL)


def _command(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text().rstrip("\0").split("\0")
    except OSError:  # it has just ended
        return []


def _plain(process: dict[str, Any], there: Deployed) -> float:
    began = time.monotonic()
    with subprocess.Popen(
        process["command"],
        cwd=process["directory"],
        env=environment(**process["environment"]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as started:
        try:
            ready = there.service.kind.manifest.ready
            _until(lambda: _answers(there.service.port, ready), started)
            return time.monotonic() - began
        finally:
            started.terminate()


def _until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"a plain start did not become ready (process {process.pid} of {os.getpid()})")
        time.sleep(INTERVAL)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()

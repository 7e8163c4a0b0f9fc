"""How long a request to a sleeping service takes, against a plain start of the same command."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.path import load
from bench.path.host import Deployed, environment
from bench.report import Figure, Goal
from deploy.operations import control
from deploy.operations.report import Reporter
from deploy.render import autostart

ROUNDS = 5
INTERVAL = 0.005
"""Seconds between two looks at a service that was started plainly."""
PATIENCE = 60.0
GOAL = Goal("at most", 1.1)


def measure(there: Deployed, report: Reporter) -> Figure:
    """Ratio of both medians. The service sleeps afterwards."""
    config = json.loads(Path(autostart.path(there.host)).read_text())
    process = config["services"][there.service.hostname]["process"]
    woken, plain = [], []
    with report.step(f"Waking {there.service.name} {ROUNDS} times, and starting it plainly {ROUNDS} times"):
        control.sleep(there.host, there.target, there.service.name)
        for _ in range(ROUNDS):
            plain.append(_plain(process, there))
            woken.append(waking(there))
            control.sleep(there.host, there.target, there.service.name)
    how = (
        f"medians of {ROUNDS} in turns, {median(woken):.2f} s against {median(plain):.2f} s: from the request through "
        f"nginx and autostart until the answer of /v1/models, against the same command until /ready"
    )
    return Figure("wake against plain start and model load (time ratio)", median(woken) / median(plain), how, GOAL)


def waking(there: Deployed) -> float:
    began = time.monotonic()
    load.ask(there)
    return time.monotonic() - began


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

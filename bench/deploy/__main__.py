"""`make bench NAME=deploy`: on a real host in a container, some six minutes on two cores."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from bench import report as results
from bench.deploy import beginning, change, far, scene, state, still
from bench.deploy.scene import Scene
from bench.deploy.tools import Ansible, Kit, Pyinfra, Tool, timed
from bench.report import Figure
from deploy import ROOT
from deploy.cli import progress, terminal
from deploy.errors import KitError
from deploy.reporting import Reporter
from tests.vps.engine import VpsError

ROUNDS = 5


def main() -> int:
    # A plain `kill` cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures: list[Figure] = []
    busy = os.getloadavg()[0]
    try:
        with scene.standing() as there, progress.reporter() as report:
            figures += beginning.measure(there, report)
            kit = Kit(there)
            written = state.write(there.folder / "state", there.laptop.path)
            peers: list[Tool] = [Ansible(there, written), Pyinfra(there, written)]
            figures += still.measure(there, kit, peers, report)
            figures += far.measure(there, kit, peers, report)
            figures += change.measure(there, kit, report)
            figures += _plain(there, kit, report)
    except KitError as error:
        terminal.failed(error)
        return error.code
    except (VpsError, RuntimeError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    how = "processes that ran or waited in the minute before the bench; above 0.5 the figures are noisy"
    figures.append(Figure("load of the machine before", busy, how))
    results.publish("deploy", figures)
    return 0


def _plain(there: Scene, kit: Kit, report: Reporter) -> Iterator[Figure]:
    """What a plan takes, and what of it the laptop alone."""
    there.write()
    kit.run("deploy")
    with report.step(f"Plans with nothing to do, {ROUNDS} times"):
        seconds = [kit.run("plan").seconds for _ in range(ROUNDS)]
    yield Figure("plan with nothing to do (s)", median(seconds), f"median of {ROUNDS}")
    modules = ("cli", "deploy.cli.terminal", "deploy.rollout.apply", "deploy.fleet")
    program = f"import {', '.join(modules)}; import time; print(time.process_time())"
    command = (sys.executable, "-c", program)
    spent = [float(timed(command, there.environment(PYTHONPATH=str(ROOT))).printed) for _ in range(ROUNDS)]
    how = f"median of {ROUNDS}: Python's start and all that `deploy` imports, half of it while ssh connects"
    yield Figure("processor time of the kit's imports (s)", median(spent), how)


if __name__ == "__main__":
    sys.exit(main())

"""A line of the inventory is changed, and it comes to life."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.deploy.scene import Scene
from bench.deploy.tools import Kit
from bench.report import Figure, Goal, spread
from deploy.reporting import Reporter

ROUNDS = 5
LIVE = Goal("at most", 5)
WATCH = Path(__file__).with_name("watch.py")


def measure(there: Scene, kit: Kit, report: Reporter) -> Iterator[Figure]:
    """Figures of a value that autostart reads anew, and of one that the service is started with. Raises RuntimeError
    where there was nothing to do."""
    live, whole = [], []
    with report.step(f"Changing a line that is read anew, {ROUNDS} times"):
        for minutes in range(11, 11 + ROUNDS):
            there.write(idle=f"{minutes}m")
            with _watching(there, minutes * 60) as watch:
                began = time.time()
                whole.append(_changed(kit))
                live.append(float(watch.communicate(timeout=60)[0]) - began)
    how = f"median of {ROUNDS}, {spread(live)}: idle, from the start of `deploy` until autostart has it"
    yield Figure("changed line to live (s)", median(live), how, LIVE)
    how = f"median of {ROUNDS}, {spread(whole)}: idle, until `deploy` ends"
    yield Figure("deploy of a changed line (s)", median(whole), how, LIVE)
    restarted = []
    with report.step(f"Changing a line that restarts the service, {ROUNDS} times"):
        for queue in range(1, 1 + ROUNDS):
            there.write(environment={"STT_QUEUE": str(queue)})
            restarted.append(_changed(kit))
    how = f"median of {ROUNDS}, {spread(restarted)}: the container made anew, the model loaded, a request answered"
    yield Figure("deploy of a changed line that restarts the service (s)", median(restarted), how, LIVE)


def _changed(kit: Kit) -> float:
    ran = kit.run("deploy")
    if not ran.changed:
        raise RuntimeError("a deploy of a changed line had nothing to do")
    return ran.seconds


@contextmanager
def _watching(there: Scene, seconds: int) -> Iterator["subprocess.Popen[str]"]:
    """A program on the host that prints when autostart has the new value."""
    find = "set -- /opt/greffier/images/autostart-*/src; export PYTHONPATH=$1"
    python = "set -- /opt/greffier/environments/autostart-*/bin/python; exec $1"
    there.host.write("/root/watch.py", WATCH.read_text())
    with subprocess.Popen(
        ("ssh", there.host.name, f"{find}; {python} /root/watch.py {seconds}"),
        env=there.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "watching\n"
        try:
            yield process
        finally:
            process.terminate()

"""A host that is far away: what a deploy with nothing to do takes longer there, by the kit, Ansible and pyinfra."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bench.deploy import counted
from bench.deploy.scene import Scene
from bench.deploy.tools import Kit, Tool, timed
from bench.report import Figure, Goal, spread
from deploy import ROOT
from deploy.reporting import Reporter

LATENCY = 0.1
"""Seconds there and back: what a laptop in Europe has to a host on the American east coast."""
ROUNDS = 3
FEW = Goal("at most", 3)
SOON = Goal("at most", 1.2)


def measure(there: Scene, kit: Kit, peers: list[Tool], report: Reporter) -> Iterator[Figure]:
    """Figures of `deploy` over a delayed connection. Raises RuntimeError where one of them changes something."""
    with report.step("Counting round trips"):
        command = (sys.executable, "-m", "bench.deploy.counted", "deploy")
        printed = timed(command, there.environment(PYTHONPATH=str(ROOT))).printed
    asked = re.search(rf"{counted.MARK} (\d+)$", printed, re.MULTILINE)
    if not asked or "nothing to do" not in printed:
        raise RuntimeError(f"a deploy with nothing to do was none, or did not count:\n{printed}")
    how = "operations that wait for an answer, after the agent has said that it is there"
    yield Figure("round trips of a deploy with nothing to do", int(asked[1]), how, FEW)
    tools: list[Tool] = [kit, *peers]
    near: dict[str, list[float]] = {tool.name: [] for tool in tools}
    far: dict[str, list[float]] = {tool.name: [] for tool in tools}
    with report.step(f"Deploys with nothing to do, {ROUNDS} of each near and far in turns"):
        for tool in tools * ROUNDS:
            near[tool.name].append(_run(tool))
            with _distant(there):
                far[tool.name].append(_run(tool))
    for tool in tools:
        here, more = median(near[tool.name]), median(far[tool.name]) - median(near[tool.name])
        how = f"{here + more:.2f} s ({spread(far[tool.name])}) against {here:.2f} s, medians of {ROUNDS} in turns"
        name = f"deploy with nothing to do at {LATENCY * 1000:.0f} ms of latency, more than at none, {tool.name} (s)"
        yield Figure(name, more, how, SOON if tool is kit else None)


def _run(tool: Tool) -> float:
    ran = tool.run("deploy")
    if ran.changed:
        raise RuntimeError(f"{tool.name} changed {ran.changed} things in a deploy with nothing to do")
    return ran.seconds


@contextmanager
def _distant(there: Scene) -> Iterator[None]:
    """Every byte between the laptop and the host is half the latency on its way."""
    config = there.laptop.ssh_config
    text = config.read_text()
    proxy = f"{sys.executable} {ROOT / 'bench' / 'deploy' / 'delay.py'} %h %p {LATENCY / 2}"
    config.write_text(f"Host {there.host.name}\n  ProxyCommand {proxy}\nHost *\n{text}")
    try:
        yield
    finally:
        config.write_text(text)

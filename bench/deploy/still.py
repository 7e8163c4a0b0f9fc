"""Nothing to change: the kit, Ansible and pyinfra in turns on the same host."""

from collections.abc import Iterator
from statistics import median

from bench.deploy.scene import Scene
from bench.deploy.tools import Kit, Tool
from bench.report import Figure, Goal, spread
from deploy.reporting import Reporter

ROUNDS = 5
DRIFT = "/etc/greffier/nginx/proxy.conf"
FAST = Goal("at most", 1.5)
FASTER = Goal("at least", 5)
ONE = Goal("at most", 1)


def measure(there: Scene, kit: Kit, peers: list[Tool], report: Reporter) -> Iterator[Figure]:
    """Figures of `deploy` and of `setup`. Raises RuntimeError where one of them changes something, or does not put
    right what it should."""
    for peer in peers:
        with report.step(f"{peer.name} puts a file right that was changed by hand"):
            _repairs(there, kit, peer)
    yield from _deploy(there, kit, peers, report)
    with report.step(f"Setups with nothing to do, {ROUNDS} of each in turns"):
        seconds = _rounds([kit, *peers], "setup")
    for tool in (kit, *peers):
        how = f"median of {ROUNDS} in turns, {spread(seconds[tool.name])}: packages, the user, folders"
        yield Figure(f"setup with nothing to do, {tool.name} (s)", median(seconds[tool.name]), how)


def _deploy(there: Scene, kit: Kit, peers: list[Tool], report: Reporter) -> Iterator[Figure]:
    tools = [kit, *peers]
    with report.step("Counting SSH connections"):
        opened = {tool.name: _opened(there, tool) for tool in tools}
    with report.step(f"Deploys with nothing to do, {ROUNDS} of each in turns"):
        seconds = _rounds(tools, "deploy")
    middle = {name: median(values) for name, values in seconds.items()}
    for tool in tools:
        how = f"median of {ROUNDS} in turns, {spread(seconds[tool.name])}"
        goal = FAST if tool is kit else None
        yield Figure(f"deploy with nothing to do, {tool.name} (s)", middle[tool.name], how, goal)
    for peer in peers:
        how = f"{middle[kit.name]:.2f} s against {middle[peer.name]:.2f} s, both medians"
        yield Figure(
            f"deploy with nothing to do, against {peer.name} (times faster)",
            middle[peer.name] / middle[kit.name],
            how,
            FASTER,
        )
    for tool in tools:
        how = "what the host's sshd accepted meanwhile"
        goal = ONE if tool is kit else None
        yield Figure(f"SSH connections of a deploy, {tool.name}", opened[tool.name], how, goal)


def _repairs(there: Scene, kit: Kit, peer: Tool) -> None:
    """Both of them mean the same by it: what the peer has put right, the kit has nothing to say about."""
    there.host.ssh(f"echo '# by hand' >>{DRIFT} && chmod 600 {DRIFT}")
    changed = peer.run("deploy").changed
    left = kit.run("deploy").changed
    if not changed or left:
        raise RuntimeError(f"{peer.name} changed {changed} things, and there was {'still' if left else 'no'} work")


def _rounds(tools: list[Tool], verb: str) -> dict[str, list[float]]:
    """Seconds of each run, by name, after one of each that is not counted."""
    seconds: dict[str, list[float]] = {tool.name: [] for tool in tools}
    for tool in tools * (1 + ROUNDS):
        ran = tool.run(verb)
        if ran.changed:
            raise RuntimeError(f"{tool.name} changed {ran.changed} things in a {verb} with nothing to do")
        seconds[tool.name].append(ran.seconds)
    return {name: values[1:] for name, values in seconds.items()}


def _opened(there: Scene, tool: Tool) -> int:
    before = there.accepted()
    tool.run("deploy")
    return there.accepted() - before - 1

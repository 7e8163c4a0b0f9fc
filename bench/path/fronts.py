"""The kit's nginx before a sink, three ways that differ in one thing each: what a relay and a password cost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.path.host import AUTOSTART, Deployed, inventory
from deploy import ROOT, render
from deploy.operations import certificates, users, workspace
from deploy.render import autostart
from deploy.stack import HostStack
from deploy.supervisor import LocalSupervisor
from deploy.targets import LocalTarget

SINK = Path(__file__).parent / "sink.py"
GUARD = "auth_request /_auth;\n"


@dataclass(frozen=True)
class Fronts:
    """`relayed` is the kit's own way; `straight` lacks autostart, `open` the password."""

    relayed: Deployed
    straight: Deployed
    open: Deployed


@contextmanager
def standing(folder: Path) -> Iterator[Fronts]:
    """nginx three times with the same configuration, autostart once and the sink; all end with the block."""
    with (
        _front(folder / "relayed") as relayed,
        _front(folder / "straight", upstream=relayed.service.port) as straight,
        _front(folder / "open", upstream=relayed.host.layout.autostart_port, guarded=False) as unguarded,
    ):
        yield Fronts(relayed, straight, unguarded)


@contextmanager
def _front(folder: Path, upstream: int = 0, guarded: bool = True) -> Iterator[Deployed]:
    """One nginx. upstream: a port to send requests to; 0 for an autostart of its own, which runs the sink."""
    host = workspace.opened(inventory(folder), claim=True).host()
    if upstream:
        host = replace(host, layout=replace(host.layout, autostart_port=upstream))
    supervisor = _supervisor(host)
    target = LocalTarget(host.layout, supervisor)
    _write(host, target, guarded)
    certificates.install(host, target, {})
    key = users.add(target, host.layout, "bench")
    names = ("nginx",) if upstream else ("autostart", "nginx")
    try:
        for name in names:
            supervisor.start(name)
        yield Deployed(host, host.services[0], target, key)
    finally:
        for name in reversed(names):
            supervisor.stop(name)


def _write(host: HostStack, target: LocalTarget, guarded: bool) -> None:
    """What the kit renders, but for the one thing in question."""
    texts = {path: file.text for path, file in render.tree(host).items()}
    config = autostart.path(host)
    texts[config] = _with_sink(host, texts[config])
    if not guarded:
        server = f"{host.layout.etc}/nginx/server.conf"
        assert GUARD in texts[server]
        texts[server] = texts[server].replace(GUARD, "")
    for path, file in render.tree(host).items():
        target.write(path, texts[path].encode(), file.mode, file.owner, file.group)
    for part in (f"{host.layout.var}/nginx", f"{host.layout.var}/acme", host.layout.run, host.layout.log):
        Path(part).mkdir(parents=True, exist_ok=True)


def _with_sink(host: HostStack, config: str) -> str:
    document = json.loads(config)
    service = host.services[0]
    document["services"][service.hostname]["process"] |= {
        "command": [str(AUTOSTART), str(SINK), str(service.port)],
        "directory": "/",
        "environment": {},
    }
    return json.dumps(document)


def _supervisor(host: HostStack) -> LocalSupervisor:
    """The kit's units; autostart from this checkout."""
    units = workspace.units(host)
    config = autostart.path(host)
    command = (str(AUTOSTART), "-m", "greffier_autostart", "serve", "--config", config)
    units["autostart"] = replace(
        units["autostart"], command=command, environment={"PYTHONPATH": f"{ROOT}/autostart/src"}
    )
    return LocalSupervisor(host.layout, units)

"""The kit's nginx three ways that differ in one thing each: what a relay and a password cost."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.path.host import AUTOSTART, SERVICES, Deployed, inventory
from deploy import ROOT, render, workspace
from deploy.certificates import issuing
from deploy.config.stack import HostStack
from deploy.render import autostart
from deploy.runtime.processes import LocalSupervisor
from deploy.state import users
from deploy.transport.targets import Target, local_target

SINK = Path(__file__).parent / "sink.py"
GUARD = "auth_request /_auth;\n"

Process = dict[str, Any]
"""How autostart's configuration says to run a service."""


@dataclass(frozen=True)
class Fronts:
    """`relayed` is the kit's own way; `straight` lacks autostart, `open` the password."""

    relayed: Deployed
    straight: Deployed
    open: Deployed


def sink(process: Process, python: Path = AUTOSTART) -> Process:
    """A program that does next to nothing, so that it is not what is measured."""
    port = process["environment"]["STT_PORT"]
    return process | {"command": [str(python), str(SINK), port], "directory": "/", "environment": {}}


def whisper(process: Process, python: Path = SERVICES) -> Process:
    """The service itself, from this checkout."""
    module = process["command"][1:]
    parts = ("core", "whisper", "ctranslate2", "faster-whisper")
    code = {"PYTHONPATH": ":".join(f"{ROOT}/services/{part}/src" for part in parts)}
    environment = process["environment"] | code
    return process | {"command": [str(python), *module], "directory": "/", "environment": environment}


@contextmanager
def standing(folder: Path, service: Callable[[Process], Process]) -> Iterator[Fronts]:
    """nginx three times with the same configuration, autostart once, the service once; all end with the block."""
    with (
        front(folder / "relayed", service) as relayed,
        front(folder / "straight", service, upstream=relayed.service.port) as straight,
        front(folder / "open", service, upstream=relayed.host.layout.autostart_port, guarded=False) as unguarded,
    ):
        yield Fronts(relayed, straight, unguarded)


@contextmanager
def front(
    folder: Path,
    service: Callable[[Process], Process],
    upstream: int = 0,
    guarded: bool = True,
    python: Path = AUTOSTART,
) -> Iterator[Deployed]:
    """One nginx. upstream: a port to send requests to; 0 for an autostart of its own, on that Python,
    which runs the service."""
    host = workspace.opened(inventory(folder), claim=True).host()
    if upstream:
        host = replace(host, layout=replace(host.layout, autostart_port=upstream))
    supervisor = _supervisor(host, python)
    target = local_target("bench", host.layout, supervisor)
    _write(host, target, service, guarded)
    issuing.install(host, target, {})
    key = users.add(target, host.layout, "bench")
    names = ("nginx",) if upstream else ("autostart", "nginx")
    try:
        for name in names:
            supervisor.start(name)
        yield Deployed(host, host.services[0], target, key)
    finally:
        for name in reversed(names):
            supervisor.stop(name)


def _write(host: HostStack, target: Target, service: Callable[[Process], Process], guarded: bool) -> None:
    """What the kit renders, but for the one thing in question."""
    tree = render.tree(host)
    texts = {path: file.text for path, file in tree.items()}
    config = autostart.path(host)
    texts[config] = _with(service, texts[config])
    if not guarded:
        server = f"{host.layout.etc}/nginx/access.conf"
        assert GUARD in texts[server]
        texts[server] = texts[server].replace(GUARD, "")
    for path, file in tree.items():
        target.write(path, texts[path].encode(), file.mode, file.owner, file.group)
    for part in (f"{host.layout.var}/nginx", f"{host.layout.var}/acme", host.layout.run, host.layout.log):
        Path(part).mkdir(parents=True, exist_ok=True)


def _with(service: Callable[[Process], Process], config: str) -> str:
    document = json.loads(config)
    for entry in document["services"].values():
        entry["process"] = service(entry["process"])
    return json.dumps(document)


def _supervisor(host: HostStack, python: Path) -> LocalSupervisor:
    """The kit's units; autostart from this checkout."""
    units = workspace.units(host)
    command = (str(python), "-m", "greffier_autostart", "serve", "--config", autostart.path(host))
    code = {"PYTHONPATH": f"{ROOT}/autostart/src"}
    units["autostart"] = replace(units["autostart"], command=command, environment=code)
    return LocalSupervisor(host.layout, units)

"""An inventory opened for work: its stack, its hosts' layouts, and the way to each of them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.config import catalog, resolve, stack, validation
from deploy.config.inventory import Inventory
from deploy.config.source import Source
from deploy.config.stack import HostStack, ServiceStack, Stack
from deploy.errors import INVENTORY, InventoryError, KitError, Problem
from deploy.render import autostart
from deploy.runtime import control, ports
from deploy.runtime.processes import LocalSupervisor, Unit, nginx_command
from deploy.runtime.systemd import Systemd
from deploy.transport.layouts import local_layout, system_layout
from deploy.transport.ssh import Ssh
from deploy.transport.targets import Target, local_target
from deploy.types import Layout

NGINX = "1"
"""Release of nginx's unit: what changes in its files is reloaded, never restarted."""


@dataclass(frozen=True)
class Workspace:
    """`moved` says which ports were taken by other programs, in sentences; `problems` are the inventory's, where it was
    opened only to look."""

    path: Path
    source: Source
    stack: Stack
    moved: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    _targets: dict[str, Target] = field(default_factory=dict)

    def target(self, host: HostStack) -> Target:
        """The way to a host: one connection, made when it is first used."""
        return self._targets.setdefault(host.name, _target(host))

    def host(self, name: str | None = None) -> HostStack:
        """The named host, or the only one. Raises KitError."""
        hosts = {host.name: host for host in self.stack.hosts}
        if not hosts:
            raise no_host()
        if name is None and len(hosts) == 1:
            return next(iter(hosts.values()))
        if name not in hosts:
            known = ", ".join(hosts)
            what = f"There is no host {name!r}." if name else "The inventory has several hosts."
            raise KitError(what, f"Name one with --host: {known}.", code=INVENTORY)
        return hosts[name]


def no_host() -> KitError:
    """What to tell where nothing is left of the inventory's hosts."""
    return KitError("The inventory has no host whose address is known.", "`greffier check` says why.", code=INVENTORY)


def chosen(space: Workspace, name: str | None, alone: str | None = None) -> list[HostStack]:
    """The named host, that of the service which is deployed alone (with no other), or all. Raises KitError."""
    if alone is None:
        return [space.host(name)] if name else list(space.stack.hosts)
    host, found = service(space, alone)
    if name and space.host(name) is not host:
        raise KitError(f"{alone} runs on {host.name}, not on {name}.", code=INVENTORY)
    return [replace(host, services=(found,))]


def approach(space: Workspace, hosts: Iterable[HostStack]) -> None:
    """Begin to connect to hosts, all at once."""
    for host in hosts:
        space.target(host).approach()


def service(space: Workspace, name: str | None) -> tuple[HostStack, ServiceStack]:
    """The named service (the first of the kit's own, where none is named) and its host. Raises KitError."""
    found = {s.name: (host, s) for host in space.stack.hosts for s in host.services}
    own = [place for place in found.values() if place[1].own]
    if name is None and own:
        return own[0]
    if name not in found:
        known = f"Services: {', '.join(found)}." if found else "The inventory has no enabled service."
        raise KitError(f"There is no service {name!r}." if name else "There is no service.", known, code=INVENTORY)
    return found[name]


def alone(space: Workspace, host: str | None, name: str | None) -> tuple[HostStack, str]:
    """The host of the named service, or of the only one there is on that host, and the service's name. Raises
    KitError."""
    if name is not None:
        return chosen(space, host, name)[0], name
    only = space.host(host)
    names = [service.name for service in only.services]
    if len(names) != 1:
        known = f"Services: {', '.join(names)}." if names else "The inventory has no enabled service."
        raise KitError("Say which service it is for: --service NAME.", known, code=INVENTORY)
    return only, names[0]


def root_of(path: Path, host: str) -> Path:
    """Folder of a host with `runtime: process`: beside the inventory."""
    return path.resolve().parent / ".greffier" / host


def models_folder() -> Path:
    """Downloads are shared by every checkout of this user. Raises KitError for a user without a home."""
    cache = os.environ.get("XDG_CACHE_HOME")
    if cache:
        return Path(cache) / "greffier" / "models"
    try:
        return Path.home() / ".cache" / "greffier" / "models"
    except RuntimeError:
        raise KitError(
            f"There is no folder for models: the user {os.getuid()} is not in /etc/passwd, and HOME is not set.",
            "Set HOME or XDG_CACHE_HOME to a folder that this user may write to.",
            code=INVENTORY,
        ) from None


def opened(path: Path, *, claim: bool = False) -> Workspace:
    """Read, validate and resolve an inventory. With `claim`, ports of this machine that others hold are
    replaced by free ones, which are kept for the next time. Raises InventoryError, KitError."""
    space = _opened(path, claim=claim)
    if space.problems:
        raise InventoryError(space.problems)
    return space


def glimpsed(path: Path) -> Workspace:
    """The same for who only looks at the hosts, or acts on what runs there: a mistake in the inventory is no reason not
    to. Raises InventoryError where no host can be made out."""
    space = _opened(path, claim=False)
    if not space.stack.hosts:
        raise InventoryError(space.problems)
    return space


def _opened(path: Path, *, claim: bool) -> Workspace:
    wrote, problems, source = validation.load(path)
    kinds = catalog.load()
    moved: list[str] = []
    taken: set[int] = set()
    layouts: dict[str, Layout] = {}
    for name, host in wrote.hosts.items():
        if host.runtime == "compose":
            layouts[name] = system_layout()
            continue
        root = root_of(path, name)
        if claim and not problems:
            moved += ports.claim(root, _preferred(wrote, kinds, name), _running(root), taken)
            taken |= set(ports.saved(root).values())
        layouts[name] = local_layout(root, models_folder(), ports.saved(root))
    found, wrong = resolve.looked_at(wrote, source, kinds, layouts, catalog.autostart(), problems)
    return Workspace(path, source, found, tuple(moved), wrong)


def resolved(space: Workspace, host: HostStack, document: Mapping[str, Any]) -> Stack:
    """What an inventory would mean that has this in it, and this host alone. Raises InventoryError."""
    source = Source(space.source.path, document, space.source.places)
    wrote, problems = validation.validate(source)
    return resolve.stack(wrote, source, catalog.load(), {host.name: host.layout}, catalog.autostart(), problems)


def _preferred(wrote: Inventory, kinds: catalog.Catalog, host: str) -> dict[str, int]:
    wanted = {"https": 8443, "http": 8080, "autostart": 8890, "auth": 8891}
    first = next(iter(wrote.hosts))
    here = [
        (name, service)
        for name, service in wrote.services.items()
        if (service.host or first) == host and service.kind in kinds and resolve.enabled(service, kinds[service.kind])
    ]
    numbers = resolve.service_ports(here, kinds, wanted.values())
    for name, service in here:
        port = numbers[name]
        if service.port is None:
            wanted[f"service:{name}"] = port
        if service.wyoming:
            wanted[f"service:{name}/wyoming"] = port + stack.WYOMING
    return wanted


def _running(root: Path) -> frozenset[str]:
    """Which of our own programs hold the ports that were saved."""
    layout = local_layout(root, models_folder(), {})
    config = f"{layout.etc}/autostart/config.json"
    units = {
        "nginx": Unit("nginx", nginx_command(layout), {}, layout.nginx_main, True, "", (), ""),
        "autostart": Unit("autostart", (), {}, config, False, "", (), ""),
    }
    supervisor = LocalSupervisor(layout, units)
    return frozenset(unit for unit in units if supervisor.running(unit) or supervisor.orphans(unit))


def example_domains(workspace: Workspace) -> None:
    """Refuse to deploy to names that nobody can own, or that get no certificate. Raises InventoryError."""
    problems = names(workspace)
    if problems:
        raise InventoryError(problems)


def names(workspace: Workspace) -> list[Problem]:
    """What is wrong with the hosts' names, other than their form."""
    problems = []
    for host in workspace.stack.hosts:
        place = workspace.source.place(("hosts", host.name, "domain"))
        examples = stack.example_domains(host)
        if examples:
            said = f"{', '.join(examples)}: an example domain, reserved for documentation"
            problems.append(Problem(place, said, "set your own domain"))
        private = [name for name in stack.private_names(host) if name not in examples]
        if private:
            said = f"{', '.join(private)}: no public authority issues certificates for names of a private network"
            problems.append(Problem(place, said, "set a domain that you own, or tls: {mode: internal}"))
    return problems


def _target(host: HostStack) -> Target:
    if host.runtime == "process":
        return local_target(host.name, host.layout, LocalSupervisor(host.layout, units(host)))
    return Target(host.name, host.layout, way(host), Systemd)


def way(host: HostStack) -> Ssh:
    """How a host is reached."""
    return Ssh(host.address, host.user, host.ssh_port)


def releases(host: HostStack) -> dict[str, str]:
    """What each unit shall have been started from."""
    return {"autostart": host.autostart.release, "nginx": NGINX}


def units(host: HostStack) -> dict[str, Unit]:
    """nginx and autostart of a host of this machine."""
    layout = host.layout
    nginx = nginx_command(layout)
    config = autostart.path(host)
    return {
        "autostart": Unit(
            "autostart",
            (host.autostart.python(layout.opt), "-m", "greffier_autostart", "serve", "--config", config),
            {"PYTHONPATH": f"{host.autostart.code(layout.opt)}/src"},
            config,
            False,
            layout.control,
            control.command(host, "reload"),
            host.autostart.release,
        ),
        "nginx": Unit(
            "nginx", nginx, {}, layout.nginx_main, True, f"{layout.run}/nginx.pid", (*nginx, "-s", "reload"), NGINX
        ),
    }

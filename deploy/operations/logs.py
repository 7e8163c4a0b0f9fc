"""Logs of a host, from their end and on."""

from collections.abc import Iterator

from deploy.errors import INVENTORY, KitError
from deploy.operations import images
from deploy.operations.workspace import Workspace
from deploy.render import autostart
from deploy.stack import HostStack


def read(space: Workspace, name: str, lines: int, *, follow: bool) -> Iterator[str]:
    """The last `lines` lines, then new ones as they come when `follow`. Raises KitError."""
    host, command = _command(space, name, lines, follow=follow)
    target = space.target(host)
    for stream, line in target.connection.lines(command):
        if stream:
            yield line
        elif line != "0":
            raise KitError(f"There is no log of {name} yet: it has not been started.")


def _command(space: Workspace, name: str, lines: int, *, follow: bool) -> tuple[HostStack, tuple[str, ...]]:
    known: list[str] = []
    for host in space.stack.hosts:
        found = _of_process(host) if host.runtime == "process" else _of_compose(host)
        if name in found:
            kind, what = found[name]
            count = str(lines)
            match kind:
                case "file":
                    return host, ("tail", "-n", count, *(("-F",) if follow else ()), "--", what)
                case "container":
                    # The newest: the one that serves.
                    newest = next((c for c, of in images.containers(space.target(host)).items() if of == what), what)
                    return host, ("docker", "logs", "--tail", count, *(("--follow",) if follow else ()), newest)
                case _:
                    words = ("journalctl", "--no-pager", "--output", "cat", "--lines", count, "--unit", what)
                    return host, (*words, *(("--follow",) if follow else ()))
        known += list(found)
    raise KitError(f"There is no log of {name!r}.", f"Known: {', '.join(dict.fromkeys(known))}.", code=INVENTORY)


def _of_process(host: HostStack) -> dict[str, tuple[str, str]]:
    log = host.layout.log
    services = {service.name: ("file", autostart.log_path(host, service)) for service in host.services}
    return services | {"autostart": ("file", f"{log}/autostart.log"), "nginx": ("file", host.layout.nginx_errors)}


def _of_compose(host: HostStack) -> dict[str, tuple[str, str]]:
    services = {service.name: ("container", service.name) for service in host.services}
    nginx = ("file", host.layout.nginx_errors)
    return services | {"autostart": ("unit", "greffier-autostart.service"), "nginx": nginx}

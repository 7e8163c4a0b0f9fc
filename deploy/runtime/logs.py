"""Logs of a host, from their end and on."""

import re
from collections.abc import Iterable, Iterator

from deploy.config.stack import HostStack
from deploy.errors import INVENTORY, KitError
from deploy.render import autostart
from deploy.runtime import docker, images
from deploy.transport.targets import Target


def read(host: HostStack, target: Target, name: str, lines: int, *, follow: bool) -> Iterator[str]:
    """The last `lines` lines, then new ones as they come when `follow`. Raises KitError."""
    last = ""
    for stream, line in target.connection.lines(_command(host, target, name, lines, follow=follow)):
        if stream:
            last = line
            yield line
        elif line != "0":
            raise _unread(name, last)


def tail(host: HostStack, target: Target, name: str, lines: int) -> str:
    """The last `lines` lines of a log; nothing where there is none. Raises KitError where the host does not answer."""
    command = _command(host, target, name, lines, follow=False)
    return "\n".join(line for stream, line in target.connection.lines(command) if stream)


def _unread(name: str, said: str) -> KitError:
    """What to tell where a log cannot be read, by what the program that reads it said last."""
    if not said or re.search(r"No such (file|container)", said, re.IGNORECASE):
        return KitError(f"There is no log of {name} yet: it has not been started.")
    return KitError(f"The log of {name} could not be read completely.", "`greffier doctor` checks what may be wrong.")


def host_of(hosts: Iterable[HostStack], name: str) -> HostStack:
    """The host that has a log of this name. Raises KitError."""
    known: list[str] = []
    for host in hosts:
        found = _known(host)
        if name in found:
            return host
        known += found
    raise KitError(f"There is no log of {name!r}.", f"Known: {', '.join(dict.fromkeys(known))}.", code=INVENTORY)


def _known(host: HostStack) -> dict[str, tuple[str, str]]:
    return _of_process(host) if host.runtime == "process" else _of_compose(host)


def _command(host: HostStack, target: Target, name: str, lines: int, *, follow: bool) -> tuple[str, ...]:
    kind, what = _known(host)[name]
    count = str(lines)
    match kind:
        case "file":
            return ("tail", "-n", count, *(("-F",) if follow else ()), "--", what)
        case "container":
            # The newest: the one that serves.
            newest = next((c for c, of in target.answer(images.containers()).items() if of == what), what)
            return docker.logs(newest, lines, follow=follow)
        case _:
            words = ("journalctl", "--no-pager", "--output", "cat", "--lines", count, "--unit", what)
            return (*words, *(("--follow",) if follow else ()))


def _of_process(host: HostStack) -> dict[str, tuple[str, str]]:
    log = host.layout.log
    services = {service.name: ("file", autostart.log_path(host, service)) for service in host.services}
    return services | {"autostart": ("file", f"{log}/autostart.log"), "nginx": ("file", host.layout.nginx_errors)}


def _of_compose(host: HostStack) -> dict[str, tuple[str, str]]:
    services = {service.name: ("container", service.name) for service in host.services}
    nginx = ("file", host.layout.nginx_errors)
    return services | {"autostart": ("unit", "greffier-autostart.service"), "nginx": nginx}

"""Logs of a host, from their end and on."""

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import INVENTORY, KitError
from deploy.operations.workspace import Workspace
from deploy.render import autostart
from deploy.stack import HostStack

POLL_SECONDS = 0.2


def read(space: Workspace, name: str, lines: int, *, follow: bool) -> Iterator[str]:
    """The last `lines` lines, then new ones as they come when `follow`. Raises KitError."""
    path = Path(_path(space, name))
    if not path.exists():
        if not follow:
            raise KitError(f"There is no log of {name} yet: it has not been started.", f"It will be at {path}.")
        while not path.exists():
            time.sleep(POLL_SECONDS)
    file = path.open(errors="replace")
    yield from (line.rstrip("\n") for line in deque(file, lines))
    while follow:
        line = file.readline()
        if line:
            yield line.rstrip("\n")
            continue
        time.sleep(POLL_SECONDS)
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            # Rotated: what follows is in a new file of the same name.
            rest = file.read()
            yield from rest.splitlines()
            file.close()
            while not path.exists():
                time.sleep(POLL_SECONDS)
            file = path.open(errors="replace")


def _path(space: Workspace, name: str) -> str:
    known = []
    for host in space.stack.hosts:
        found = _of_host(host)
        if name in found:
            return found[name]
        known += list(found)
    raise KitError(f"There is no log of {name!r}.", f"Known: {', '.join(dict.fromkeys(known))}.", code=INVENTORY)


def _of_host(host: HostStack) -> dict[str, str]:
    log = host.layout.log
    services = {service.name: autostart.log_path(host, service) for service in host.services}
    return services | {"autostart": f"{log}/autostart.log", "nginx": f"{log}/nginx-error.log"}

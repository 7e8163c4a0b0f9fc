"""Work on the inventory alone, without any host: write a first one, check it, describe it, render it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from deploy import ROOT, naming
from deploy import render as rendering
from deploy.errors import INVENTORY, InventoryError, KitError
from deploy.fields import LABEL
from deploy.operations import gates, secrets, workspace
from deploy.operations import schema as editors
from deploy.operations.workspace import Workspace
from deploy.quantities import show_bytes, show_size
from deploy.stack import ServiceStack
from deploy.supervisor import nginx_version

EXAMPLE = ROOT / "inventory.yml"
DOMAIN = re.compile(rf"(?=.{{1,200}}$){LABEL}(\.{LABEL})+")
"""A host name that leaves room for the services' own labels, and is not a single word."""


def init(path: Path, domain: str) -> None:
    """Write the annotated example, with your domain in it. Never overwrites. Raises KitError."""
    text = EXAMPLE.read_text()
    if domain:
        if not DOMAIN.fullmatch(domain):
            raise KitError(f"{domain!r} is not a domain such as example.org.", code=INVENTORY)
        text = text.replace("example.org", domain)
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise KitError(f"{path} is there already; nothing was changed.", "Name another file.", code=INVENTORY) from None
    except OSError as error:
        raise KitError(f"{path} cannot be written: {error.strerror}.", code=INVENTORY) from None


def checked(path: Path) -> tuple[Workspace, list[str]]:
    """The inventory, with every secret it refers to found, and what is to be said of it. Asks the hub of gated models
    alone. Raises InventoryError."""
    space = workspace.opened(path)
    workspace.example_domains(space)
    resolved = secrets.resolve(space.stack.references, path.resolve().parent)
    secrets.check_writable(space.stack, resolved)
    problems, notes = gates.look(space, resolved)
    if problems:
        raise InventoryError(problems)
    return space, notes


def needs(service: ServiceStack) -> str:
    """The model of a service, what it takes to fetch and to run it, and what it was called."""
    assert service.own
    models = dict.fromkeys((service.model, *service.models))
    sizes = [naming.size(service.own.models, model) for model in models]
    known = f"about {show_bytes(sum(sizes))} to fetch" if all(sizes) else "of a size that the kit does not know"
    return f"{', '.join(models)}, {known}; up to {show_size(service.memory)} of memory"


def schema() -> str:
    """JSON Schema of inventory.yml."""
    return json.dumps(editors.document(), indent=2)


def render(path: Path, out: Path) -> Iterator[str]:
    """Write every host's tree below `out`/<host>; yields each path. Secrets stay references. Only this machine's nginx
    is asked for its version: the files of other hosts are for any."""
    space = workspace.opened(path)
    for host in space.stack.hosts:
        seen = host.seen(nginx_version()) if host.runtime == "process" else host
        for name, file in rendering.tree(seen).items():
            target = out / host.name / name.lstrip("/")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(file.text)
                target.chmod(file.mode)
            except OSError as error:
                raise KitError(f"{target} cannot be written: {error.strerror}.") from None
            yield str(target)

"""Work on the inventory alone, without any host: write a first one, check it, describe it, render it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT, catalog, naming
from deploy import render as rendering
from deploy.catalog import Own
from deploy.errors import INVENTORY, InventoryError, KitError
from deploy.fields import LABEL
from deploy.operations import certificates, gates, secrets, workspace
from deploy.operations import schema as editors
from deploy.operations.workspace import Workspace
from deploy.quantities import show_bytes, show_size
from deploy.stack import ServiceStack
from deploy.supervisor import nginx_version

EXAMPLE = ROOT / "inventory.yml"
KIND = "faster-whisper"
"""Of the example's service."""
DOMAIN = re.compile(rf"(?=.{{1,200}}$){LABEL}(\.{LABEL})+")
"""A host name that leaves room for the services' own labels, and is not a single word."""


@dataclass(frozen=True)
class First:
    """What a first inventory is written with; what is empty stays as the example has it."""

    domain: str = ""
    address: str = ""
    model: str = ""


def right_domain(domain: str) -> str:
    """A domain that services can be named below. Raises KitError."""
    if not DOMAIN.fullmatch(domain) or domain.rpartition(".")[2].isdecimal():
        raise KitError(f"{domain!r} is not a domain such as example.org.", code=INVENTORY)
    return domain


def right_model(name: str) -> str:
    """A model of the example's service. Raises KitError."""
    manifest = catalog.load()[KIND].manifest
    if isinstance(manifest, Own) and naming.meant(manifest.models, name) is None:
        advice = naming.advice(manifest.models, name)
        raise KitError(f"There is no model {name!r} ({advice}).", code=INVENTORY)
    return name


def init(path: Path, first: First) -> None:
    """Write the annotated example, with what is yours in it. Never overwrites. Raises KitError."""
    text = EXAMPLE.read_text(encoding="utf-8")
    if first.domain:
        text = text.replace("example.org", right_domain(first.domain))
    for key, value in (("address", first.address), ("model", right_model(first.model) if first.model else "")):
        if value:
            before, mark, rest = text.partition(f"    # {key}: ")
            after = rest.partition("\n")[2]
            text = f"{before}    {key}: {value}\n{after}" if mark else text
    try:
        with path.open("x", encoding="utf-8") as file:
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
    for host in space.stack.hosts:
        if host.tls.mode == "files":
            certificates.brought(host, resolved)
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
                target.write_text(file.text, encoding="utf-8")
                target.chmod(file.mode)
            except OSError as error:
                raise KitError(f"{target} cannot be written: {error.strerror}.") from None
            yield str(target)

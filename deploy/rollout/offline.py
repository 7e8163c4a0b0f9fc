"""Work on the inventory alone, without any host: check it, describe it, render it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy import render as rendering
from deploy import workspace
from deploy.certificates import issuing
from deploy.config import model_names, secrets
from deploy.config.quantities import show_bytes, show_size
from deploy.config.stack import HostStack, ServiceStack
from deploy.errors import InventoryError, KitError, Problem
from deploy.models import fetching, gated
from deploy.render import env
from deploy.runtime.processes import nginx_version
from deploy.types import Reference, Secret
from deploy.workspace import Workspace


def checked(path: Path) -> tuple[Workspace, list[str]]:
    """The inventory, with every secret it refers to found, and what is to be said of it. Asks the hub of gated models
    alone. Raises InventoryError with all that is wrong."""
    space = workspace.opened(path)
    problems = workspace.names(space)
    known, missing = secrets.looked_up(space.stack.references, path.resolve().parent)
    problems += missing.values()
    problems += env.unwritable(space.stack, known)
    for host in space.stack.hosts:
        if host.tls.key in known:
            problems += _certificate(space, host, known)
    notes = list(_unknown(space))
    tokens = {reference for host in space.stack.hosts for one in host.services for _, reference in one.tokens}
    if tokens <= known.keys():  # without one, the hub would say that it is missing, which is said already
        closed, more = gated.look(space, known)
        problems += closed
        notes += more
    if problems:
        raise InventoryError(problems)
    return space, notes


def _certificate(space: Workspace, host: HostStack, known: Mapping[Reference, Secret]) -> Iterator[Problem]:
    try:
        issuing.brought(host, known)
    except KitError as error:
        place = space.source.place(("hosts", host.name, "tls", "certificate"))
        yield Problem(place, error.message.rstrip("."), error.hint)


def _unknown(space: Workspace) -> Iterator[str]:
    """Models that may be misspelt: what they are, only the hub can tell."""
    pinned = fetching.read_lock(space.path)
    for host in space.stack.hosts:
        for service in host.services:
            if not service.own:
                continue
            for model in dict.fromkeys((service.model, *service.models)):
                if not (model_names.size(service.own.models, model) or model in pinned):
                    yield f"{service.name}: Greffier does not know {model}: `deploy` asks the hub for it."


def needs(service: ServiceStack) -> str:
    """The model of a service, what it takes to fetch and to run it, and what it was called."""
    assert service.own
    models = dict.fromkeys((service.model, *service.models))
    sizes = [model_names.size(service.own.models, model) for model in models]
    known = f"about {show_bytes(sum(sizes))} to fetch" if all(sizes) else "of unknown size"
    return f"{', '.join(models)}, {known}; up to {show_size(service.memory)} of memory"


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

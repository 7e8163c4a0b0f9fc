"""Work on the inventory alone, without any host: check it, describe it, render it."""

from collections.abc import Iterator
from pathlib import Path

from deploy import render as rendering
from deploy import workspace
from deploy.certificates import issuing
from deploy.config import model_names, secrets
from deploy.config.quantities import show_bytes, show_size
from deploy.config.stack import ServiceStack
from deploy.errors import InventoryError, KitError
from deploy.models import gated
from deploy.render import env
from deploy.runtime.processes import nginx_version
from deploy.workspace import Workspace


def checked(path: Path) -> tuple[Workspace, list[str]]:
    """The inventory, with every secret it refers to found, and what is to be said of it. Asks the hub of gated models
    alone. Raises InventoryError."""
    space = workspace.opened(path)
    workspace.example_domains(space)
    resolved = secrets.resolve(space.stack.references, path.resolve().parent)
    env.check_writable(space.stack, resolved)
    for host in space.stack.hosts:
        if host.tls.mode == "files":
            issuing.brought(host, resolved)
    problems, notes = gated.look(space, resolved)
    if problems:
        raise InventoryError(problems)
    return space, notes


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

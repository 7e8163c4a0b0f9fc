"""The models of a host, apart from any deploy: which there are, whether they are right, and fetching them ahead."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.config import secrets
from deploy.config.stack import HostStack
from deploy.errors import INVENTORY, KitError
from deploy.host.store import RECORD
from deploy.models import fetching, gated
from deploy.reporting import Reporter
from deploy.transport.targets import Target
from deploy.types import Reference
from deploy.workspace import Workspace


@dataclass(frozen=True)
class Holding:
    """A model that services want. `size` in bytes is None while nobody knows it."""

    model: str
    services: tuple[str, ...]
    size: int | None
    state: str
    """`right`: every byte is as pinned; `damaged`; `missing`."""
    pinned: str
    """What says which bytes are right: `kit`, `lock file`, or nothing yet."""


def holdings(space: Workspace, host: HostStack, report: Reporter) -> list[Holding]:
    """Every model that the host's services want, read to its last byte where it is there. Raises KitError."""
    locked = fetching.read_lock(space.path)
    found = []
    for name, request in fetching.wanted(host, space.path).items():
        files, state = _state(host, space.target(host), request, report)
        pinned = "lock file" if name in locked else "kit" if request["files"] else ""
        size = sum(entry["size"] or 0 for entry in files.values()) if files else None
        users = tuple(service.name for service in host.services if name in service.all_models)
        found.append(Holding(name, users, size, state, pinned))
    return found


def pull(space: Workspace, host: HostStack, name: str | None, report: Reporter) -> list[str]:
    """Fetch what is missing or damaged, of all models or of one; a deploy then has it. Returns what was fetched.
    Raises KitError."""
    target, requests = space.target(host), fetching.wanted(host, space.path)
    if name is not None and name not in requests:
        known = ", ".join(requests) or "none"
        raise KitError(f"No service of {host.name} has the model {name!r}.", f"Models: {known}.", code=INVENTORY)
    asked = [request for each, request in requests.items() if name in (None, each)]
    if host.runtime == "compose" and not target.existing([host.autostart.python(host.layout.opt)]):
        raise KitError(f"{host.name} is not set up.", f"Run `greffier setup {host.name}`.")
    with target.lock("models pull"):
        wanting = [request for request in asked if _state(host, target, request, report)[1] != "right"]
        if wanting:
            # Without its record a file is judged by its digest, whatever its time.
            target.remove(*(_record(host, request["name"]) for request in wanting))
            known_secrets = secrets.resolve(tokens(host), space.path.resolve().parent)
            return fetching.fetch(host, target, wanting, fetching.token(host, known_secrets), space.path, report)
    return []


def obstacle(space: Workspace, host: HostStack, name: str) -> str:
    """What to do before a model can be fetched; empty where the hub gives it to anybody, or does not say."""
    try:
        token = fetching.token(host, secrets.resolve(tokens(host), space.path.resolve().parent))
    except KitError:
        return ""  # the secret itself is missing, which is told with its name
    answer = gated.ask([name], token)[name]
    return answer.sentence if answer.given is False else ""


def tokens(host: HostStack) -> list[Reference]:
    """References of the secrets that may open a gated model."""
    return [ref for service in host.services for _, ref in service.tokens]


def _record(host: HostStack, name: str) -> str:
    return f"{fetching.folder(host.layout.models, name)}/{RECORD}"


def _state(
    host: HostStack, target: Target, request: fetching.Request, report: Reporter
) -> tuple[Mapping[str, fetching.Request], str]:
    """(files with digest and size, `right`, `damaged` or `missing`) of a model."""
    name = request["name"]
    try:
        there: dict[str, fetching.Request] = json.loads(target.read(_record(host, name)) or b"")["files"]
    except (ValueError, KeyError, TypeError):
        return request["files"] or {}, "missing"
    files = request["files"] or there
    base = fetching.folder(host.layout.models, name)
    paths = {f"{base}/{file}": entry["sha256"] for file, entry in files.items()}
    with report.step(f"Checking {name}"):
        summed = target.run(("sha256sum", "--", *paths), check=False).splitlines()
    digests = {path: digest for digest, _, path in (line.partition("  ") for line in summed)}
    return files, "right" if digests == paths else "damaged"

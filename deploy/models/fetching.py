"""Models on a host: which are wanted, which are there, and fetching the others."""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy import reading
from deploy.config import model_names
from deploy.config.catalog import Models
from deploy.config.rules import TOKENS
from deploy.config.stack import HostStack, SideModel
from deploy.errors import HOST, INVENTORY, KitError
from deploy.host.requests import Failure, read_files
from deploy.reporting import Reporter
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.connection import Lost
from deploy.transport.targets import Target
from deploy.types import Reference, Secret

HUB_SECONDS = 5.0
"""What a hub that does not answer may cost in all."""
MAX_LOCK = 16 << 20
"""Bytes."""
LOCK_NAME = "greffier.lock"
"""Beside the inventory: what models the kit does not know were pinned to at first fetch."""

Request = dict[str, Any]


def hub() -> str:
    """Address of the hub of models."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")


def lock_path(inventory: Path) -> Path:
    """The file of pins, beside the inventory."""
    return inventory.parent / LOCK_NAME


def read_lock(inventory: Path) -> dict[str, Any]:
    """{model: {revision, files: {name: {sha256, size}}}}."""
    path = lock_path(inventory)
    try:
        pinned: dict[str, Any] = json.loads(reading.whole(path, MAX_LOCK))["models"]
        for name, entry in pinned.items():
            read_files(entry["files"], f"{name}: files")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}.", code=INVENTORY) from None
    except (ValueError, LookupError, AttributeError, TypeError, Failure):
        hint = "Restore it, or remove it to pin the models anew."
        raise KitError(f"{path} is damaged.", hint, code=INVENTORY) from None
    return pinned


def wanted(host: HostStack, inventory: Path) -> dict[str, Request]:
    """Model name -> what the fetcher is asked for."""
    pinned = read_lock(inventory)
    found: dict[str, Request] = {}
    for service in host.services:
        if service.own:
            models = service.own.models
            speech = [SideModel(n, model_names.patterns(models, n)) for n in (service.model, *service.models)]
            for side in (*speech, *service.side_models):
                request = _request(side, models, pinned)
                # Of two services that want it, one may do without.
                spare = side.spare and found.get(side.name, request)["spare"]
                found[side.name] = found.get(side.name, request) | {"spare": spare}
    return found


def _request(side: SideModel, models: Models, pinned: Mapping[str, Any]) -> Request:
    """`gated` and `spare` are for us alone: the fetcher asks for what it is told."""
    name, known = side.name, models.known.get(side.name)
    request: Request = {"name": name, "patterns": list(side.patterns), "gated": side.gated, "spare": side.spare}
    request |= dict.fromkeys(("revision", "files", "packages"))
    if known:
        return request | known.model_dump(exclude={"memory"})
    return request | dict(pinned.get(name, {}))


def folder(models: str, name: str) -> str:
    """A model's folder, below the folder `models`."""
    return f"{models}/{name.replace('/', '--')}"


def present(host: HostStack, requests: Iterable[Request]) -> Asking[frozenset[str]]:
    """Models whose files are all there, with size and time as recorded when they were fetched."""
    folders = {folder(host.layout.models, request["name"]): request for request in requests}
    found = (yield from asking.models(list(folders))) if folders else {}
    return frozenset(one["name"] for path, one in folders.items() if path in found and _is(one, found[path]))


def _is(request: Request, recorded: Mapping[str, str]) -> bool:
    """Whether a model that was fetched has the files that are wanted."""
    return all(recorded.get(name) == file["sha256"] for name, file in (request["files"] or {}).items())


def token(host: HostStack, known: Mapping[Reference, Secret]) -> str | None:
    """What opens gated models, of what the inventory says of the host's services."""
    for service in host.services:
        named = dict(service.tokens)
        for variable in TOKENS:
            if named.get(variable) in known:
                return known[named[variable]].reveal()
    return None


def fetch(
    host: HostStack, target: Target, requests: Iterable[Request], token: str | None, inventory: Path, report: Reporter
) -> list[str]:
    """Fetch models onto the host; pins in the lock file those the kit does not know. Returns which it has now: one that
    services do without may fail. Raises KitError."""
    document: Request = {
        "directory": host.layout.models,
        "hub": hub(),
        "token": token,
        "timeout": HUB_SECONDS,
    }
    done = []
    for request in requests:
        try:
            _fetch_one(host, target, document | {"models": [request]}, request, inventory, report)
            done.append(request["name"])
        except Lost:
            raise
        except KitError as error:
            if not request["spare"]:
                raise
            report.warn(f"{_sentence(error.message)} {error.hint and _sentence(error.hint)}".rstrip())
    return done


def _fetch_one(
    host: HostStack, target: Target, document: Request, request: Request, inventory: Path, report: Reporter
) -> None:
    name = request["name"]
    sizes = {file: entry["size"] for file, entry in (request["files"] or {}).items()}
    done: dict[str, int] = {}
    failure: KitError | None = None
    # On a host, the environment of autostart has the pip that a package is fetched with.
    python = "" if host.runtime == "process" else host.autostart.python(host.layout.opt)
    with report.step(f"Fetching {name}") as bar:
        try:
            for line in target.program("models", json.dumps(document), python=python):
                event = _event(line)
                match event.get("event"):
                    case "progress":
                        done[event["file"]] = event["done"]
                        sizes.setdefault(event["file"], event.get("total") or 0)
                        bar.update(sum(done.values()), sum(sizes.values()))
                    case "source" if event["source"] == "package":
                        report.say(f"{_sentence(event['message'])} Taking {name} from {event['where']}.")
                    case "waiting":
                        report.say(event["message"])
                    case "ready" if request["files"] is None:
                        failure = _pin(inventory, name, {"revision": event["revision"], "files": event["files"]})
                    case "failed":
                        failure = KitError(event["message"], event.get("hint") or "", code=HOST)
        except KitError as error:
            raise failure or error from None
    if failure:
        raise failure


def _event(line: str) -> dict[str, Any]:
    """What the fetcher tells; nothing of a line that something else printed."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return {}


def _pin(inventory: Path, name: str, entry: Mapping[str, Any]) -> KitError | None:
    """Returns what to tell where the lock file cannot be read or written."""
    with _PINNING:
        path = lock_path(inventory)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            models = read_lock(inventory) | {name: entry}
            temporary.write_text(
                json.dumps({"models": dict(sorted(models.items()))}, indent=2) + "\n", encoding="utf-8"
            )
            temporary.replace(path)
        except KitError as error:
            return error
        except OSError as error:
            return KitError(f"{path} cannot be written: {error.strerror}.", code=HOST)
    return None


_PINNING = threading.Lock()  # hosts fetch side by side, and pin into one file


def _sentence(text: str) -> str:
    return (text if "://" in text.split(" ")[0] else text[:1].upper() + text[1:]).rstrip(".") + "."

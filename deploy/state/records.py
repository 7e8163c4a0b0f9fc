"""The record of a host: what the last complete apply left, and what one that was cut off was about to write."""

import json
import secrets as tokens
from collections.abc import Mapping
from typing import Any

from packaging.version import Version

from deploy import VERSION
from deploy.config.stack import HostStack
from deploy.errors import INVENTORY, KitError
from deploy.transport.asking import FileState
from deploy.transport.targets import Target
from deploy.types import Reference, Secret, Tree, digest


def read(target: Target, host: HostStack) -> dict[str, Any]:
    """What the last apply left. An older kit than the one that wrote it is refused."""
    return of(host, target.read(host.layout.record))


def of(host: HostStack, raw: bytes | str | None) -> dict[str, Any]:
    """The record, out of its file."""
    later: dict[str, Any] = {"pending": {}, "second": [], "salt": tokens.token_hex(16)}
    blank: dict[str, Any] = {"kit": VERSION, "release": 0, "files": {}, **later}
    if raw is None:
        return blank
    try:
        record = {**later, **json.loads(raw)}
        newer = Version(record["kit"]) > Version(VERSION)
        if any(type(record[key]) is not type(value) for key, value in blank.items()):
            raise TypeError
    except (ValueError, LookupError, AttributeError, TypeError):
        raise KitError(
            f"{host.layout.record} is damaged.", "Remove it: the next deploy compares every file again."
        ) from None
    if newer:
        raise KitError(
            f"{host.name} was deployed by Greffier {record['kit']}; this is {VERSION}.",
            "Update Greffier on this machine.",
            code=INVENTORY,
        )
    return record


def ours(path: str, state: FileState, record: Mapping[str, Any]) -> bool:
    """Whether a file's content is what an apply wrote or was about to write, or nobody has recorded any."""
    known = [entries[path] for entries in (record["files"], record["pending"]) if path in entries]
    return not known or any((state.salted if e["salted"] else state.digest) == e["digest"] for e in known)


def digests(tree: Tree, resolved: Mapping[Reference, Secret], salt: str) -> dict[str, str]:
    """Digests for the record: salted where a file has secrets, so that none can be guessed from it."""
    return {path: digest((salt if file.references else "") + file.content(resolved)) for path, file in tree.items()}


def intend(target: Target, record: Mapping[str, Any], pending: Mapping[str, Any]) -> None:
    """Write down what is about to be written, so that it is not taken for somebody else's if this is cut off."""
    target.owed = True
    _write(target, {**record, "pending": record["pending"] | pending})


def take(target: Target, record: dict[str, Any], image: str) -> None:
    """Write down, before it is pulled, that an image is there because of us: `prune` and `destroy` may remove it."""
    record["pulled"] = sorted({*record.get("pulled", ()), image})
    _write(target, record)


def put_back(target: Target, record: Mapping[str, Any]) -> None:
    """What was about to be written was not, after all."""
    _write(target, record)
    target.owed = False


def settle(target: Target, record: Mapping[str, Any]) -> None:
    """Everything is as the record says, and nothing is owed."""
    _write(target, {**record, "pending": {}})
    target.owed = False


def certified(target: Target, host: HostStack, certificate: str) -> None:
    """nginx serves the certificate that lies there now: the next deploy owes no reload for it."""
    record = read(target, host)
    if record["release"]:
        _write(target, record | {"certificate": certificate})


def _write(target: Target, record: Mapping[str, Any]) -> None:
    layout = target.layout
    content = (json.dumps(record, indent=1) + "\n").encode()
    target.write(layout.record, content, 0o600, layout.root, layout.root_group)

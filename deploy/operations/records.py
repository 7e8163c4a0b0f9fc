"""The record of a host: what the last complete apply left, and what one that was cut off was about to write."""

import json
from collections.abc import Mapping
from typing import Any

from deploy.operations import survey
from deploy.operations.survey import Prospect
from deploy.stack import HostStack
from deploy.targets import Target


def entries(prospect: Prospect) -> dict[str, dict[str, Any]]:
    """Digest of each wanted file, by path; of one that is not this deploy's matter, what was recorded of it."""
    aim = prospect.aim
    kept = {path: entry for path, entry in prospect.record["files"].items() if not aim.concerns(path)}
    tree = {path: file for path, file in prospect.tree.items() if aim.concerns(path)}
    digests = survey.recorded(tree, prospect.secrets, prospect.record["salt"])
    return kept | {p: {"digest": value, "salted": bool(tree[p].references)} for p, value in digests.items()}


def intend(target: Target, prospect: Prospect) -> None:
    """Write down what is about to be written, so that it is not taken for somebody else's if this is cut off."""
    found = entries(prospect)
    pending = {path: found[path] for path in prospect.plan.write}
    target.owed = True
    _write(target, prospect.record | {"pending": prospect.record["pending"] | pending})


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


def certified(target: Target, host: HostStack) -> None:
    """nginx serves the certificate that lies there now: the next deploy owes no reload for it."""
    record = survey.read_record(target, host)
    if record["release"]:
        _write(target, record | {"certificate": survey.certificate_digest(target, host)})


def _write(target: Target, record: Mapping[str, Any]) -> None:
    layout = target.layout
    content = (json.dumps(record, indent=1) + "\n").encode()
    target.write(layout.record, content, 0o600, layout.root, layout.root_group)

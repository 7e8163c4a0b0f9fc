"""The book of an adoption: how things were on a host before Greffier changed them. It outlives a `destroy`."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from deploy.adoption.detect import Config, Container, Step, Unit
from deploy.errors import KitError
from deploy.transport.targets import Target
from deploy.types import Layout

KINDS: dict[str, type[Step]] = {"config": Config, "unit": Unit, "container": Container}


def path(layout: Layout) -> str:
    return f"{layout.var}/adopted.json"


def read(target: Target) -> list[Step]:
    """What was taken over, in the order in which it was; nothing where there is no book. Raises KitError."""
    text = target.read(path(target.layout))
    if text is None:
        return []
    try:
        return [KINDS[entry.pop("kind")](**entry) for entry in json.loads(text)["steps"]]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise KitError(f"{path(target.layout)} is damaged: what was taken over has to be restored by hand.") from None


def write(target: Target, steps: Sequence[Step]) -> None:
    """Remember these; none: there is nothing to remember any more."""
    layout = target.layout
    if not steps:
        target.remove(path(layout))
        return
    entries = [{"kind": step.key.partition(" ")[0], **asdict(step)} for step in steps]
    content = json.dumps({"steps": entries}, indent=1) + "\n"
    target.write(path(layout), content.encode(), 0o600, layout.root, layout.root_group)

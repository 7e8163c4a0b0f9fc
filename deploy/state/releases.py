"""Former releases of a host: their trees, to go back to, and the book of who deployed what and when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yaml import YAMLError

from deploy.errors import HOST, INVENTORY, KitError
from deploy.render.manifest import Manifest, dumped, loaded, of_files
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.targets import Target, Writing
from deploy.types import Effect, File, Layout, Reference, Tree

KEPT = 5
IMAGES_KEPT = 2


@dataclass(frozen=True)
class Release:
    """What a deploy left: the tree with its references, and what it ran."""

    number: int
    tree: Tree
    manifest: Manifest
    images: tuple[str, ...]
    components: tuple[str, ...]
    models: tuple[str, ...]
    units: Mapping[str, str]
    inventory: Mapping[str, Any]
    """What the inventory said of the host; secrets are references in it."""


def folder(layout: Layout) -> str:
    return f"{layout.var}/releases"


def book(layout: Layout) -> str:
    return f"{layout.var}/audit.jsonl"


def save(target: Target, release: Release, entry: Mapping[str, Any] | None) -> None:
    """Keep a release, and write into the book what was deployed, if anything. Older ones than the last KEPT go."""
    layout = target.layout
    document = {
        "number": release.number,
        "tree": {path: _dump(file) for path, file in release.tree.items()},
        "manifest": dumped(release.manifest),
        "images": release.images,
        "components": release.components,
        "models": release.models,
        "units": dict(release.units),
        "inventory": release.inventory,
    }
    content = (json.dumps(document) + "\n").encode()
    kept = Writing(_path(layout, release.number), content, 0o600, layout.root, layout.root_group)
    target.write_all([kept] if entry is None else [kept, _with(target, entry)])
    target.remove(*(_path(layout, number) for number in target.answer(numbers(layout))[:-KEPT]))


def note(target: Target, entry: Mapping[str, Any]) -> None:
    """Write what was done into the book, where it left no release."""
    target.write_all([_with(target, entry)])


def _with(target: Target, entry: Mapping[str, Any]) -> Writing:
    layout = target.layout
    earlier = target.read(book(layout)) or b""
    line = (json.dumps(dict(entry)) + "\n").encode()
    return Writing(book(layout), earlier + line, 0o600, layout.root, layout.root_group)


def numbers(layout: Layout) -> Asking[list[int]]:
    """Those that are kept, oldest first."""
    found = yield from asking.run(("find", folder(layout), "-name", "*.json", "-printf", "%f\\n"), check=False)
    stems = (name.removesuffix(".json") for name in found.split())
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def load(layout: Layout, number: int) -> Asking[Release]:
    """A kept release. Raises KitError naming those there are."""
    raw = yield from asking.read(_path(layout, number))
    if raw is None:
        known = ", ".join(map(str, (yield from numbers(layout)))) or "none"
        raise KitError(f"Release {number} is not kept.", f"Kept: {known}.", code=INVENTORY)
    try:
        document = json.loads(raw)
        tree = {path: _load(entry) for path, entry in document["tree"].items()}
        return Release(
            number,
            tree,
            loaded(document["manifest"]) if "manifest" in document else of_files(tree),
            tuple(document["images"]),
            tuple(document["components"]),
            tuple(document["models"]),
            document["units"],
            document.get("inventory", {}),
        )
    except (ValueError, LookupError, AttributeError, TypeError, StopIteration, YAMLError):
        message = f"{_path(layout, number)} is damaged: this release cannot be restored."
        raise KitError(message, "Remove the file, then run `greffier deploy`.", code=HOST) from None


def history(target: Target) -> list[dict[str, Any]]:
    """Who deployed what and when, oldest first."""
    raw = (target.read(book(target.layout)) or b"").decode(errors="replace")
    found = []
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            entry = json.loads(line)
            known = {key: entry[key] for key in ("release", "at", "by", "kit", "steps")}
            found.append(known | {"did": str(entry.get("did", "deploy"))})
        except (ValueError, LookupError, TypeError):
            raise KitError(f"{book(target.layout)} is damaged at line {number}.", "Delete that line.") from None
    return found


def _path(layout: Layout, number: int) -> str:
    return f"{folder(layout)}/{number}.json"


def _dump(file: File) -> dict[str, Any]:
    return {
        "parts": [p if isinstance(p, str) else {"scheme": p.scheme, "argument": p.argument} for p in file.parts],
        "mode": file.mode,
        "owner": file.owner,
        "group": file.group,
        "on_change": [[e.verb, e.what] for e in file.on_change],
    }


def _load(entry: Mapping[str, Any]) -> File:
    parts = (p if isinstance(p, str) else Reference(p["scheme"], p["argument"]) for p in entry["parts"])
    effects = (Effect(verb, what) for verb, what in entry["on_change"])
    return File(tuple(parts), entry["mode"], entry["owner"], entry["group"], tuple(effects))

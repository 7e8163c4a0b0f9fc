"""A release's manifest: what was rendered of each service, as data, for whoever rolls it out. It is kept with the
release, so that nobody has to read a rendered file again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from deploy.types import Tree


@dataclass(frozen=True)
class ServiceManifest:
    """One service of a release. `image` is empty where it runs as a process; `entry` is what autostart is told of it
    (autostart's config.py reads it)."""

    name: str
    hostname: str
    image: str
    entry: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Of its settings on the host: compose.yml and .env."""
        return str(self.entry["composeDir"])

    @property
    def environment_file(self) -> str:
        return f"{self.folder}/.env"

    @property
    def port(self) -> int:
        """Where it answers on the host's loopback address: that of the slot it is in."""
        return int(self.entry["proxyPort"])

    @property
    def containers(self) -> tuple[str, ...]:
        return tuple(self.entry["containers"])

    @property
    def release(self) -> str:
        """Digest of all that it is started from."""
        return str(self.entry["release"])

    @property
    def health_path(self) -> str:
        return str(self.entry["healthPath"])

    @property
    def ready_path(self) -> str:
        return str(self.entry["readyPath"])

    @property
    def start_seconds(self) -> float:
        return float(self.entry["startSeconds"])

    @property
    def tcp(self) -> tuple[Any, ...] | None:
        """[address, port] of what it listens on beside HTTP, as autostart tells of it; None where there is nothing."""
        return tuple(one["listen"] for one in self.entry["tcp"]) if "tcp" in self.entry else None


Manifest = Mapping[str, ServiceManifest]
"""Service -> its part."""


def images(manifest: Manifest) -> tuple[str, ...]:
    """What the containers of a release are made from."""
    return tuple(sorted({service.image for service in manifest.values() if service.image}))


def exchanged(former: Manifest, wanted: Manifest, service: str) -> Manifest:
    """`wanted` with every service but this one as `former` has it."""
    return {name: wanted[name] if name == service or not former else former[name] for name in wanted}


def dumped(manifest: Manifest) -> list[dict[str, Any]]:
    """As JSON has it."""
    return [asdict(service) for service in manifest.values()]


def loaded(document: list[dict[str, Any]]) -> Manifest:
    """Raises TypeError or LookupError for what is none."""
    return {entry["name"]: ServiceManifest(**entry) for entry in document}


def of_files(tree: Tree) -> Manifest:
    """Of a release that an earlier Greffier kept without one. Raises ValueError, LookupError or TypeError where
    its files are none of the kit's."""
    config = next(file.text for path, file in tree.items() if path.endswith("/autostart/config.json"))
    found = {}
    for hostname, entry in json.loads(config)["services"].items():
        name, compose = entry["name"], tree.get(f"{entry['composeDir']}/compose.yml")
        image = str(yaml.safe_load(compose.text)["services"][name]["image"]) if compose else ""
        found[name] = ServiceManifest(name, hostname, image, entry)
    return found

"""One service as the configuration has it: its release, which runs, and its policy, which autostart applies.

The line between the two decides what a reload does. Another release has to be started, and the one that runs
drained and stopped; another policy holds at once, and nothing that runs or waits is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]
"""An IP address and a port."""


@dataclass(frozen=True)
class ProcessEntry:
    """How the process driver runs a service. `environment_file` holds secrets as lines KEY='VALUE'."""

    command: tuple[str, ...]
    directory: Path
    environment: tuple[tuple[str, str], ...]
    environment_file: Path | None
    log: Path


@dataclass(frozen=True)
class TcpEntry:
    """An address for a protocol that is not HTTP: its bytes go to `port` of the service."""

    listen: Address
    port: int


@dataclass(frozen=True)
class Release:
    """What runs. Two are equal exactly when what runs for the one serves the other as well.

    `digest` stands for all that is not told here: images, settings, secrets. Of `containers` the first one
    serves; the others are what it needs, in the order in which they are to be started. `process` is there
    exactly with the driver of that name. `ports`: every one that the service itself listens on.
    """

    driver: str
    digest: str
    port: int
    ports: frozenset[int]
    compose_dir: Path | None
    containers: tuple[str, ...]
    process: ProcessEntry | None

    def excludes(self, other: Release) -> bool:
        """The two cannot run at the same time: they want the same port or the same container."""
        shared = set(self.containers) & set(other.containers)
        both_docker = self.driver == other.driver == "docker"
        return bool(self.ports & other.ports) or (both_docker and bool(shared))


@dataclass(frozen=True)
class Policy:
    """How autostart deals with what runs. Times are in seconds.

    `idle_seconds` 0 means that the service never goes to sleep by itself. `drain_seconds`: what is in flight
    may go on so long when the service is to stop. `tells_why`: if it cannot start, its last line is a
    sentence for whoever calls, and its status 1. `wake_file`: see wake_file.py; a service that has work is woken
    for it, and not put to sleep. `tcp`: addresses on which autostart listens for it.
    """

    hostname: str
    blocking: bool
    health_path: str
    ready_path: str
    quiet_paths: frozenset[str]
    openapi: Path | None
    idle_seconds: float
    start_seconds: float
    stop_seconds: float
    drain_seconds: float
    tells_why: bool
    wake_file: Path | None
    tcp: tuple[TcpEntry, ...]


@dataclass(frozen=True)
class ServiceEntry:
    """One service. Two entries are equal exactly when nothing of the service changed."""

    name: str
    release: Release
    policy: Policy

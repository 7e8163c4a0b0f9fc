"""Docker for the tests: one that is played by `fake_docker`, and a real one.

The tests of test_docker.py run with the fake. They run with a real engine on this machine, too, by

    DOCKER_HOST=unix:///var/run/docker.sock GREFFIER_TEST_IMAGE=python:3.11-slim pytest -m engine

where the image is any that has python3 (3.11 or later) and is on the engine already.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import uuid
from pathlib import Path
from typing import Any, Protocol

import docker
from docker.errors import NotFound

from fake_docker import FakeDocker
from house import HERE, House

MEMORY = 64 << 20


class Engine(Protocol):
    """What somebody with the `docker` command does beside autostart."""

    host: str

    def name(self, service: str) -> str:
        """The container of a service."""
        ...

    def create(self, house: House, service: str, port: int, environment: dict[str, str]) -> None: ...

    def start(self, service: str) -> None: ...

    def stop(self, service: str) -> None: ...

    def restart(self, service: str) -> None: ...

    def remove(self, service: str) -> None: ...

    def exhaust(self, service: str, port: int) -> None:
        """Let it use more memory than it may."""
        ...

    def running(self, service: str) -> bool: ...

    def close(self) -> None: ...


class Played:
    """The fake; a container's command is a child process of this one."""

    def __init__(self, folder: Path) -> None:
        self.docker = FakeDocker(folder / "docker.sock")
        self.host = f"unix://{self.docker.path}"

    def name(self, service: str) -> str:
        return f"greffier-{service}"

    def create(self, house: House, service: str, port: int, environment: dict[str, str]) -> None:
        own = {"PORT": str(port), **_files(house, service), **environment}
        self.docker.create(self.name(service), HERE / "child.py", own, MEMORY)

    def start(self, service: str) -> None:
        self.docker.call(self.docker.start(self.name(service)))

    def stop(self, service: str) -> None:
        self.docker.call(self.docker.stop(self.name(service), 5))

    def restart(self, service: str) -> None:
        self.docker.call(self.docker.restart(self.name(service)))

    def remove(self, service: str) -> None:
        self.docker.call(self.docker.remove(self.name(service)))

    def exhaust(self, service: str, port: int) -> None:
        self.docker.call(self.docker.exhaust(self.name(service)))

    def running(self, service: str) -> bool:
        return self.docker.containers[self.name(service)].running

    def close(self) -> None:
        self.docker.close()


class Real:
    """The engine that DOCKER_HOST names. Names are of this run alone, and all of it is removed in the end."""

    def __init__(self) -> None:
        missing = [key for key in ("DOCKER_HOST", "GREFFIER_TEST_IMAGE") if not os.environ.get(key)]
        assert not missing, f"set {' and '.join(missing)} to run these tests with a real engine"
        self.host = os.environ["DOCKER_HOST"]
        self._client: Any = docker.from_env()
        self._run = uuid.uuid4().hex[:8]
        self._made: set[str] = set()
        self._network: Any = self._client.networks.create(self.name("network"))

    def name(self, service: str) -> str:
        return f"greffier-autostart-test-{self._run}-{service}"

    def create(self, house: House, service: str, port: int, environment: dict[str, str]) -> None:
        self._made.add(service)
        self._client.containers.create(
            os.environ["GREFFIER_TEST_IMAGE"],
            ["/tests/child.py"],
            entrypoint=["python3"],
            name=self.name(service),
            environment={"PORT": "8000", "HOST": "0.0.0.0", **_files(house, service), **environment},
            ports={"8000/tcp": ("127.0.0.1", port)},
            volumes={
                str(HERE): {"bind": "/tests", "mode": "ro"},
                str(house.folder): {"bind": str(house.folder)},
            },
            network=self._network.name,
            mem_limit=MEMORY,
            memswap_limit=MEMORY,
        )

    def start(self, service: str) -> None:
        self._get(service).start()

    def stop(self, service: str) -> None:
        self._get(service).stop(timeout=5)

    def restart(self, service: str) -> None:
        self._get(service).restart(timeout=5)

    def remove(self, service: str) -> None:
        self._get(service).remove(force=True, v=True)

    def exhaust(self, service: str, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/eat")
            connection.getresponse()
        connection.close()

    def running(self, service: str) -> bool:
        return str(self._get(service).status) == "running"

    def close(self) -> None:
        for service in self._made:
            with contextlib.suppress(NotFound):
                self.remove(service)
        self._network.remove()
        self._client.close()

    def _get(self, service: str) -> Any:
        return self._client.containers.get(self.name(service))


def _files(house: House, service: str) -> dict[str, str]:
    return {"STARTS": str(house.folder / f"{service}.starts"), "GATE": str(house.folder / "gate")}

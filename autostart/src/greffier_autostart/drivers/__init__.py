"""How services are run. One driver per kind of runtime, all behind `Driver`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..entry import Release
from .base import Driver, End, StartError
from .process import ProcessDriver

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Driver", "Drivers", "End", "StartError"]


class Drivers:
    """Makes a driver for a release. Those for Docker share one connection to it, opened with the first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._engine: Engine | None = None

    def create(self, release: Release, appeared: Callable[[], None]) -> Driver:
        """The driver that the release asks for. `appeared`: somebody else has started the service."""
        if release.process is not None:
            return ProcessDriver(release.process)
        from .docker import DockerDriver  # a host without Docker need not load its library
        from .engine import Engine

        if self._engine is None:
            self._engine = Engine(self._loop)
        return DockerDriver(release, self._engine, appeared)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

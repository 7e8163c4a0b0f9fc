"""How services are run. One driver per kind of runtime, all behind `Driver`."""

from __future__ import annotations

from ..config import ServiceEntry
from .base import Driver, End, StartError
from .process import ProcessDriver

__all__ = ["Driver", "End", "StartError", "create_driver"]


def create_driver(entry: ServiceEntry) -> Driver:
    """The driver that an entry asks for; config.py has checked its name."""
    return ProcessDriver(entry.process, entry.stop_seconds)

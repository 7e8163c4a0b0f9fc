"""What every driver offers."""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGKILL, Signals
from typing import Protocol

from ..states import Cause


class StartError(Exception):
    """The service could not be started. `said` is its last line, or what Docker said."""

    def __init__(self, told: str, said: str = "") -> None:
        self.cause = Cause(told, said)
        super().__init__(str(self.cause))


@dataclass(frozen=True)
class End:
    """That a service ended by itself `at` a time, in seconds since 1970. `clean`: without an error. `status`
    is the one that it exited with; None where it did not exit."""

    cause: Cause
    clean: bool
    at: float
    status: int | None = None


class Driver(Protocol):
    """Runs one service, at most one instance at a time. Only `start` raises."""

    @property
    def pid(self) -> int | None:
        """The main process while it runs."""
        ...

    async def running(self) -> bool:
        """Whether it runs, also where somebody else has started it; `start` then takes it over as it is."""
        ...

    async def start(self) -> None:
        """Start it, without waiting until it is ready. Raises StartError."""
        ...

    async def ended(self) -> End:
        """Waits until it has ended by itself."""
        ...

    async def stop(self, patience: float) -> None:
        """Stop it and all it started, politely and after `patience` seconds by force; returns when nothing of
        it runs any more. Does nothing if it does not run."""
        ...

    async def last_words(self) -> str:
        """The last line of its log since its start; empty if there is none."""
        ...

    async def close(self, patience: float) -> None:
        """This driver is not used again. What can run without autostart goes on; the rest is stopped."""
        ...


def ending(status: int) -> str:
    """How a program ended. `status`: as a shell has it, 128 more than the number of a signal."""
    number = status - 128
    if number == SIGKILL:
        return "it was killed (signal 9), perhaps because memory ran out"
    if number > 0:
        name = f" ({Signals(number).name})" if number in list(Signals) else ""
        return f"it was ended by signal {number}{name}"
    return f"it exited with status {status}" if status else "it exited"

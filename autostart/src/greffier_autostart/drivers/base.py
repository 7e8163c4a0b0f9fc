"""What every driver offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StartError(Exception):
    """The service could not be started. The text is the reason, for the caller to read."""


@dataclass(frozen=True)
class End:
    """That a service ended by itself. `clean`: without an error."""

    reason: str
    clean: bool


def joined(reason: str, said: str) -> str:
    """Why it ended, and what it logged last, which need not be the reason."""
    return f"{reason}; it said: {said}" if said else reason


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

    async def stop(self) -> None:
        """Stop it and all it started, politely and then by force; returns when nothing of it runs any more.

        Does nothing if it does not run.
        """
        ...

    async def last_words(self) -> str:
        """The last line of its log since its start; empty if there is none."""
        ...

    async def close(self) -> None:
        """This driver is not used again. What can run without autostart goes on; the rest is stopped."""
        ...

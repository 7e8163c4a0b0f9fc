"""What is spoken of where the life of a service is decided: its states, who waits, why one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol


class State(StrEnum):
    """`paused`: stopped on purpose; requests are held, and nothing starts until resumed."""

    ASLEEP = "asleep"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    PAUSED = "paused"


class Alarm(Protocol):
    """Something that rings later, unless cancelled."""

    def cancel(self) -> None: ...


class Effects(Protocol):
    """What the machine may do to the world. None of these may call the machine back before returning."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Alarm: ...

    def start(self) -> None:
        """Begin to start; ends with `Machine.on_ready` or `on_failed`, unless `stop` comes first."""
        ...

    def stop(self) -> None:
        """Begin to stop, also in the middle of a start; ends with one call of `Machine.on_stopped`."""
        ...

    def changed(self, old: State, new: State, reason: str | None) -> None: ...


@dataclass(frozen=True)
class Limits:
    """Times in seconds. `idle` 0: never asleep by itself. `hold`: how long a request may wait at most.
    `drain`: how long what is in flight may go on when the service is to stop."""

    idle: float
    hold: float
    drain: float
    held: int = 256


@dataclass(frozen=True)
class Cause:
    """Why a service does not run. `told` is in autostart's own words, for whoever calls; `said` is the
    service's last line, which may hold anything: only the operator sees it."""

    told: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.told}; it said: {self.said}" if self.said else self.told


@dataclass(frozen=True)
class Refusal:
    """Why a request is not served. `code` is for programs, `retry_after` in whole seconds."""

    code: str
    message: str
    retry_after: int


STOPPING, REMOVED = "service_stopping", "service_removed"
"""Codes of refusals: it will be there again, or not."""


class Waiter(Protocol):
    """A request. While it is held exactly one of `admit`, `refuse` and `redirect` is called, once, unless it
    leaves by `Machine.cancel`."""

    def admit(self) -> None:
        """The service is ready and the request counts as in flight; ends with `Machine.leave`."""
        ...

    def expel(self, refusal: Refusal) -> None:
        """In flight, its time is up: it leaves now, by `Machine.leave`."""
        ...

    def refuse(self, refusal: Refusal) -> None: ...

    def redirect(self) -> None:
        """Another instance serves from now on: ask that one instead."""
        ...


class Outcome(Enum):
    """What `Machine.enter` did with a request that it did not refuse."""

    ADMITTED = 1
    HELD = 2


class Busy(Exception):
    """The service cannot be put to sleep now; the text says why."""

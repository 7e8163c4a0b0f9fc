"""A world for the state machine: a clock of its own, no processes, no waiting."""

from __future__ import annotations

from collections.abc import Callable

from greffier_autostart.machine import Machine
from greffier_autostart.states import Cause, Limits, Refusal, State

IDLE, HOLD, DRAIN = 60.0, 40.0, 100.0


class World:
    """Effects that only take notes, and a clock that moves when told."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.alarms: list[Bell] = []
        self.running = False  # between start and a failure, an end or `on_stopped`
        self.stopping = False
        self.starts = 0
        self.machine: Machine
        self.history: list[State] = []

    def now(self) -> float:
        return self.time

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Bell:
        bell = Bell(self, self.time + seconds, ring)
        self.alarms.append(bell)
        return bell

    def start(self) -> None:
        assert not self.running, "started twice"
        self.running = True
        self.starts += 1

    def stop(self) -> None:
        assert self.running and not self.stopping
        assert self.machine.in_flight == 0, "stopped with requests in flight"
        self.stopping = True

    def changed(self, old: State, new: State, reason: str | None) -> None:
        self.history.append(new)

    def pass_time(self, seconds: float) -> None:
        end = self.time + seconds
        while True:
            due = [bell for bell in self.alarms if bell.at <= end]
            if not due:
                break
            bell = min(due, key=lambda bell: bell.at)
            self.alarms.remove(bell)
            self.time = max(self.time, bell.at)
            bell.ring()
        self.time = end

    def ready(self) -> None:
        self.machine.on_ready()

    def failed(self, reason: str = "no such model") -> None:
        self.running = False
        self.machine.on_failed(Cause(reason))

    def exited(self, *, clean: bool = False) -> None:
        """It has ended; what it left behind is still to be cleared away, which ends with `stopped`."""
        self.stopping = True
        self.machine.on_exited(Cause("it crashed"), clean=clean)

    def stopped(self) -> None:
        self.running = self.stopping = False
        self.machine.on_stopped()


class Bell:
    def __init__(self, world: World, at: float, ring: Callable[[], None]) -> None:
        self.world, self.at, self.ring = world, at, ring

    def cancel(self) -> None:
        if self in self.world.alarms:
            self.world.alarms.remove(self)


class Request:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.admitted = 0
        self.expelled: list[Refusal] = []
        self.refusals: list[Refusal] = []
        self.redirected = 0

    def admit(self) -> None:
        self.admitted += 1

    def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def redirect(self) -> None:
        self.redirected += 1

    def expel(self, refusal: Refusal) -> None:
        self.expelled.append(refusal)
        self.machine.leave(self)

    @property
    def answered(self) -> bool:
        answers = self.admitted + len(self.refusals) + self.redirected
        assert answers <= 1
        return bool(answers)


def make(held: int = 256) -> tuple[World, Machine]:
    world = World()
    world.machine = Machine("whisper", Limits(IDLE, HOLD, DRAIN, held), world)
    return world, world.machine

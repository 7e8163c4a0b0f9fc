"""The life of one service: `asleep -> starting -> ready -> draining -> asleep`, and `failed`, `paused`.

One writer: everything that happens to a service arrives here as a call, on one thread, and everything that
must be done leaves as a call of `Effects`. No clock, process or socket is known here.

The promise: `Effects.stop` is called only when no request is in flight. What is in flight still when its time
to finish is up is told so, one by one, and ends before that.

What each call does to the state, and the times `idle`, `drain` and `hold` when they are up. A dot: it stays
as it is. Where a cell has several, what else is known decides: who is in flight or waits, what is stopping
already, whether a pause was ended. A test walks through all of it and compares.

    event       asleep   starting    ready       draining                 failed      paused
    enter       starting .           .           .|ready                  .|starting  .
    enter_quiet .        .           .           .                        .           .
    leave       .        .           .           .                        .           .
    cancel      .        .           .           .                        .           .
    expel       .        .           .           .                        .           .
    hand_over   .        .           .           .                        .           .
    adopt       starting .           .           .                        starting    .
    wake        starting .           .           .|ready                  starting    .
    sleep       .        .|draining  .|draining  .                        .|asleep    .
    work        .|starting .         .           .|ready                  .|starting  .
    pause       paused   draining    draining    .                        paused      .
    resume      .        .           .           .|ready                  .           asleep|starting
    limit       .        .           .|draining  .                        .           .
    on_ready    .        ready       .           .                        .           .
    on_failed   .        failed      .           .                        .           .
    on_exited   .        .           draining    .                        .           .
    on_stopped  .        .           .           .|asleep|starting|paused .           .
    idle        .        .           .|draining  .                        .           .
    drain       .        .           .           .                        .           .
    hold        .        .           .           .                        .           .
"""

from __future__ import annotations

from math import ceil

from .states import STOPPING, Alarm, Busy, Cause, Effects, Limits, Outcome, Refusal, State, Waiter

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 30.0
"""After the n-th start in a row that failed the next one waits 1, 2, 4 … 30 s, so that a service which cannot
start burns no processor. One that was ready and died is started by the next request, at once."""


class Machine:
    """See the module. Counters and times are for reading only."""

    def __init__(self, name: str, limits: Limits, effects: Effects) -> None:
        self.name = name
        self.limits = limits
        self.state = State.ASLEEP
        self.starts = 0
        self.last_start_seconds: float | None = None
        self.last_error: Cause | None = None
        self.last_use: float | None = None
        self.since = effects.now()
        self._effects = effects
        self._inside: dict[Waiter, bool] = {}  # in flight; true for those that do not keep the service awake
        self._quiet = 0  # how many of these there are
        self._held: dict[Waiter, tuple[float, float]] = {}  # since when, and until when at most; oldest first
        self._idle_alarm: Alarm | None = None
        self._hold_alarm: Alarm | None = None
        self._drain_alarm: Alarm | None = None
        self._drain_until = 0.0
        self._stopping = False  # or it ended by itself, and what it left behind is being cleared away
        self.pausing = False  # until `resume`: drain, and stay stopped
        self._adopting = False  # what is being started was started by somebody else
        self.working = False  # it has work that came by no request
        self._wanted = False  # somebody asked to wake while it could not be done at once
        self._closed: Refusal | None = None
        self._failures = 0
        self._retry_at = 0.0

    @property
    def in_flight(self) -> int:
        """Requests that the service has."""
        return len(self._inside)

    @property
    def held(self) -> int:
        """Requests that wait for the service."""
        return len(self._held)

    @property
    def retry_seconds(self) -> float:
        """How long a failed service is left alone still."""
        return max(0.0, self._retry_at - self._effects.now()) if self.state is State.FAILED else 0.0

    # Requests

    def enter(self, waiter: Waiter, *, hold: bool = True) -> Outcome | Refusal:
        """A request has arrived. Starts the service where that helps; with `hold` false it never waits."""
        if self.state is State.READY:
            self._inside[waiter] = False
            self.last_use = self._effects.now()
            return Outcome.ADMITTED
        if self._closed:
            return self._closed
        if self._can_turn_back():
            self.last_use = self._effects.now()
            self._serve()  # only quiet requests are in flight, and nothing was stopped yet
            return self.enter(waiter)
        if self.state is State.FAILED and self.retry_seconds > 0:
            return self._failure()
        if len(self._held) >= self.limits.held:
            return Refusal("too_many_waiting", f"too many requests are waiting for {self.name} to start", 5)
        self.last_use = self._effects.now()
        self._want()
        if not hold:
            retry = ceil(self.last_start_seconds or 2)
            return Refusal("service_starting", f"{self.name} is starting; try again in {retry} s", retry)
        self._held[waiter] = self._effects.now(), self._effects.now() + self.limits.hold
        if self._hold_alarm is None:
            self._hold_alarm = self._effects.alarm(self.limits.hold, self._on_hold_alarm)
        return Outcome.HELD

    def enter_quiet(self, waiter: Waiter) -> None:
        """A request that is forwarded to the ready service but must not keep it awake."""
        assert self.state is State.READY
        self._inside[waiter] = True
        self._quiet += 1

    def leave(self, waiter: Waiter) -> None:
        """A request that was in flight has had its last byte."""
        if self._inside.pop(waiter):
            self._quiet -= 1
        else:
            self.last_use = self._effects.now()
        if self.state is State.DRAINING:
            self._stop_when_empty()

    def cancel(self, waiter: Waiter) -> None:
        """A held request has gone away."""
        self._held.pop(waiter, None)

    def expel(self) -> None:
        """End what is in flight."""
        refusal = self._closed or Refusal(STOPPING, f"{self.name} is being stopped; try again", 1)
        for waiter in list(self._inside):
            waiter.expel(refusal)

    def hand_over(self) -> list[Waiter]:
        """The held requests, which are held no longer: the caller redirects them."""
        waiters = list(self._held)
        self._held.clear()
        return waiters

    # The operator

    def adopt(self) -> None:
        """It runs though nothing here started it: take it over, as a start that has only to become ready."""
        if self.state in (State.ASLEEP, State.FAILED):
            self._adopting = True
            self._begin()
        elif self.state in (State.DRAINING, State.PAUSED):
            self._wanted = True

    def wake(self) -> None:
        """Start, also where a failure's backoff has not passed."""
        self._retry_at = 0.0
        self._want()

    def sleep(self) -> None:
        """Stop now. Raises Busy with requests in flight or waiting, and where it has work left."""
        busy = self.in_flight - self._quiet
        if self.working and self.state is not State.FAILED:
            raise Busy(f"{self.name} stays awake: it has jobs left, or webhooks to send")
        if busy or self._held:
            raise Busy(f"{self.name} stays awake: requests in flight {busy}, waiting {self.held}")
        self._wanted = False
        if self.state is State.FAILED:
            self._failures = 0
            self._move(State.ASLEEP)
        elif self.state in (State.READY, State.STARTING):
            self._drain()

    def work(self, left: bool) -> None:
        """Whether it has work that came by no request: then it is started, and stays awake. To be told often."""
        self.working = left
        if not left:
            return
        self.last_use = self._effects.now()
        resting = self.state is State.FAILED and self.retry_seconds > 0
        if self.state not in (State.READY, State.STARTING) and not resting:
            self._want()

    def pause(self, closed: Refusal | None = None) -> None:
        """Drain, stop and stay stopped. Requests are held, or refused with `closed`."""
        self.pausing = True
        self._closed = closed
        if closed:
            self._wanted = False
            self._refuse_held(closed)
        if self.state in (State.READY, State.STARTING):
            self._drain()
        elif self.state in (State.ASLEEP, State.FAILED):
            self._move(State.PAUSED)

    def resume(self) -> None:
        """End a pause. What was not stopped yet serves on; else it starts at once where requests wait."""
        paused, self.pausing = self.pausing, False
        self._closed = None
        self._failures = 0
        if self.state is State.PAUSED:
            self._move(State.ASLEEP)
            self._start_if_wanted()
        elif paused and self._can_turn_back():
            self._serve()

    def limit(self, limits: Limits) -> None:
        """Other limits from now on, counted from when each thing began. What waits or drains already may get
        more time by that, and never less."""
        self.limits = limits
        for waiter, (since, until) in self._held.items():  # the alarm then rings early, and is set anew
            self._held[waiter] = since, max(until, since + limits.hold)
        if self._drain_alarm and self.since + limits.drain > self._drain_until:
            self._drain_alarm.cancel()
            self._watch_drain(self.since + limits.drain)
        if self._idle_alarm:
            self._idle_alarm.cancel()
            self._idle_alarm = None
        if self.state is State.READY:
            self._watch_idle()

    # What became of the effects

    def on_ready(self) -> None:
        if self.state is not State.STARTING:
            return
        if not self._adopting:
            self.last_start_seconds = self._effects.now() - self.since
        self.last_error = None
        self._failures = 0
        self._serve()

    def on_failed(self, cause: Cause) -> None:
        """The start did not succeed; nothing runs any more."""
        if self.state is State.STARTING:
            self._fail(cause)

    def on_exited(self, cause: Cause, *, clean: bool) -> None:
        """It ended by itself, `clean` without an error; a call of `on_stopped` follows, as after a stop.
        Until then requests wait, and then it is started for them."""
        if self.state is State.READY or (self.state is State.DRAINING and not self._stopping):
            self.last_error = None if clean else cause
            self._stopping = True
            self._move(State.DRAINING, str(cause))

    def on_stopped(self) -> None:
        if not self._stopping:
            return
        self._stopping = False
        self._failures = 0
        if self.pausing:
            self._move(State.PAUSED)
        else:
            self._move(State.ASLEEP)
            self._start_if_wanted()

    # Inside

    def _move(self, state: State, reason: str | None = None) -> None:
        old, self.state, self.since = self.state, state, self._effects.now()
        if state is not State.READY and self._idle_alarm:
            self._idle_alarm.cancel()
            self._idle_alarm = None
        if self._drain_alarm:
            self._drain_alarm.cancel()
            self._drain_alarm = None
        self._effects.changed(old, state, reason)

    def _want(self) -> None:
        if self.state in (State.ASLEEP, State.FAILED):
            self._start()
        elif self._can_turn_back():
            self._serve()
        elif self.state in (State.DRAINING, State.PAUSED):
            self._wanted = True

    def _can_turn_back(self) -> bool:
        """It drains, but nothing was stopped yet and nobody insists on it."""
        return self.state is State.DRAINING and not self.pausing and not self._stopping

    def _start(self) -> None:
        self._adopting = False
        self.starts += 1
        self._begin()

    def _begin(self) -> None:
        self._wanted = False
        self._move(State.STARTING)
        self._effects.start()

    def _serve(self) -> None:
        self._wanted = False
        self._move(State.READY)
        waiters = self.hand_over()
        # All at once: one that ends at once must not let the service stop.
        self._inside |= dict.fromkeys(waiters, False)
        self._watch_idle()
        for waiter in waiters:
            waiter.admit()

    def _start_if_wanted(self) -> None:
        if self._held or self._wanted:
            self._start()

    def _fail(self, cause: Cause) -> None:
        self.last_error = cause
        self._failures += 1
        backoff = min(FIRST_BACKOFF * 2 ** min(self._failures - 1, 16), LONGEST_BACKOFF)
        self._retry_at = self._effects.now() + backoff
        self._move(State.FAILED, str(cause))
        self._refuse_held(self._failure())

    def _failure(self) -> Refusal:
        assert self.last_error is not None
        message = f"{self.name} could not be started: {self.last_error.told}"
        return Refusal("service_failed", message, max(1, ceil(self.retry_seconds)))

    def _refuse_held(self, refusal: Refusal) -> None:
        for waiter in self.hand_over():
            waiter.refuse(refusal)

    def _drain(self) -> None:
        self._move(State.DRAINING)
        if self._inside:
            self._watch_drain(self.since + self.limits.drain)
        self._stop_when_empty()

    def _watch_drain(self, until: float) -> None:
        self._drain_until = until
        self._drain_alarm = self._effects.alarm(until - self._effects.now(), self._on_drain_alarm)

    def _on_drain_alarm(self) -> None:
        self._drain_alarm = None
        if not self._stopping:
            self.expel()

    def _stop_when_empty(self) -> None:
        if not self._inside and not self._stopping:
            self._stopping = True
            self._effects.stop()

    def _watch_idle(self) -> None:
        if not self.limits.idle:
            return
        now = self._effects.now()
        if self.working or self.in_flight > self._quiet:
            left = self.limits.idle
        else:
            left = max(self.last_use or 0.0, self.since) + self.limits.idle - now
        if left > 0:
            self._idle_alarm = self._effects.alarm(left, self._watch_idle)
        else:
            self._idle_alarm = None
            self._drain()

    def _on_hold_alarm(self) -> None:
        self._hold_alarm = None
        now = self._effects.now()
        late = {waiter: wait for waiter, wait in self._held.items() if wait[1] <= now}
        for waiter in late:
            self._held.pop(waiter, None)
        if self._held:
            first = min(until for _, until in self._held.values())
            self._hold_alarm = self._effects.alarm(first - now, self._on_hold_alarm)
        for waiter, (since, until) in late.items():
            message = f"{self.name} was not ready within {until - since:g} s"
            waiter.refuse(Refusal("service_starting", message, 5))

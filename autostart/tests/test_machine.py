"""The state machine with a clock of its own: no processes, no waiting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from greffier_autostart.machine import Busy, Limits, Machine, Outcome, Refusal, State

IDLE, HOLD = 60.0, 40.0


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
        self.machine.on_failed(reason)

    def exited(self, *, clean: bool = False) -> None:
        self.running = False
        self.machine.on_exited("it crashed", clean=clean)

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
    def __init__(self) -> None:
        self.admitted = 0
        self.refusals: list[Refusal] = []
        self.redirected = 0

    def admit(self) -> None:
        self.admitted += 1

    def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    def redirect(self) -> None:
        self.redirected += 1

    @property
    def answered(self) -> bool:
        answers = self.admitted + len(self.refusals) + self.redirected
        assert answers <= 1
        return bool(answers)


def make(held: int = 256) -> tuple[World, Machine]:
    world = World()
    world.machine = Machine("whisper", Limits(IDLE, HOLD, held), world)
    return world, world.machine


def test_many_callers_one_start() -> None:
    world, machine = make()
    requests = [Request() for _ in range(10)]
    assert {machine.enter(request) for request in requests} == {Outcome.HELD}
    assert (world.starts, machine.held) == (1, 10)
    world.ready()
    assert all(request.admitted for request in requests)
    assert machine.in_flight == 10


def test_sleeps_only_when_idle_long_enough() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    assert machine.enter(Request()) is Outcome.ADMITTED
    world.pass_time(20 * IDLE)
    assert machine.state is State.READY  # a request that outlasts the idle time
    machine.leave()
    world.pass_time(IDLE - 1)
    assert machine.state is State.READY
    world.pass_time(2)
    assert machine.state is State.DRAINING
    world.stopped()
    assert machine.state is State.ASLEEP
    assert not world.alarms


def test_quiet_requests_do_not_keep_awake_but_are_not_cut() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    machine.enter_quiet()
    world.pass_time(IDLE + 1)
    assert machine.state is State.DRAINING and not world.stopping
    assert machine.enter(Request()) is Outcome.ADMITTED  # nothing was stopped yet
    assert machine.state is State.READY
    machine.leave(quiet=True)
    machine.leave()
    world.pass_time(IDLE + 1)
    assert world.stopping


def test_request_while_stopping_is_held_and_starts_again() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    machine.sleep()
    assert world.stopping
    request = Request()
    assert machine.enter(request) is Outcome.HELD
    world.stopped()
    assert machine.state is State.STARTING
    world.ready()
    assert request.admitted


def test_failure_backs_off_and_then_tries_again() -> None:
    world, machine = make()
    request = Request()
    machine.enter(request)
    world.failed("no such model")
    assert "no such model" in request.refusals[0].message
    for backoff in (1, 2, 4, 8, 16, 30, 30):
        early = machine.enter(Request())
        assert isinstance(early, Refusal) and early.retry_after == backoff
        world.pass_time(backoff)
        assert machine.enter(Request()) is Outcome.HELD
        world.failed()
    assert world.starts == 8
    machine.wake()  # the operator need not wait
    world.ready()
    assert machine.last_error is None


def test_death_is_noticed_and_backoff_forgets_after_a_steady_run() -> None:
    world, machine = make()
    for _ in range(3):
        machine.wake()
        world.ready()
        world.exited()
    assert machine.state is State.FAILED and machine.retry_seconds == 4
    machine.wake()
    world.ready()
    machine.enter(Request())
    world.pass_time(61)
    world.exited()
    assert machine.retry_seconds == 1
    machine.leave()
    world.pass_time(1)
    machine.enter(Request())
    world.ready()
    world.exited(clean=True)
    assert machine.state is State.ASLEEP


def test_holding_is_bounded_in_number_and_time() -> None:
    world, machine = make(held=2)
    first = Request()
    machine.enter(first)
    world.pass_time(10)
    second = Request()
    machine.enter(second)
    assert isinstance(machine.enter(Request()), Refusal)
    world.pass_time(HOLD - 10)
    assert first.refusals and not second.answered
    world.pass_time(10)
    assert second.refusals


def test_not_blocking_is_told_at_once() -> None:
    world, machine = make()
    refusal = machine.enter(Request(), hold=False)
    assert isinstance(refusal, Refusal) and refusal.code == "service_starting"
    assert world.starts == 1 and machine.held == 0


def test_sleep_refuses_to_cut_anybody() -> None:
    world, machine = make()
    machine.enter(Request())
    with pytest.raises(Busy, match="waiting 1"):
        machine.sleep()
    world.ready()
    with pytest.raises(Busy, match="in flight 1"):
        machine.sleep()


def test_pause_drains_and_resume_serves_those_who_waited() -> None:
    world, machine = make()
    machine.enter(Request())
    world.ready()
    machine.pause()
    waiting = Request()
    assert machine.enter(waiting) is Outcome.HELD
    assert not world.stopping
    machine.leave()
    world.stopped()
    assert machine.state is State.PAUSED and not waiting.answered
    machine.resume()
    world.ready()
    assert waiting.admitted


def test_ending_a_pause_before_anything_stopped_serves_those_who_waited() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    machine.enter_quiet()
    machine.pause()
    waiting = Request()
    assert machine.enter(waiting) is Outcome.HELD
    machine.resume()
    assert machine.state is State.READY and waiting.admitted


def test_closing_refuses_everybody() -> None:
    world, machine = make()
    request = Request()
    machine.enter(request)
    gone = Refusal("service_removed", "whisper was removed", 5)
    machine.pause(gone)
    assert request.refusals == [gone]
    assert machine.enter(Request()) == gone
    world.stopped()
    machine.resume()
    assert machine.enter(Request()) is Outcome.HELD


def test_what_runs_already_is_adopted_and_counts_as_no_start() -> None:
    world, machine = make()
    machine.adopt()
    assert machine.state is State.STARTING
    request = Request()
    machine.enter(request)
    world.pass_time(1)
    world.ready()
    assert request.admitted and (machine.starts, machine.last_start_seconds) == (0, None)
    machine.adopt()
    assert machine.state is State.READY
    machine.leave()
    world.pass_time(IDLE + 1)
    assert world.stopping
    machine.adopt()  # started by somebody else in the middle of our stop
    world.stopped()
    assert machine.state is State.STARTING
    world.failed()
    machine.adopt()  # that somebody does not wait for our backoff
    world.ready()
    machine.pause()
    world.stopped()
    machine.adopt()
    assert machine.state is State.PAUSED
    machine.resume()
    assert machine.state is State.STARTING


def test_pause_that_ends_before_the_stop_serves_on() -> None:
    world, machine = make()
    machine.enter(Request())
    world.ready()
    machine.pause()
    waiting = Request()
    assert machine.enter(waiting) is Outcome.HELD
    machine.resume()
    assert machine.state is State.READY and waiting.admitted and not world.stopping
    machine.leave()
    machine.leave()
    world.pass_time(IDLE + 1)
    assert world.stopping


def test_held_requests_are_handed_over() -> None:
    world, machine = make()
    requests = [Request(), Request()]
    for request in requests:
        machine.enter(request)
    assert machine.hand_over() == requests and machine.held == 0
    world.ready()
    world.pass_time(HOLD)
    assert not any(request.answered for request in requests)


class Life(RuleBasedStateMachine):
    """Any order of events: World's own assertions hold, and every request is answered in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.machine = make(held=4)
        self.in_flight: list[bool] = []  # one for each, true for a quiet one
        self.waiting: list[Request] = []

    def settle(self) -> None:
        for request in list(self.waiting):
            if request.answered:
                self.waiting.remove(request)
                self.in_flight += [False] * request.admitted

    @rule(hold=st.booleans())
    def request(self, hold: bool) -> None:
        request = Request()
        outcome = self.machine.enter(request, hold=hold)
        if outcome is Outcome.ADMITTED:
            self.in_flight.append(False)
        elif outcome is Outcome.HELD:
            assert hold
            self.waiting.append(request)

    @precondition(lambda self: self.machine.state is State.READY)
    @rule()
    def quiet_request(self) -> None:
        self.machine.enter_quiet()
        self.in_flight.append(True)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def request_ends(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        self.machine.leave(quiet=self.in_flight.pop(index))

    @precondition(lambda self: self.waiting)
    @rule()
    def waiting_client_leaves(self) -> None:
        self.machine.cancel(self.waiting.pop())

    @precondition(lambda self: self.world.running and not self.world.stopping)
    @rule(what=st.sampled_from(["ready", "failed"]))
    def start_ends(self, what: str) -> None:
        if self.machine.state is State.STARTING:
            getattr(self.world, what)()

    @precondition(lambda self: self.world.running and not self.world.stopping)
    @rule(clean=st.booleans())
    def process_ends(self, clean: bool) -> None:
        if self.machine.state is not State.STARTING:
            self.world.exited(clean=clean)

    @precondition(lambda self: self.world.stopping)
    @rule()
    def stop_ends(self) -> None:
        self.world.stopped()

    @rule()
    def wake(self) -> None:
        self.machine.wake()

    @rule()
    def adopt(self) -> None:
        starts, before = self.machine.starts, self.machine.state
        self.machine.adopt()
        assert self.machine.starts == starts
        if before in (State.ASLEEP, State.FAILED):
            assert self.machine.state is State.STARTING
        else:
            assert self.machine.state is before

    @rule()
    def hand_over(self) -> None:
        for waiter in self.machine.hand_over():
            waiter.redirect()

    @rule()
    def sleep(self) -> None:
        busy = self.machine.held or self.in_flight.count(False)
        try:
            self.machine.sleep()
            assert not busy
        except Busy:
            assert busy

    @rule(close=st.booleans())
    def pause(self, close: bool) -> None:
        self.machine.pause(Refusal("gone", "gone", 1) if close else None)

    @rule()
    def resume(self) -> None:
        self.machine.resume()

    @rule(seconds=st.sampled_from([0.5, 5.0, HOLD, IDLE, 3 * IDLE]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @invariant()
    def counts_agree(self) -> None:
        self.settle()
        assert self.machine.in_flight == len(self.in_flight)
        assert self.machine.held == len(self.waiting)

    @invariant()
    def nobody_waits_where_nothing_is_coming(self) -> None:
        if self.waiting:
            assert self.machine.state in (State.STARTING, State.DRAINING, State.PAUSED)

    @invariant()
    def state_agrees_with_the_world(self) -> None:
        if self.machine.state in (State.ASLEEP, State.FAILED, State.PAUSED):
            assert not self.world.running
        if self.machine.state in (State.STARTING, State.READY):
            assert self.world.running and not self.world.stopping

    def teardown(self) -> None:
        self.world.pass_time(2 * HOLD)
        self.settle()
        assert not self.waiting, "a held request was never answered"


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

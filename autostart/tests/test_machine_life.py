"""The state machine in any order of events."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from greffier_autostart.states import Busy, Outcome, Refusal, State
from world import DRAIN, HOLD, IDLE, Request, make


class Life(RuleBasedStateMachine):
    """Any order of events: World's own assertions hold, and every request is answered in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.machine = make(held=4)
        self.in_flight: list[tuple[Request, bool]] = []  # true: a quiet one
        self.waiting: list[Request] = []

    def settle(self) -> None:
        for request in list(self.waiting):
            if request.answered:
                self.waiting.remove(request)
                self.in_flight += [(request, False)] * request.admitted
        self.in_flight = [(request, quiet) for request, quiet in self.in_flight if not request.expelled]

    @rule(hold=st.booleans())
    def request(self, hold: bool) -> None:
        request = Request(self.machine)
        outcome = self.machine.enter(request, hold=hold)
        if outcome is Outcome.ADMITTED:
            self.in_flight.append((request, False))
        elif outcome is Outcome.HELD:
            assert hold
            self.waiting.append(request)

    @precondition(lambda self: self.machine.state is State.READY)
    @rule()
    def quiet_request(self) -> None:
        request = Request(self.machine)
        self.machine.enter_quiet(request)
        self.in_flight.append((request, True))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def request_ends(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.in_flight) - 1))
        self.machine.leave(self.in_flight.pop(index)[0])

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
        busy = self.machine.held or not all(quiet for _, quiet in self.in_flight)
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

    @rule(seconds=st.sampled_from([0.5, 5.0, HOLD, IDLE, DRAIN, 3 * IDLE]))
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
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

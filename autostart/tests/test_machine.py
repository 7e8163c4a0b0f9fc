"""The state machine, step by step."""

from __future__ import annotations

import pytest

from greffier_autostart.machine import Busy, Outcome, Refusal, State
from world import HOLD, IDLE, Request, make


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

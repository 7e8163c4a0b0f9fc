"""The state machine, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greffier_autostart.states import REMOVED, Busy, Cause, Outcome, Refusal, State
from world import DRAIN, HOLD, IDLE, Request, make


def test_many_callers_one_start() -> None:
    world, machine = make()
    requests = [Request(machine) for _ in range(10)]
    assert {machine.enter(request) for request in requests} == {Outcome.HELD}
    assert (world.starts, machine.held) == (1, 10)
    world.ready()
    assert all(request.admitted for request in requests)
    assert machine.in_flight == 10


def test_sleeps_only_when_idle_long_enough() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    assert machine.enter(request) is Outcome.ADMITTED
    world.pass_time(20 * IDLE)
    assert machine.state is State.READY  # a request that outlasts the idle time
    machine.leave(request)
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
    quiet, request = Request(machine), Request(machine)
    machine.enter_quiet(quiet)
    world.pass_time(IDLE + 1)
    assert machine.state is State.DRAINING and not world.stopping
    assert machine.enter(request) is Outcome.ADMITTED  # nothing was stopped yet
    assert machine.state is State.READY
    machine.leave(quiet)
    machine.leave(request)
    world.pass_time(IDLE + 1)
    assert world.stopping


def test_request_while_stopping_is_held_and_starts_again() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    machine.sleep()
    assert world.stopping
    request = Request(machine)
    assert machine.enter(request) is Outcome.HELD
    world.stopped()
    assert machine.state is State.STARTING
    world.ready()
    assert request.admitted


def test_failure_backs_off_and_then_tries_again() -> None:
    world, machine = make()
    request = Request(machine)
    machine.enter(request)
    world.failed("no such model")
    assert "no such model" in request.refusals[0].message
    for backoff in (1, 2, 4, 8, 16, 30, 30):
        early = machine.enter(Request(machine))
        assert isinstance(early, Refusal) and early.retry_after == backoff
        world.pass_time(backoff)
        assert machine.enter(Request(machine)) is Outcome.HELD
        world.failed()
    assert world.starts == 8
    machine.wake()  # the operator need not wait
    world.ready()
    assert machine.last_error is None


@pytest.mark.parametrize("clean", [False, True])
def test_after_a_death_the_next_request_starts_it_at_once_however_often_it_dies(clean: bool) -> None:
    world, machine = make()
    for number in range(1, 5):
        request = Request(machine)
        assert machine.enter(request) is Outcome.HELD
        assert world.starts == number
        world.ready()
        assert request.admitted
        world.exited(clean=clean)
        assert (str(machine.last_error) == "it crashed") is not clean
        machine.leave(request)
        world.stopped()
        assert machine.state is State.ASLEEP


def test_a_request_that_comes_while_the_dead_are_cleared_away_is_held_and_starts_it() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    world.exited()
    request = Request(machine)
    assert machine.enter(request) is Outcome.HELD
    assert world.starts == 1
    world.stopped()
    assert world.starts == 2
    world.ready()
    assert request.admitted and machine.last_error is None


def test_backoff_is_for_starts_that_fail_one_after_the_other() -> None:
    world, machine = make()
    for _ in range(3):
        machine.wake()
        world.failed()
    assert machine.retry_seconds == 4
    machine.wake()
    world.ready()
    world.exited()
    world.stopped()
    assert machine.enter(Request(machine)) is Outcome.HELD
    world.failed()
    assert machine.retry_seconds == 1


def test_what_a_service_said_is_for_the_operator_alone() -> None:
    world, machine = make()
    request = Request(machine)
    machine.enter(request)
    world.running = False
    machine.on_failed(Cause("it exited with status 3", "password hunter2 is wrong"))
    assert str(machine.last_error) == "it exited with status 3; it said: password hunter2 is wrong"
    late = machine.enter(Request(machine))
    assert isinstance(late, Refusal) and request.refusals == [late]
    assert late.message == "whisper could not be started: it exited with status 3"


def test_draining_has_an_end() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    long, short, quiet = (Request(machine) for _ in range(3))
    machine.enter(long)
    machine.enter(short)
    machine.enter_quiet(quiet)
    machine.pause()
    machine.leave(short)
    world.pass_time(DRAIN - 1)
    assert not long.expelled and not world.stopping
    world.pass_time(1)
    assert [refusal.code for refusal in long.expelled + quiet.expelled] == ["service_stopping"] * 2
    assert not short.expelled and world.stopping
    world.stopped()
    assert machine.state is State.PAUSED


def test_what_is_to_go_says_so_to_those_it_ends() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    machine.enter(request)
    gone = Refusal(REMOVED, "whisper was removed", 5)
    machine.pause(gone)
    world.pass_time(DRAIN)
    assert request.expelled == [gone] and world.stopping


def test_draining_that_is_called_off_ends_nobody() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    machine.enter(request)
    machine.pause()
    world.pass_time(DRAIN - 1)
    machine.resume()
    world.pass_time(10 * DRAIN)
    assert not request.expelled and machine.state is State.READY


def test_holding_is_bounded_in_number_and_time() -> None:
    world, machine = make(held=2)
    first = Request(machine)
    machine.enter(first)
    world.pass_time(10)
    second = Request(machine)
    machine.enter(second)
    assert isinstance(machine.enter(Request(machine)), Refusal)
    world.pass_time(HOLD - 10)
    assert first.refusals and not second.answered
    world.pass_time(10)
    assert second.refusals


def test_not_blocking_is_told_at_once() -> None:
    world, machine = make()
    refusal = machine.enter(Request(machine), hold=False)
    assert isinstance(refusal, Refusal) and refusal.code == "service_starting"
    assert world.starts == 1 and machine.held == 0


def test_sleep_refuses_to_cut_anybody() -> None:
    world, machine = make()
    machine.enter(Request(machine))
    with pytest.raises(Busy, match="waiting 1"):
        machine.sleep()
    world.ready()
    with pytest.raises(Busy, match="in flight 1"):
        machine.sleep()


def test_pause_drains_and_resume_serves_those_who_waited() -> None:
    world, machine = make()
    first = Request(machine)
    machine.enter(first)
    world.ready()
    machine.pause()
    waiting = Request(machine)
    assert machine.enter(waiting) is Outcome.HELD
    assert not world.stopping
    machine.leave(first)
    world.stopped()
    assert machine.state is State.PAUSED and not waiting.answered
    machine.resume()
    world.ready()
    assert waiting.admitted


def test_ending_a_pause_before_anything_stopped_serves_those_who_waited() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    machine.enter_quiet(Request(machine))
    machine.pause()
    waiting = Request(machine)
    assert machine.enter(waiting) is Outcome.HELD
    machine.resume()
    assert machine.state is State.READY and waiting.admitted


def test_closing_refuses_everybody() -> None:
    world, machine = make()
    request = Request(machine)
    machine.enter(request)
    gone = Refusal("service_removed", "whisper was removed", 5)
    machine.pause(gone)
    assert request.refusals == [gone]
    assert machine.enter(Request(machine)) == gone
    world.stopped()
    machine.resume()
    assert machine.enter(Request(machine)) is Outcome.HELD


def test_what_runs_already_is_adopted_and_counts_as_no_start() -> None:
    world, machine = make()
    machine.adopt()
    assert machine.state is State.STARTING
    request = Request(machine)
    machine.enter(request)
    world.pass_time(1)
    world.ready()
    assert request.admitted and (machine.starts, machine.last_start_seconds) == (0, None)
    machine.adopt()
    assert machine.state is State.READY
    machine.leave(request)
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
    first = Request(machine)
    machine.enter(first)
    world.ready()
    machine.pause()
    waiting = Request(machine)
    assert machine.enter(waiting) is Outcome.HELD
    machine.resume()
    assert machine.state is State.READY and waiting.admitted and not world.stopping
    machine.leave(first)
    machine.leave(waiting)
    world.pass_time(IDLE + 1)
    assert world.stopping


def test_held_requests_are_handed_over() -> None:
    world, machine = make()
    requests = [Request(machine), Request(machine)]
    for request in requests:
        machine.enter(request)
    assert machine.hand_over() == requests and machine.held == 0
    world.ready()
    world.pass_time(HOLD)
    assert not any(request.answered for request in requests)


def test_a_shorter_idle_counts_from_the_last_use() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    machine.enter(request)
    machine.leave(request)
    world.pass_time(IDLE / 2)
    machine.limit(replace(machine.limits, idle=IDLE * 3 / 4))
    world.pass_time(IDLE / 4 - 1)
    assert machine.state is State.READY
    world.pass_time(1)
    assert world.stopping


@pytest.mark.parametrize("idle", [1.0, 0.0])
def test_another_idle_waits_for_what_is_in_flight(idle: float) -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    machine.enter(request)
    world.pass_time(2 * IDLE)
    machine.limit(replace(machine.limits, idle=idle))
    world.pass_time(IDLE)
    assert machine.state is State.READY and not request.expelled
    machine.leave(request)
    world.pass_time(2)
    assert world.stopping is bool(idle)  # 0: never by itself


def test_an_idle_that_is_over_already_stops_at_once() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    world.pass_time(IDLE / 2)
    machine.limit(replace(machine.limits, idle=IDLE / 2))
    assert world.stopping


def test_who_waits_may_get_more_time_and_never_less() -> None:
    world, machine = make()
    request = Request(machine)
    machine.enter(request)
    machine.limit(replace(machine.limits, hold=1.0))
    world.pass_time(HOLD - 1)
    assert not request.answered
    machine.limit(replace(machine.limits, hold=3 * HOLD))
    world.pass_time(2 * HOLD)
    assert not request.answered
    world.pass_time(1)
    assert request.refusals[0].message == f"whisper was not ready within {3 * HOLD:g} s"


def test_what_drains_may_get_more_time_and_never_less() -> None:
    world, machine = make()
    machine.wake()
    world.ready()
    request = Request(machine)
    machine.enter(request)
    machine.pause()
    machine.limit(replace(machine.limits, drain=1.0))
    world.pass_time(DRAIN - 1)
    machine.limit(replace(machine.limits, drain=DRAIN / 2))
    assert not request.expelled
    machine.limit(replace(machine.limits, drain=2 * DRAIN))
    world.pass_time(DRAIN)
    assert not request.expelled
    world.pass_time(1)
    assert request.expelled and world.stopping

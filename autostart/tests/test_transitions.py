"""The table of transitions that machine.py carries, against the machine: every event in every state, in all
the circumstances that can be reached."""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace

from greffier_autostart import machine as machine_module
from greffier_autostart.machine import Machine
from greffier_autostart.states import Busy, Cause, Outcome, Refusal, State
from world import Request, World, make

MOST = 2
"""Of each sort of request: two tell apart the last one from one that leaves others behind."""


class Story(World):
    """A world that knows its requests, and can be copied in the middle of it."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: list[Request] = []
        self.quiet: list[Request] = []
        self.waiting: list[Request] = []

    def settle(self) -> None:
        for request in [r for r in self.waiting if r.answered]:
            self.waiting.remove(request)
            self.busy += [request] * request.admitted
        self.busy = [request for request in self.busy if not request.expelled]
        self.quiet = [request for request in self.quiet if not request.expelled]

    @property
    def circumstances(self) -> tuple[object, ...]:
        """All that decides what comes next; what only counts or tells is left out."""
        m = self.machine
        return (
            m.state,
            m.pausing,
            m._stopping,
            m._wanted,
            m.working,
            m._closed is None,
            m.retry_seconds > 0,
            len(self.busy),
            len(self.quiet),
            len(self.waiting),
            sorted(bell.ring.__name__ for bell in self.alarms),
        )


def enter(story: Story, hold: bool = True) -> None:
    request = Request(story.machine)
    outcome = story.machine.enter(request, hold=hold)
    if isinstance(outcome, Outcome):
        (story.busy if outcome is Outcome.ADMITTED else story.waiting).append(request)


def enter_quiet(story: Story) -> None:
    if story.machine.state is State.READY:  # else autostart answers itself
        story.quiet.append(Request(story.machine))
        story.machine.enter_quiet(story.quiet[-1])


def leave(story: Story) -> None:
    for requests in (story.busy, story.quiet):
        if requests:
            story.machine.leave(requests.pop())
            return


def leave_quiet(story: Story) -> None:
    if story.quiet:
        story.machine.leave(story.quiet.pop())


def cancel(story: Story) -> None:
    if story.waiting:
        story.machine.cancel(story.waiting.pop())


def hand_over(story: Story) -> None:
    for waiter in story.machine.hand_over():
        waiter.redirect()


def sleep(story: Story) -> None:
    try:
        story.machine.sleep()
    except Busy:
        assert story.busy or story.waiting or story.machine.working


def limit(story: Story) -> None:
    story.pass_time(0.5)
    story.machine.limit(replace(story.machine.limits, idle=0.25))


def failed(story: Story) -> None:
    story.running = story.running and story.machine.state is not State.STARTING
    story.machine.on_failed(Cause("no such model"))


def exited(story: Story) -> None:
    state, machine = story.machine.state, story.machine
    story.stopping |= state is State.READY or (state is State.DRAINING and not machine._stopping)
    machine.on_exited(Cause("it crashed"), clean=False)


def stopped(story: Story) -> None:
    if story.stopping:
        story.stopped()
    else:
        story.machine.on_stopped()


def ring(name: str) -> Callable[[Story], None]:
    def event(story: Story) -> None:
        for bell in [bell for bell in story.alarms if bell.ring.__name__ == name]:
            story.pass_time(bell.at - story.time)

    return event


EVENTS: dict[str, list[Callable[[Story], None]]] = {
    "enter": [enter, lambda story: enter(story, hold=False)],
    "enter_quiet": [enter_quiet],
    "leave": [leave, leave_quiet],
    "cancel": [cancel],
    "expel": [lambda story: story.machine.expel()],
    "hand_over": [hand_over],
    "adopt": [lambda story: story.machine.adopt()],
    "wake": [lambda story: story.machine.wake()],
    "sleep": [sleep],
    "work": [lambda story: story.machine.work(True), lambda story: story.machine.work(False)],
    "pause": [
        lambda story: story.machine.pause(),
        lambda story: story.machine.pause(Refusal("service_removed", "whisper was removed", 5)),
    ],
    "resume": [lambda story: story.machine.resume()],
    "limit": [limit],
    "on_ready": [lambda story: story.machine.on_ready()],
    "on_failed": [failed],
    "on_exited": [exited],
    "on_stopped": [stopped],
    "idle": [ring("_watch_idle")],
    "drain": [ring("_on_drain_alarm")],
    "hold": [ring("_on_hold_alarm")],
}


def walk() -> dict[tuple[str, State], set[State]]:
    """What comes of each event in each state, over all circumstances that events can lead to."""
    first = Story()
    first.machine = Machine("whisper", make()[1].limits, first)
    found: dict[tuple[str, State], set[State]] = defaultdict(set)
    known, ahead = {repr(first.circumstances)}, deque([first])
    while ahead:
        story = ahead.popleft()
        for name, variants in EVENTS.items():
            for event in variants:
                next_ = copy.deepcopy(story)
                event(next_)
                next_.settle()
                found[name, story.machine.state].add(next_.machine.state)
                here = repr(next_.circumstances)
                counts = map(len, (next_.busy, next_.quiet, next_.waiting))
                if here not in known and max(counts) <= MOST:
                    known.add(here)
                    ahead.append(next_)
                if next_.machine.state is State.FAILED:  # and the same after its backoff
                    later = copy.deepcopy(next_)
                    later.pass_time(machine_module.LONGEST_BACKOFF)
                    if repr(later.circumstances) not in known:
                        known.add(repr(later.circumstances))
                        ahead.append(later)
    return found


def table() -> dict[tuple[str, State], set[State]]:
    """The one in machine.py: a line for each event, a column for each state."""
    lines = (machine_module.__doc__ or "").splitlines()
    heads = next(index for index, line in enumerate(lines) if line.split()[:1] == ["event"])
    states = [State(word) for word in lines[heads].split()[1:]]
    assert sorted(states) == sorted(State)
    found = {}
    for line in lines[heads + 1 :]:
        words = line.split()
        if not words:
            break
        event, *cells = words
        assert len(cells) == len(states), line
        for state, cell in zip(states, cells, strict=True):
            found[event, state] = {state if word == "." else State(word) for word in cell.split("|")}
    return found


def test_the_table_is_what_the_machine_does() -> None:
    told, seen = table(), walk()
    assert {event for event, _ in told} == EVENTS.keys()
    wrong = {
        f"{event} in {state}": f"the table says {sorted(told[event, state])}, the machine does {sorted(done)}"
        for (event, state), done in seen.items()
        if told[event, state] != done
    }
    assert not wrong
    assert seen.keys() == told.keys()


def test_every_event_of_the_machine_is_in_the_table() -> None:
    public = {key for key, value in vars(Machine).items() if callable(value) and not key.startswith("_")}
    assert public == EVENTS.keys() - {"idle", "drain", "hold"}  # which are times that are up

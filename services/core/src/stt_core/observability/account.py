"""What becomes known of a request on its way; the log, the measures and the trace tell of it at its end.

Nothing in it was said, sent or named by the client, but its request id and its trace.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

KEPT = 64
"""Transcriptions that one account remembers in detail; a realtime session may have thousands."""

WEBSOCKET = "WEBSOCKET"
"""What stands for the method of a websocket."""

Attributes = dict[str, str | int | float | bool]


@dataclass(slots=True)
class Course:
    """One transcription's way through the scheduler; nanoseconds since the epoch, 0 before they come."""

    submitted: int = field(default_factory=time.time_ns)
    decoded: int = 0
    first: int = 0
    last: int = 0
    forwards: int = 0
    finished: int = 0
    ended: int = 0

    def forward(self, started: int) -> None:
        """A forward that held windows of it, and that began at `started`, has ended now."""
        self.first = self.first or started
        self.last = time.time_ns()
        self.forwards += 1

    def stages(self) -> Iterator[tuple[str, int, int, Attributes]]:
        """What it went through, as (name, start, end, attributes). `decode` overlaps with what follows it."""
        if self.decoded:
            yield "decode", self.submitted, self.decoded, {}
        if self.first:
            yield "queue", self.submitted, self.first, {}
        if self.last:
            yield "inference", self.first, self.last, {"stt.forwards": self.forwards}
        if self.ended:
            yield "finish", self.finished, self.ended, {}


@dataclass(slots=True)
class Account:
    """One request, or one websocket.

    route: as it is declared, not as it was asked for: what clients make up must not become time series.
    status: 0 where no answer was begun.
    gone: the client left before its answer was whole.
    model: that of its last transcription; empty where there was none.
    traceparent: the client's own, as W3C's Trace Context has it; unchecked.
    """

    identity: str
    method: str = ""
    route: str = "other"
    status: int = 0
    gone: bool = False
    model: str = ""
    audio_seconds: float = 0.0
    traceparent: str = ""
    started: int = field(default_factory=time.time_ns)
    seconds: float = 0.0
    courses: deque[Course] = field(default_factory=lambda: deque(maxlen=KEPT))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within it, `current` gives this account."""
        began = time.monotonic()
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self.seconds = time.monotonic() - began

    def begin(self, model: str) -> Course:
        """A transcription begins."""
        course = Course()
        self.model = model
        self.courses.append(course)
        return course


_current: ContextVar[Account | None] = ContextVar("account", default=None)


def current() -> Account:
    """That of the request that is being answered; a new one where there is none."""
    return _current.get() or Account("")

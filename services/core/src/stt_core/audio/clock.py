"""Where each frame of sound belongs on its container's clock.

A container says of each frame when it is heard. Sound may start after the picture, and packets may be
missing: what is not there is silence, so that all that follows keeps its time. The thresholds are those of
FFmpeg's command line with `aresample=async=1:first_pts=0`. Unlike there, sound is never cut: where timestamps
overlap, it runs late until the next gap makes up for that.
"""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from stt_core.audio.bounds import LONGEST_SECONDS

TOLERANCE = 0.1
"""Seconds by which a frame may be off before that is a gap, not jitter: libswresample's `min_hard_comp`."""
FIRST = 0.001
"""The same for the first frame: libswresample's `min_comp`."""
RESET = 10.0
"""A step of more than so many seconds is another clock, not a gap: ffmpeg's `-dts_delta_threshold`."""
HELD = 100
"""Frames without a time that are waited for until one with a time confirms a step."""


class Timed(Protocol):
    """A frame: when it is heard, in seconds of the container's clock, where that is known."""

    @property
    def time(self) -> float | None: ...
    @property
    def samples(self) -> int: ...
    @property
    def sample_rate(self) -> int: ...


Frame = TypeVar("Frame", bound=Timed)
Placed = tuple[float, Frame]
"""The seconds of silence before a frame, and the frame."""


class Clock(Generic[Frame]):
    """One track's. Positions are seconds from the start of the container."""

    def __init__(self, start: float | None, *, resets: bool) -> None:
        """start: when the container starts by its own clock; None where only its frames tell.

        resets: such containers (MPEG-TS, MPEG-PS, Ogg) may be joined or cut, and then count from anew.
        """
        self._start = start
        self._resets = resets
        self._running = False
        self._at = 0.0
        self._held: list[Frame] = []
        self._others: dict[int, tuple[float, float]] = {}

    def saw(self, track: int, time: float) -> None:
        """A packet of another track.

        If it comes first, the container starts with it; and while others go on, a long gap is no reset.
        """
        if not self._running and (self._start is None or time < self._start):
            self._start = time
        since, last = self._others.get(track, (time, time))
        self._others[track] = (since if abs(time - last) <= RESET else time, time)

    def place(self, frame: Frame) -> Iterator[Placed[Frame]]:
        """The frames whose positions are certain now. A step counts when a second frame agrees with it."""
        self._running = True
        if self._held:
            yield from self._settle(frame)
        elif self._follows(frame):
            yield self._next(frame)
        else:
            self._held = [frame]

    def end(self) -> Iterator[Placed[Frame]]:
        """There are no more: what waited for a second frame follows what was before it."""
        held, self._held = self._held, []
        yield from map(self._next, held)

    def _ahead(self, time: float) -> float:
        """Seconds by which a frame would come later than where the frame before it ends."""
        if self._start is None:
            self._start = time - self._at
        return time - self._start - self._at

    def _follows(self, frame: Frame) -> bool:
        if frame.time is None:
            return True
        early = TOLERANCE if self._resets else RESET
        return -early <= self._ahead(frame.time) <= (TOLERANCE if self._at else FIRST)

    def _settle(self, frame: Frame) -> Iterator[Placed[Frame]]:
        first, before = self._held[0], list(self._held)
        if frame.time is None and len(before) < HELD:
            self._held.append(frame)
            return
        self._held = []
        expected = (first.time or 0.0) + sum(one.samples / one.sample_rate for one in before)
        if frame.time is None or abs(frame.time - expected) <= TOLERANCE:
            yield self._step(first)
            yield from map(self._next, [*before[1:], frame])
        else:
            yield from map(self._next, before)
            yield from self.place(frame)

    def _next(self, frame: Frame) -> Placed[Frame]:
        self._at += frame.samples / frame.sample_rate
        return 0.0, frame

    def _step(self, frame: Frame) -> Placed[Frame]:
        time = frame.time or 0.0
        ahead = self._ahead(time)
        if ahead > 0 and self._believed(ahead, time):
            self._at += ahead
            return ahead, self._next(frame)[1]
        self._start = time - self._at
        return self._next(frame)

    def _believed(self, ahead: float, time: float) -> bool:
        if self._at + ahead > LONGEST_SECONDS:
            return False
        if not self._resets or ahead <= RESET + TOLERANCE:
            return True
        left = time - ahead
        return any(since <= left + RESET and last >= time - RESET for since, last in self._others.values())

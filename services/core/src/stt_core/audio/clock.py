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
CONFIRMED = 0.2
"""Seconds of sound after a step for which the timestamps must go on as it does. One alone may be broken."""
AGREED = 1 / 8
"""The share by which their pace may be off: timestamps of another pace are no steps."""
ROUNDED = 0.002
"""Seconds that rounding to milliseconds may put them off."""
HELD = 1_000
"""Frames that are held for that at most."""


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
        self._lasted = 0.0  # seconds of sound in `held`, without the last
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
        """The frames whose positions are certain now."""
        self._running = True
        if self._held:
            self._lasted += _length(self._held[-1])
            self._held.append(frame)
            if (self._lasted >= CONFIRMED and frame.time is not None) or len(self._held) >= HELD:
                yield from self._settle()
        elif self._follows(frame):
            yield self._next(frame)
        else:
            self._held, self._lasted = [frame], 0.0

    def end(self) -> Iterator[Placed[Frame]]:
        """There are no more."""
        while self._held:
            yield from self._settle()

    def _ahead(self, time: float) -> float:
        """Seconds by which a frame would come later than where the frame before it ends."""
        if self._start is None:
            self._start = time - self._at
        return time - self._start - self._at

    def _follows(self, frame: Frame) -> bool:
        if frame.time is None:
            return True
        ahead = self._ahead(frame.time)
        return (ahead >= -TOLERANCE or not self._resets) and ahead <= (TOLERANCE if self._at else FIRST)

    def _settle(self) -> Iterator[Placed[Frame]]:
        """The first of those that are held makes a step, if the timestamps behind it go on from there."""
        first, *others = self._held
        self._held = []
        lasted, agreed = _length(first), False
        for one in others:
            if one.time is not None:
                off = one.time - (first.time or 0.0) - lasted
                agreed = abs(off) <= ROUNDED + AGREED * lasted
            lasted += _length(one)
        yield self._step(first) if agreed else self._next(first)
        for one in others:
            yield from self.place(one)

    def _next(self, frame: Frame) -> Placed[Frame]:
        self._at += _length(frame)
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


def _length(frame: Timed) -> float:
    """In seconds."""
    return frame.samples / frame.sample_rate

"""How fast jobs are done here, for estimates. Pure."""

import threading

USUAL = 0.2
"""Seconds of work for a second of audio, before anything was measured: twice what the model base takes on two cores."""
WEIGHT = 60.0
"""Seconds of audio that the usual pace counts for."""
MEMORY = 0.9
"""Of what was measured before, what counts beside a job that ends now."""


class Pace:
    """Jobs that are processed side by side share the time: what counts is when any of them was at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._audio, self._busy = WEIGHT, WEIGHT * USUAL
        self._until = 0.0

    def learn(self, seconds: float, began: float, ended: float) -> None:
        """A job of so many seconds of audio was at work from one moment to another, in Unix seconds."""
        with self._lock:
            busy = max(0.0, ended - max(began, self._until))
            self._until = max(self._until, ended)
            self._audio = MEMORY * self._audio + seconds
            self._busy = MEMORY * self._busy + busy

    def takes(self, seconds: float) -> float:
        """Seconds of work for so many seconds of audio."""
        with self._lock:
            return seconds * self._busy / self._audio

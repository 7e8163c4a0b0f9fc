"""The web server, which answers to its end when it is told to stop."""

import time
from collections.abc import Callable

import uvicorn

from stt_core.http.internals import UvicornServer
from stt_core.scheduling.scheduler import Scheduler

FLUSH_SECONDS = 2
"""What clients get, at the least, to read answers that are there."""


class Web(UvicornServer):
    """Told to stop, it goes on listening until every accepted request is answered: new ones get 503.

    patience: seconds after which it gives up what is not answered.
    on_drain: called once it is told, by any thread or a signal's handler.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        scheduler: Scheduler,
        patience: int,
        on_drain: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._scheduler = scheduler
        self._patience = patience
        self._end: float | None = None
        self._idle = 0  # ticks

    def drain(self) -> None:
        """Stop soon. May be called by any thread, and by a signal's handler."""
        self._scheduler.drain()
        if self._on_drain is not None:
            self._on_drain()
        self._end = time.monotonic() + self._patience

    def asked_to_stop(self) -> None:
        if self._end is not None:  # asked twice: do not wait
            self._patience = 0
        self.drain()

    def tick(self) -> None:
        if self._end is not None and not self.stopping:
            left = self._end - time.monotonic()
            if left <= 0:
                self._scheduler.give_up()
            # Idle for a tick: what was answered last is on its way.
            self._idle = self._idle + 1 if self._scheduler.idle else 0
            if left <= 0 or self._idle > 1:
                self.stop_within(max(FLUSH_SECONDS, int(left)))

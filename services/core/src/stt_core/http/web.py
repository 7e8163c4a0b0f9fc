"""The web server, which answers to its end when it is told to stop."""

import time
from types import FrameType

import uvicorn

from stt_core.scheduling.scheduler import Scheduler

FLUSH_SECONDS = 2
"""What clients get, at the least, to read answers that are there."""


class Web(uvicorn.Server):
    """Told to stop, it goes on listening until every accepted request is answered: new ones get 503.

    patience: seconds after which it gives up what is not answered.
    """

    def __init__(self, config: uvicorn.Config, scheduler: Scheduler, patience: int) -> None:
        super().__init__(config)
        self._scheduler = scheduler
        self._patience = patience
        self._end: float | None = None
        self._idle = 0  # ticks

    def drain(self) -> None:
        """Stop soon. May be called by any thread, and by a signal's handler."""
        self._scheduler.drain()
        self._end = time.monotonic() + self._patience

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._end is not None:  # asked twice: do not wait
            self._patience = 0
        self.drain()

    async def on_tick(self, counter: int) -> bool:
        if self._end is not None and not self.should_exit:
            left = self._end - time.monotonic()
            if left <= 0:
                self._scheduler.give_up()
            # Idle for a tick: what was answered last is on its way.
            self._idle = self._idle + 1 if self._scheduler.idle else 0
            if left <= 0 or self._idle > 1:
                self.config.timeout_graceful_shutdown = max(FLUSH_SECONDS, int(left))
                self.should_exit = True
        return await super().on_tick(counter)

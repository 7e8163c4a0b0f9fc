"""Places for requests, from before their upload is read until they are answered, or kept as a job."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stt_core.errors import Busy
from stt_core.observability.metrics import Metrics


class Admission:
    """limit: places that there are. refuse: raises an ApiError while nobody may come in. doing: what those who have
    a place do, for a sentence. metrics: told of how many are held."""

    def __init__(self, limit: int, refuse: Callable[[], None], doing: str, metrics: Metrics | None = None) -> None:
        self.limit = limit
        self.held = 0
        self._refuse = refuse
        self._doing = doing
        self._metrics = metrics
        self._lock = threading.Lock()
        self._pace = 5.0  # seconds that a request took lately

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place, until the end of the block. Raises Busy where there is none."""
        with self._lock:
            self._refuse()
            if self.held >= self.limit:
                raise Busy(
                    f"{self.limit} requests {self._doing} already; try again in a moment.",
                    retry_after=max(1, min(60, math.ceil(self._pace))),
                )
            self.held += 1
        if self._metrics:
            self._metrics.queue_requests.inc()
        started = time.monotonic()
        try:
            yield
        finally:
            if self._metrics:
                self._metrics.queue_requests.dec()
            with self._lock:
                self.held -= 1
                self._pace += 0.2 * (time.monotonic() - started - self._pace)

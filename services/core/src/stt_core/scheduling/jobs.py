"""The requests under way, and the lock that guards them."""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from stt_core.errors import ApiError, Unavailable
from stt_core.scheduling.job import Job

log = logging.getLogger("stt")

RETRY_SECONDS = 5
"""After what a client does well to come back to a service that stops: another one may have started."""


class Jobs:
    """In the order of their turns. Whoever looks at them, or into one, holds `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._jobs: deque[Job] = deque()

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.append(job)
        if self.closed:
            self.end(job, stopping())

    def back(self, served: Iterable[Job]) -> None:
        """Those that were served go behind all who wait."""
        for job in served:
            if not job.over:
                self._jobs.remove(job)
                self._jobs.append(job)

    def end(self, job: Job, error: BaseException | None = None) -> None:
        """No further forward starts for it. With an error, that is its answer."""
        if job.over:
            return
        job.over = True
        job.waiting.clear()
        self._jobs.remove(job)
        if error is not None:
            job.answer.set_exception(error)
        self.changed.notify_all()

    def close(self) -> None:
        """End all that are left, and whatever comes."""
        self.closed = True
        for job in list(self._jobs):
            self.end(job, stopping())
        self.changed.notify_all()


def as_api_error(error: Exception, job: Job) -> ApiError:
    """What the client is told; the log keeps the rest."""
    if isinstance(error, ApiError):
        return error
    log.error("a transcription failed", exc_info=error, extra={"fields": {"request_id": job.account.identity}})
    return ApiError("The transcription failed inside the service; its log says why.", code="engine_failed")


def stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again in a moment.", retry_after=RETRY_SECONDS)

"""The requests under way, and the lock that guards them."""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from stt_core.errors import ApiError, Unavailable
from stt_core.scheduling.transcription import Transcription

log = logging.getLogger("stt")

RETRY_SECONDS = 5
"""After what a client does well to come back to a service that stops: another one may have started."""


class Transcriptions:
    """In the order of their turns. Whoever looks at them, or into one, holds `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._transcriptions: deque[Transcription] = deque()

    def __iter__(self) -> Iterator[Transcription]:
        return iter(self._transcriptions)

    def __len__(self) -> int:
        return len(self._transcriptions)

    def add(self, transcription: Transcription) -> None:
        self._transcriptions.append(transcription)
        if self.closed:
            self.end(transcription, stopping())

    def back(self, served: Iterable[Transcription]) -> None:
        """Those that were served go behind all who wait."""
        for transcription in served:
            if not transcription.over:
                self._transcriptions.remove(transcription)
                self._transcriptions.append(transcription)

    def end(self, transcription: Transcription, error: BaseException | None = None) -> None:
        """No further forward starts for it. With an error, that is its answer."""
        if transcription.over:
            return
        transcription.over = True
        transcription.waiting.clear()
        self._transcriptions.remove(transcription)
        if error is not None:
            transcription.answer.set_exception(error)
        self.changed.notify_all()

    def close(self) -> None:
        """End all that are left, and whatever comes."""
        self.closed = True
        for transcription in list(self._transcriptions):
            self.end(transcription, stopping())
        self.changed.notify_all()


def as_api_error(error: Exception, transcription: Transcription) -> ApiError:
    """What the client is told; the log keeps the rest."""
    if isinstance(error, ApiError):
        return error
    log.error(
        "a transcription failed", exc_info=error, extra={"fields": {"request_id": transcription.account.identity}}
    )
    return ApiError("The transcription failed inside the service; its log says why.", code="engine_failed")


def stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again in a moment.", retry_after=RETRY_SECONDS)

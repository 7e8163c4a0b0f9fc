"""Errors as a client of OpenAI's API expects them: {"error": {message, type, param, code}}."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

RETRY_MAY_HELP = frozenset({408, 409, 429})
"""The 4xx statuses at which a client does well to try again."""


class ApiError(Exception):
    """An answer that is not a transcript. Raised anywhere, turned into a response at the edge."""

    status = 500
    type = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    """What was asked cannot be done; asking again changes nothing."""

    status = 400
    type = "invalid_request_error"


class NotFound(BadRequest):
    """No such path, or no such model."""

    status = 404


class MethodNotAllowed(BadRequest):
    """The path exists, the method does not."""

    status = 405


class SpeakersUnavailable(BadRequest):
    """Diarization is unavailable; the message says why."""

    status = 424

    def __init__(self, message: str) -> None:
        super().__init__(message, code="diarization_unavailable")


class TooLarge(BadRequest):
    """The file has more bytes than the limit."""

    status = 413

    def __init__(self, limit: int, *, param: str = "file") -> None:
        message = f"The file is larger than {limit} bytes ({limit / 1e6:.0f} MB), the limit of this service."
        super().__init__(message, param=param, code="file_too_large")


class Busy(ApiError):
    """The queue is full."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, code="queue_full", headers={"Retry-After": str(retry_after)})


class Unavailable(ApiError):
    """The service is not ready, or is on its way out."""

    status = 503

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, code="not_ready", headers={"Retry-After": str(retry_after)})


FILE = "file"


class AudioError(BadRequest):
    """The upload cannot be decoded as audio."""

    def __init__(self, message: str, *, param: str = FILE) -> None:
        super().__init__(message, param=param, code="invalid_audio")


@contextmanager
def about(field: str) -> Iterator[None]:
    """What is wrong with the audio is told of the field that brought it, unless another is at fault."""
    try:
        yield
    except AudioError as error:
        error.param = field if error.param == FILE else error.param
        raise


class StartError(Exception):
    """The service cannot start: one sentence that says why and what to do."""


def body(error: ApiError) -> dict[str, Any]:
    """The JSON body of an error."""
    fields = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": fields}


def headers(error: ApiError) -> dict[str, str]:
    """The headers of an error; x-should-retry tells OpenAI's clients when a retry cannot help.

    An error that knows better has set it itself.
    """
    if 400 <= error.status < 500 and error.status not in RETRY_MAY_HELP:
        return {"x-should-retry": "false"} | error.headers
    return error.headers

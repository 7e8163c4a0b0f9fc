"""What the OpenAPI document says of errors: one shape, and the statuses that a path may answer."""

from typing import Any

from pydantic import BaseModel


class ErrorFields(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """Every error."""

    error: ErrorFields


Responses = dict[int | str, dict[str, Any]]

_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_ALL: Responses = {
    400: {"description": "What was asked cannot be done; the message says why."},
    404: {"description": "There is no such thing."},
    409: {"description": "It does not go with where the job stands."},
    413: {"description": "The file is larger than this service takes."},
    424: {"description": "Diarization is unavailable; the message says why."},
    429: {"description": "The queue is full.", "headers": _RETRY},
    500: {"description": "The service failed; its log says why."},
    507: {"description": "The disk is full; nothing was kept."},
    503: {"description": "The model is not loaded yet, or the service is stopping.", "headers": _RETRY},
}


def failures(*statuses: int) -> Responses:
    """The errors that a path may answer."""
    return {status: {"model": ErrorBody, **_ALL[status]} for status in statuses}


TAKING_AUDIO = failures(400, 413, 429, 500, 503)
TELLING_SPEAKERS = failures(424)
NAMING_A_MODEL = failures(404)

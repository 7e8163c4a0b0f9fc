"""What a job is. Times are Unix seconds, lengths of audio are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stt_core.errors import ApiError


class Status(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL


PENDING = (Status.QUEUED, Status.PROCESSING)
FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording on the disk of the host that took it.

    name: of its file in the folder of the recordings; empty where it never lay there. sha256: in hexadecimal. host: the
    base URL at which the service that has it can be reached by others; empty where there are no others.
    """

    name: str
    size: int
    sha256: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the fields of a form, and which form it was, such as `transcriptions`."""

    form: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be accepted. Its audio lies on the disk already.

    user_uuid, message_id: the submitter's own names for it; the pair is unique. Both or neither.
    seconds: how long the audio is, as far as its head says.
    callback_url: where to tell that it is done; empty: nowhere.
    """

    request: Request
    audio: Audio
    seconds: float
    user_uuid: str = ""
    message_id: str = ""
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept.

    rank: the queue's order, the lowest first; see `ranking`.
    duration: of the audio, once it is transcribed; None before.
    progress: the share that is done, 0 to 1.
    attempts: how often it was begun.
    owner: the worker that has it, while it is processed.
    """

    id: str
    status: Status
    request: Request
    audio: Audio
    seconds: float
    rank: int
    created_at: float
    user_uuid: str = ""
    message_id: str = ""
    callback_url: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    duration: float | None = None
    progress: float = 0.0
    attempts: int = 0
    owner: str = ""
    text: str | None = None
    error: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """position: in the queue, from 1. ahead: seconds of audio that come before it."""

    position: int
    ahead: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs by status."""

    by_status: Mapping[Status, int] = field(default_factory=dict)

    def of(self, *statuses: Status) -> int:
        return sum(self.by_status.get(status, 0) for status in statuses)

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job in a worker's hands. What is written for it counts only while owner and number are still the job's:
    a host that was cut off may go on working on what another has taken over."""

    job: Job
    owner: str
    number: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """pending: jobs that may wait or be processed at once; per_user: of one user_uuid, 0 for any number."""

    pending: int = 1000
    per_user: int = 0


class QueueFull(ApiError):
    """No more jobs are taken for now."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, code="queue_full", headers={"Retry-After": str(retry_after)})


class StorageFull(ApiError):
    """The disk has no room for it."""

    status = 507

    def __init__(self) -> None:
        super().__init__(
            "The service's disk is full, so this was not accepted. The operator must make room; then send it again.",
            code="storage_full",
        )

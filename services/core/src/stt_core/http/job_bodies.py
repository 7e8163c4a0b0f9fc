"""Jobs as they are answered. Times are Unix seconds; what is not there is null, never left out."""

from typing import Literal

from pydantic import BaseModel

from stt_core.jobs.model import PENDING, Counts, Job, Place, Status

StatusName = Literal["queued", "processing", "completed", "failed", "cancelled"]


class Submitted(BaseModel):
    """A job that was handed in now, or before: then `cached` is true."""

    job_id: str
    status: StatusName
    queue_position: int | None
    message: str
    cached: bool


class JobBody(BaseModel):
    """A job. progress: the share that is done, 0 to 1. eta_s: seconds until it is done, as far as can be told."""

    job_id: str
    status: StatusName
    queue_position: int | None
    user_uuid: str | None
    message_id: str | None
    text: str | None
    duration: float | None
    error: str | None
    created_at: int
    progress: float
    eta_s: float | None
    attempts: int


class Lookup(BaseModel):
    """The job of a pair; where there is none, only `found` is there."""

    found: bool
    job_id: str | None = None
    status: StatusName | None = None
    text: str | None = None
    duration: float | None = None
    error: str | None = None
    created_at: int | None = None


class JobList(BaseModel):
    """The newest first. `after` with last_id gives those that follow."""

    object: Literal["list"] = "list"
    data: list[JobBody]
    has_more: bool
    last_id: str | None


class QueueStatus(BaseModel):
    """queue_length: jobs that wait."""

    queue_length: int
    processing: bool
    max_queue_size: int


class JobStatistics(BaseModel):
    """Jobs by where they stand; pending: those that wait or are processed."""

    total: int
    completed: int
    failed: int
    pending: int


class Pending(BaseModel):
    """A result that is not there yet."""

    status: StatusName
    message: str


class Erased(BaseModel):
    """A job that is no more."""

    job_id: str
    deleted: Literal[True] = True


class ErasedAll(BaseModel):
    """How many jobs are no more."""

    deleted: int


def submitted(job: Job, place: Place | None, *, created: bool) -> Submitted:
    position = place.position if place else None
    if not created:
        message = "Transcription already exists"
    elif position is None:
        message = "Job accepted"
    else:
        message = f"Job queued. Position in queue: {position}"
    return Submitted(
        job_id=job.id, status=job.status.value, queue_position=position, message=message, cached=not created
    )


def body(job: Job, place: Place | None, eta: float | None) -> JobBody:
    return JobBody(
        job_id=job.id,
        status=job.status.value,
        queue_position=place.position if place else None,
        user_uuid=job.user_uuid or None,
        message_id=job.message_id or None,
        text=job.text,
        duration=_rounded(job.duration),
        error=job.error,
        created_at=int(job.created_at),
        progress=round(job.progress, 3),
        eta_s=eta,
        attempts=job.attempts,
    )


def lookup(job: Job | None) -> Lookup:
    if job is None:
        return Lookup(found=False)
    return Lookup(
        found=True,
        job_id=job.id,
        status=job.status.value,
        text=job.text,
        duration=_rounded(job.duration),
        error=job.error,
        created_at=int(job.created_at),
    )


def pending(job: Job, place: Place | None) -> Pending:
    where = f"Job is still queued at position {place.position}" if place else "Job is still processing"
    return Pending(status=job.status.value, message=where)


def health(counts: Counts) -> dict[str, object]:
    """What /health says of jobs."""
    return {
        "queue_length": counts.of(Status.QUEUED),
        "db_stats": JobStatistics(
            total=counts.total,
            completed=counts.of(Status.COMPLETED),
            failed=counts.of(Status.FAILED),
            pending=counts.of(*PENDING),
        ),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

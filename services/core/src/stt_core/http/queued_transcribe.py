"""Jobs in the vocabulary of the WhisperX guide's queue: /transcribe/async, /transcribe/status, /job, /queue/stats."""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from stt_core import languages
from stt_core.engine.protocol import Capabilities, Options, SpeakerOptions, Task, Transcript
from stt_core.errors import BadRequest
from stt_core.http import form
from stt_core.http.error_responses import NAMING_A_MODEL, TAKING_AUDIO, TELLING_SPEAKERS, failures
from stt_core.http.intake import Intake, Received
from stt_core.http.job_forms import JobForm
from stt_core.http.jobs import Desk, Identity
from stt_core.http.parameters import JobFields, Track
from stt_core.http.rendering import rendered as rendered_as
from stt_core.jobs.model import Job, Status
from stt_core.output.speaker_labels import labelled
from stt_core.output.subtitles import Limits

NAME = "queued_transcribe"
FIELD = "file"

_GUIDE: dict[Status, Literal["queued", "started", "finished", "failed"]] = {
    Status.QUEUED: "queued",
    Status.PROCESSING: "started",
    Status.COMPLETED: "finished",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}


class QueuedForm(JobFields):
    """Everything in the form of /transcribe/async but the file. Empty fields count as left out."""

    model: str = Field("", description="A name from /v1/models; left out, the service's own.")
    language: str = Field("", description="Code such as `fr`; left out or `auto`, it is detected.")
    task: Task = "transcribe"
    diarize: bool = Field(False, description="Identify the speakers, where the service supports it.")
    track: Track = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"] = "json"

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked. Raises BadRequest for what it cannot do."""
        if self.task == "translate" and not capabilities.translation:
            raise BadRequest("This model cannot translate; it can only transcribe.", param="task")
        if self.diarize and not capabilities.speakers:
            raise BadRequest("This service does not support diarize; leave it out.", param="diarize")
        return Options(
            task=self.task,
            language=languages.asked(self.language, capabilities.languages, "language"),
            speakers=SpeakerOptions(required=False) if self.diarize else None,
        )


class Queued(BaseModel):
    """A job that was handed in. estimated_wait: seconds until it is done, as far as can be told."""

    job_id: str
    status: Literal["queued", "started", "finished", "failed"]
    message: str
    queue_position: int | None
    estimated_wait: float | None


class QueuedStatus(BaseModel):
    """A job. Times are ISO 8601; what is not there yet is null."""

    job_id: str
    status: Literal["queued", "started", "finished", "failed"]
    created_at: str
    started_at: str | None
    ended_at: str | None
    result: dict[str, Any] | None
    error: str | None


class JobStatus(BaseModel):
    """The same in fewer words. progress: in percent."""

    job_id: str
    status: Literal["queued", "processing", "completed", "failed"]
    progress: int
    result: dict[str, Any] | None
    error: str | None


class QueueStats(BaseModel):
    """Jobs by where they stand. workers: those that take jobs here."""

    queue_name: str
    queued: int
    workers: int
    failed: int
    finished: int
    started: int


def job_forms() -> dict[str, JobForm]:
    return {NAME: JobForm(QueuedForm, rendered)}


def rendered(transcript: Transcript, asked: QueuedForm, limits: Limits) -> Response:
    """The result in the format that was asked for."""
    if asked.response_format == "json":
        return JSONResponse(result(transcript))
    return rendered_as(transcript, asked.response_format, {"segment", "word"}, limits, asked.task)


async def read(request: Request, limit: int, begins: form.Begins) -> Received[QueuedForm]:
    """Reads a form of /transcribe/async."""
    upload, asked, _ = await form.uploaded(request, QueuedForm, limit, begins, FIELD)
    return Received(upload.file, asked)


def router(intake: Intake, desk: Desk, name: str) -> APIRouter:
    """name: of the queue."""
    routes = APIRouter(tags=["Queue"], responses=failures(503))

    @routes.post(
        "/transcribe/async",
        summary="Queue a file",
        responses={**TAKING_AUDIO, **NAMING_A_MODEL, **TELLING_SPEAKERS},
        openapi_extra=form.described(QueuedForm, FIELD),
    )
    async def queue(request: Request) -> Queued:
        async with intake.take(request, read, FIELD, lambda _: True) as taken:
            asked = taken.asked
            _ = asked.paired  # half a pair is refused
            accepted, _ = await desk.accepted(taken, NAME, asked, asked.as_asked())
        job = accepted.job
        body = await desk.body(job)
        return Queued(
            job_id=job.id,
            status=_GUIDE[job.status],
            message="Transcription job queued",
            queue_position=body.queue_position,
            estimated_wait=body.eta_s,
        )

    @routes.get("/transcribe/status/{job_id}", summary="Where a queued file stands", responses=failures(404))
    async def status(job_id: Identity) -> QueuedStatus:
        job = await desk.job(job_id)
        return QueuedStatus(
            job_id=job.id,
            status=_GUIDE[job.status],
            created_at=_iso(job.created_at) or "",
            started_at=_iso(job.started_at),
            ended_at=_iso(job.ended_at),
            result=await _result(desk, job),
            error=_error(job),
        )

    @routes.get("/job/{job_id}", summary="Where a queued file stands, in fewer words", responses=failures(404))
    async def show(job_id: Identity) -> JobStatus:
        job = await desk.job(job_id)
        status = "failed" if job.status is Status.CANCELLED else job.status.value
        return JobStatus(
            job_id=job.id,
            status=status,
            progress=round(100 * job.progress),
            result=await _result(desk, job),
            error=_error(job),
        )

    @routes.get("/queue/stats", summary="How many jobs there are")
    async def stats() -> QueueStats:
        counts = await run_in_threadpool(desk.service.counts)
        return QueueStats(
            queue_name=name,
            queued=counts.of(Status.QUEUED),
            workers=1,
            failed=counts.of(Status.FAILED),
            finished=counts.of(Status.COMPLETED),
            started=counts.of(Status.PROCESSING),
        )

    return routes


def result(transcript: Transcript) -> dict[str, Any]:
    """text, segments and metadata, as the guide has them."""
    return {
        "text": transcript.text,
        "segments": [
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "text": segment.text.strip(),
                **({"speaker": labelled(segment.speaker)} if segment.speaker else {}),
                **(
                    {
                        "words": [
                            {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
                            for word in segment.words
                        ]
                    }
                    if segment.words
                    else {}
                ),
            }
            for segment in transcript.segments
        ],
        "metadata": {
            "language": transcript.language,
            "duration": round(transcript.duration, 3),
            "warnings": list(transcript.warnings),
        },
    }


async def _result(desk: Desk, job: Job) -> dict[str, Any] | None:
    if job.status is not Status.COMPLETED:
        return None
    transcript = await run_in_threadpool(desk.service.store.transcript, job.id)
    return None if transcript is None else result(transcript)


def _error(job: Job) -> str | None:
    return job.error or ("The job was cancelled." if job.status is Status.CANCELLED else None)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

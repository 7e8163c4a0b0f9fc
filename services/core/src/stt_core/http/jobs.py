"""Jobs over HTTP: handed in on the paths of transcriptions, looked up below them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import IO, Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from stt_core.errors import ApiError, BadRequest, NotFound
from stt_core.http import events, form, job_bodies
from stt_core.http.error_responses import failures
from stt_core.http.events import Telling
from stt_core.http.intake import Taken
from stt_core.http.job_bodies import JobBody, JobList, Lookup, QueueStatus
from stt_core.http.job_forms import JobForms
from stt_core.http.parameters import NAME_LENGTH, JobFields, SpeechForm
from stt_core.jobs import delivery
from stt_core.jobs.model import Job, Place, Status
from stt_core.jobs.model import Request as JobRequest
from stt_core.jobs.service import JobService
from stt_core.jobs.store import Accepted

PATH = "/v1/audio/transcriptions"
LIST = 100
"""Jobs in one answer at most."""
LOOK_SECONDS = 0.5
"""Between looks for news of a job whose events are streamed: another machine may be at it."""
SILENT_LOOKS = 30
NEWS = {"status", "queue_position", "progress"}
"""What of a job is worth an event when it changes."""
PREFER = "respond-async"

Identity = Annotated[str, Path(max_length=64, description="The job's id.")]
Name = Annotated[str, Query(max_length=NAME_LENGTH)]


class JobsUnavailable(ApiError):
    """This service keeps no jobs."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "This service takes no jobs. The operator can change that with `jobs: {enabled: true}` in the inventory.",
            code="jobs_unavailable",
            headers={"x-should-retry": "false"},
        )


class Desk:
    """Where jobs are handed in and asked for. service: None where none are kept."""

    def __init__(self, service: JobService | None, forms: JobForms) -> None:
        self._service = service
        self.forms = forms

    @property
    def service(self) -> JobService:
        """Raises JobsUnavailable."""
        if self._service is None:
            raise JobsUnavailable
        return self._service

    def wants(self, request: Request, asked: JobFields) -> bool:
        """Whether a request is to become a job. Raises BadRequest for half a pair."""
        return asked.paired or asked.asynchronous or _preferred(request)

    def submits(self, request: Request, fields: Sequence[tuple[str, Any]]) -> bool:
        """The same before the file of a form is read, as far as the fields before it tell. Raises BadRequest."""
        asked = form.checked(fields, JobFields)
        named = bool(asked.user_uuid or asked.message_id)
        return self._service is not None and (named or asked.asynchronous or _preferred(request))

    async def take(self, taken: "Taken[Any]", kind: str, asked: SpeechForm) -> Response:
        """Make a job of a request that was understood. Raises ApiError."""
        accepted, place = await self.accepted(taken, kind, asked, asked.as_asked())
        body = job_bodies.submitted(accepted.job, place, created=accepted.created)
        headers = {"Location": f"./transcriptions/{accepted.job.id}"}
        return JSONResponse(body.model_dump(), 200 if asked.paired else 202, headers)

    async def accepted(
        self, taken: "Taken[Any]", kind: str, asked: JobFields, fields: dict[str, Any]
    ) -> tuple[Accepted, Place | None]:
        """The job of a request, and where it stands; with its pair's, the recording is not even fetched.

        Raises ApiError.
        """
        service = self.service
        if asked.callback_url:
            delivery.checked(asked.callback_url)
        request = JobRequest(kind, {**fields, "model": taken.options.model})  # as the path names it, where it does

        def known() -> tuple[Accepted, Place | None] | None:
            job = service.store.paired(asked.user_uuid, asked.message_id) if not asked.force else None
            return None if job is None else (Accepted(job, created=False), service.store.place(job))

        def accept(file: IO[bytes]) -> tuple[Accepted, Place | None]:
            accepted = service.accept(
                file, request, asked.user_uuid, asked.message_id, asked.callback_url, force=asked.force
            )
            return accepted, service.store.place(accepted.job)

        if taken.has_file:  # all in one thread: hundreds may come in a second
            file = await taken.file()
            return await run_in_threadpool(lambda: (asked.paired and known()) or accept(file))
        if asked.paired and (found := await run_in_threadpool(known)):
            return found
        file = await taken.file()
        return await run_in_threadpool(accept, file)

    async def job(self, identity: str) -> Job:
        """Raises NotFound."""
        job = await run_in_threadpool(self.service.store.job, identity)
        return job if job is not None else _missing(identity)

    async def body(self, job: Job) -> JobBody:
        place = await run_in_threadpool(self.service.store.place, job)
        return job_bodies.body(job, place, self.service.waits(job, place))


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(tags=["Jobs"], responses=failures(503))

    @routes.get(PATH, summary="List the jobs", responses=failures(400))
    async def list_jobs(
        status: Annotated[Status | None, Query()] = None,
        user_uuid: Name = "",
        after: Annotated[str, Query(max_length=64, description="The last_id of the answer before.")] = "",
        limit: Annotated[int, Query(ge=1, le=LIST)] = 20,
    ) -> JobList:
        store = desk.service.store
        jobs = await run_in_threadpool(store.listed, status, user_uuid, after, limit + 1)
        bodies = [await desk.body(job) for job in jobs[:limit]]
        last = bodies[-1].job_id if bodies else None
        return JobList(data=bodies, has_more=len(jobs) > limit, last_id=last)

    @routes.delete(PATH, summary="Erase all jobs of a user", responses=failures(400))
    async def erase_user(
        user_uuid: Annotated[str, Query(min_length=1, max_length=NAME_LENGTH)],
    ) -> job_bodies.ErasedAll:
        return job_bodies.ErasedAll(deleted=await run_in_threadpool(desk.service.erase_user, user_uuid))

    @routes.get(
        f"{PATH}/lookup",
        summary="The job of a pair of names",
        response_model=Lookup,
        response_model_exclude_unset=True,
        responses=failures(400),
    )
    async def lookup(user_uuid: Name = "", message_id: Name = "") -> Lookup:
        for name, value in (("user_uuid", user_uuid), ("message_id", message_id)):
            if not value:
                raise BadRequest(f"{name} is required.", param=name)
        return job_bodies.lookup(await run_in_threadpool(desk.service.store.paired, user_uuid, message_id))

    @routes.get(f"{PATH}/status", summary="How long the queue is")
    async def queue_status() -> QueueStatus:
        counts = await run_in_threadpool(desk.service.store.counts)
        return QueueStatus(
            queue_length=counts.of(Status.QUEUED),
            processing=counts.of(Status.PROCESSING) > 0,
            max_queue_size=desk.service.limit,
        )

    @routes.get(f"{PATH}/{{job_id}}", summary="Where a job stands", responses=failures(404))
    async def show(job_id: Identity) -> JobBody:
        return await desk.body(await desk.job(job_id))

    @routes.delete(f"{PATH}/{{job_id}}", summary="Cancel and erase a job", responses=failures(404))
    async def erase(job_id: Identity) -> job_bodies.Erased:
        if not await run_in_threadpool(desk.service.erase, job_id):
            _missing(job_id)
        return job_bodies.Erased(job_id=job_id)

    @routes.post(
        f"{PATH}/{{job_id}}/cancel", summary="End a job, and keep that it was there", responses=failures(404, 409)
    )
    async def cancel(job_id: Identity) -> JobBody:
        await desk.job(job_id)
        cancelled = await run_in_threadpool(desk.service.cancel, job_id)
        if cancelled is None:
            raise Conflict("The job has ended already.")
        return await desk.body(cancelled)

    @routes.post(
        f"{PATH}/{{job_id}}/retry", summary="Try a failed or cancelled job again", responses=failures(404, 409)
    )
    async def retry(job_id: Identity) -> JobBody:
        await desk.job(job_id)
        again = await run_in_threadpool(desk.service.retry, job_id)
        if again is None:
            raise Conflict("Only a failed or cancelled job whose recording is still kept can be tried again.")
        return await desk.body(again)

    @routes.get(
        f"{PATH}/{{job_id}}/result",
        summary="What came of a job",
        response_class=Response,
        responses={
            200: {
                "description": "The transcript, in the format that was asked for with the job, or now.",
                "content": {"application/json": {}, "text/plain": {}, "text/vtt": {}},
            },
            202: {"model": job_bodies.Pending, "description": "It is not done yet."},
            **failures(400, 404),
        },
    )
    async def result(job_id: Identity, response_format: Annotated[str, Query(max_length=40)] = "") -> Response:
        job = await desk.job(job_id)
        if not job.status.final:
            place = await run_in_threadpool(desk.service.store.place, job)
            return JSONResponse(job_bodies.pending(job, place).model_dump(), 202)
        if job.status is not Status.COMPLETED:
            raise BadRequest(job.error or "The job was cancelled.", code=job.error_code or f"job_{job.status.value}")
        transcript = await run_in_threadpool(desk.service.store.transcript, job_id)
        if transcript is None:
            raise NotFound("The transcript of this job was deleted: its time was over.", code="transcript_deleted")
        return await run_in_threadpool(desk.forms.answer, job, transcript, response_format)

    @routes.get(
        f"{PATH}/{{job_id}}/events",
        summary="A job's progress and text as server-sent events",
        response_class=Response,
        responses={200: {"description": "Events.", "content": {"text/event-stream": {}}}, **failures(404)},
    )
    async def follow(job_id: Identity) -> Response:
        job = await desk.job(job_id)
        return _Events(_news(desk, job))

    return routes


def _preferred(request: Request) -> bool:
    return PREFER in request.headers.get("prefer", "").lower()


class Conflict(BadRequest):
    """What was asked does not go with where the job stands."""

    status = 409

    def __init__(self, message: str) -> None:
        super().__init__(message, code="conflict", headers={"x-should-retry": "false"})


class _Events(StreamingResponse):
    def __init__(self, content: AsyncGenerator[bytes, None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._content = content

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)


async def _news(desk: Desk, job: Job) -> AsyncGenerator[bytes, None]:
    """An event `job` whenever its state or progress changes, the text as it comes, and the whole at the end."""
    telling = Telling(with_logprobs=False, diarized=False)
    shown: JobBody | None = None
    following, silent = 0, 0
    identity = job.id
    while True:
        body = await desk.body(job)
        if shown is None or _changed(shown, body):
            yield _job_event(body)
            shown, silent = body, 0
        if job.status is Status.PROCESSING:
            heard = await run_in_threadpool(desk.service.heard, identity, following)
            for one in heard:
                following = one.index + 1
                for event in telling.heard(one.result):
                    yield event
        if job.status is Status.COMPLETED:
            transcript = await run_in_threadpool(desk.service.store.transcript, identity)
            if transcript is not None:
                for event in telling.finished(transcript):
                    yield event
            return
        if job.status.final:
            yield events.failed(BadRequest(job.error or "The job was cancelled.", code=f"job_{job.status.value}"))
            return
        await asyncio.sleep(LOOK_SECONDS)
        silent += 1
        if silent % SILENT_LOOKS == 0:
            yield events.STILL_HERE
        again = await run_in_threadpool(desk.service.store.job, identity)
        if again is None:
            yield events.failed(NotFound("The job was erased.", code="job_erased"))
            return
        job = again


def _changed(before: JobBody, now: JobBody) -> bool:
    return before.model_dump(include=NEWS) != now.model_dump(include=NEWS)


def _job_event(body: JobBody) -> bytes:
    fields = body.model_dump(exclude={"text"})
    return f"event: job\ndata: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


def _missing(identity: str) -> NoReturn:
    raise NotFound(f"There is no job {identity[:64]}.", code="job_not_found")

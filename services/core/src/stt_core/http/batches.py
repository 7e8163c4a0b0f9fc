"""Batches of recordings: /v1/batches, as OpenAI's API has it, with Groq's way to name a recording by its URL."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from stt_core.errors import BadRequest, NotFound
from stt_core.http import form
from stt_core.http.error_responses import failures
from stt_core.http.jobs import Conflict, Desk
from stt_core.http.live import Gone
from stt_core.jobs import batch_lines
from stt_core.jobs.batches import Batch, BatchCounts, BatchStatus
from stt_core.jobs.service import JobService

LIST = 100
BYTES = 200_000_000
"""Of the lines of one batch, as OpenAI's API takes."""

ASKED_BYTES = 64 * 1024
"""Of the request that begins a batch."""

Identity = Annotated[str, Path(max_length=64, description="The batch's id.")]


class NewBatch(BaseModel):
    """What to do with the lines of a file."""

    input_file_id: str = Field(max_length=64)
    endpoint: Literal["/v1/audio/transcriptions", "/v1/audio/translations"]
    completion_window: str = Field(
        "24h", pattern=r"^\d{1,3}[hd]$", description="Taken and told; a batch goes on until it is done."
    )
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = Field(
        None, max_length=16
    )


class RequestCounts(BaseModel):
    """Lines of a batch; failed: those that are in the error file."""

    total: int
    completed: int
    failed: int


class BatchErrors(BaseModel):
    """What is wrong with the lines; then nothing was done."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]


class BatchBody(BaseModel):
    """A batch. Times are Unix seconds; what is not there is null."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None = None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


class BatchList(BaseModel):
    """The newest first. `after` with last_id gives those that follow."""

    object: Literal["list"] = "list"
    data: list[BatchBody]
    has_more: bool
    first_id: str | None
    last_id: str | None


def router(desk: Desk) -> APIRouter:
    routes = APIRouter(tags=["Batches"], responses=failures(503))

    def shown(batch: Batch) -> BatchBody:
        return body(batch, desk.service.batches.counts(batch.id))

    async def found(identity: str) -> Batch:
        batch = await run_in_threadpool(desk.service.batches.one, identity)
        if batch is None:
            raise NotFound(f"There is no batch {identity}.", code="batch_not_found")
        return batch

    @routes.post(
        "/v1/batches",
        summary="Begin a batch",
        responses=failures(400, 404),
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": NewBatch.model_json_schema()}}}
        },
    )
    async def begin(request: Request) -> BatchBody:
        try:
            asked = await form.document(request, NewBatch, ASKED_BYTES)
        except ClientDisconnect:
            raise Gone from None
        batch = await run_in_threadpool(_begun, desk.service, asked)
        desk.service.feed()
        return await run_in_threadpool(shown, batch)

    @routes.get("/v1/batches", summary="List the batches", responses=failures(400))
    async def list_batches(
        after: Annotated[str, Query(max_length=64, description="The last_id of the answer before.")] = "",
        limit: Annotated[int, Query(ge=1, le=LIST)] = 20,
    ) -> BatchList:
        kept = await run_in_threadpool(desk.service.batches.listed, after, limit + 1)
        data = await run_in_threadpool(lambda: [shown(one) for one in kept[:limit]])
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return BatchList(data=data, has_more=len(kept) > limit, first_id=first, last_id=last)

    @routes.get("/v1/batches/{batch_id}", summary="Where a batch stands", responses=failures(404))
    async def show(batch_id: Identity) -> BatchBody:
        return await run_in_threadpool(shown, await found(batch_id))

    @routes.post("/v1/batches/{batch_id}/cancel", summary="Cancel a batch", responses=failures(404, 409))
    async def cancel(batch_id: Identity) -> BatchBody:
        await found(batch_id)
        batch = await run_in_threadpool(desk.service.batches.cancel, batch_id)
        if batch is None:
            raise Conflict("The batch is over already, or being cancelled.")
        desk.service.feed()
        return await run_in_threadpool(shown, batch)

    return routes


def _begun(service: JobService, asked: NewBatch) -> Batch:
    """Raises NotFound and BadRequest; mistakes in the lines are the batch's own to tell."""
    file = service.files.one(asked.input_file_id)
    if file is None:
        raise NotFound(f"There is no file {asked.input_file_id}.", code="file_not_found")
    if file.content.size > BYTES:
        raise BadRequest(f"The file has more than {BYTES} bytes.", param="input_file_id")
    if file.content.host != service.recordings.address:
        raise BadRequest(
            "The file was uploaded to another machine of this queue: upload it again.", param="input_file_id"
        )
    try:
        with service.recordings.open(file.content) as lines:
            found, mistakes = batch_lines.parsed(lines, asked.endpoint)
    except FileNotFoundError:
        raise NotFound(f"There is no file {asked.input_file_id}.", code="file_not_found") from None
    return service.batches.add(
        asked.input_file_id, asked.endpoint, asked.completion_window, asked.metadata or {}, found, mistakes
    )


def body(batch: Batch, counts: BatchCounts) -> BatchBody:
    ended = None if batch.ended_at is None else int(batch.ended_at)
    return BatchBody(
        id=batch.id,
        endpoint=batch.endpoint,
        errors=BatchErrors(data=[dict(one) for one in batch.errors]) if batch.errors else None,
        input_file_id=batch.input_file_id,
        completion_window=batch.window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=int(batch.created_at),
        in_progress_at=None if batch.status == "failed" else int(batch.created_at),
        completed_at=ended if batch.status == "completed" else None,
        failed_at=ended if batch.status == "failed" else None,
        cancelling_at=None if batch.cancelling_at is None else int(batch.cancelling_at),
        cancelled_at=ended if batch.status == "cancelled" else None,
        request_counts=RequestCounts(total=batch.total, completed=counts.completed, failed=counts.failed),
        metadata=dict(batch.metadata) or None,
    )

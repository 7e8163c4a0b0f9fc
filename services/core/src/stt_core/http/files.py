"""Files that are uploaded by themselves, for batches: /v1/files, as OpenAI's API has it."""

from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from stt_core.errors import NotFound
from stt_core.http import form
from stt_core.http.error_responses import TAKING_AUDIO, failures
from stt_core.http.jobs import Desk
from stt_core.http.live import Gone
from stt_core.jobs.files import File
from stt_core.scheduling.scheduler import Scheduler

LIST = 100
FIELD = "file"
BLOCK = 1 << 18

Identity = Annotated[str, Path(max_length=64, description="The file's id.")]


class FileForm(BaseModel):
    """Everything in the form of /v1/files but the file."""

    purpose: str = Field(
        "batch", max_length=64, description="`batch` for the lines of a batch; whatever else for a recording."
    )


class FileBody(BaseModel):
    """A file that is kept."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"


class FileList(BaseModel):
    """The newest first. `after` with last_id gives those that follow."""

    object: Literal["list"] = "list"
    data: list[FileBody]
    has_more: bool
    last_id: str | None


class FileDeleted(BaseModel):
    """A file that is no more."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def router(desk: Desk, scheduler: Scheduler, limit: int) -> APIRouter:
    """limit: bytes of a file."""
    routes = APIRouter(tags=["Batches"], responses=failures(503))

    async def found(identity: str) -> File:
        file = await run_in_threadpool(desk.service.files.one, identity)
        if file is None:
            raise NotFound(f"There is no file {identity}.", code="file_not_found")
        return file

    @routes.post(
        "/v1/files",
        summary="Upload a file for batches",
        responses=TAKING_AUDIO,
        openapi_extra=form.described(FileForm, FIELD),
    )
    async def upload(request: Request) -> FileBody:
        service = desk.service
        with ExitStack() as held:

            def begins(_: Any) -> None:
                held.enter_context(scheduler.submission())

            try:
                upload, asked, _ = await form.uploaded(request, FileForm, limit, begins, FIELD)
            except ClientDisconnect:
                raise Gone from None
            held.callback(upload.file.close)
            name = (upload.filename or "file")[:255]
            return body(await run_in_threadpool(service.files.add, upload.file, name, asked.purpose))

    @routes.get("/v1/files", summary="List the files", responses=failures(400))
    async def list_files(
        purpose: Annotated[str, Query(max_length=64)] = "",
        after: Annotated[str, Query(max_length=64, description="The last_id of the answer before.")] = "",
        limit: Annotated[int, Query(ge=1, le=LIST)] = 20,
    ) -> FileList:
        kept = await run_in_threadpool(desk.service.files.listed, purpose, after, limit + 1)
        shown = [body(one) for one in kept[:limit]]
        return FileList(data=shown, has_more=len(kept) > limit, last_id=shown[-1].id if shown else None)

    @routes.get("/v1/files/{file_id}", summary="One file", responses=failures(404))
    async def show(file_id: Identity) -> FileBody:
        return body(await found(file_id))

    @routes.get(
        "/v1/files/{file_id}/content",
        summary="What is in a file",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/octet-stream": {}}}, **failures(404)},
    )
    async def content(file_id: Identity) -> StreamingResponse:
        file = await found(file_id)
        opened = await desk.service.open(file.content)

        def blocks() -> Any:
            with opened:
                while block := opened.read(BLOCK):
                    yield block

        headers = {"Content-Length": str(file.content.size)}
        return StreamingResponse(blocks(), media_type="application/octet-stream", headers=headers)

    @routes.delete("/v1/files/{file_id}", summary="Delete a file", responses=failures(404))
    async def delete(file_id: Identity) -> FileDeleted:
        await found(file_id)
        await run_in_threadpool(desk.service.files.delete, file_id)
        return FileDeleted(id=file_id)

    return routes


def body(file: File) -> FileBody:
    return FileBody(
        id=file.id,
        bytes=file.content.size,
        created_at=int(file.created_at),
        filename=file.filename,
        purpose=file.purpose,
    )

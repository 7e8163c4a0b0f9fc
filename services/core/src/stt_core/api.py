"""The application: every path that a service answers."""

import time
from functools import cache
from importlib import metadata
from typing import IO, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response

from stt_core import __version__, errors, memory
from stt_core.engine.models import ModelBody, ModelList, Models
from stt_core.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unavailable
from stt_core.http import asr, batches, files, job_bodies, recordings, swagger_pages, transcriptions, webhooks
from stt_core.http import jobs as job_routes
from stt_core.http.edge import Edge, Tracer
from stt_core.http.error_responses import failures
from stt_core.http.feeder import Feeder
from stt_core.http.intake import Fetch, Intake
from stt_core.http.job_bodies import JobStatistics
from stt_core.http.job_forms import JobForms, own
from stt_core.http.jobs import Desk
from stt_core.http.live import GONE, Gone
from stt_core.jobs.model import Status as JobStatus
from stt_core.jobs.service import JobService
from stt_core.kind import Kind
from stt_core.observability.metrics import Metrics
from stt_core.output.subtitles import Limits
from stt_core.realtime import routes as realtime
from stt_core.scheduling.scheduler import Scheduler
from stt_core.settings import Settings


class Health(BaseModel):
    """The process serves; a kind of service may have more keys of its own. queue_length: jobs that wait."""

    model_config = ConfigDict(extra="allow")

    status: str = "healthy"
    model: str
    version: str
    queue_length: int | None = None
    db_stats: JobStatistics | None = None


class Ready(BaseModel):
    """The model is loaded."""

    status: Literal["ready"] = "ready"


class ModelStatus(BaseModel):
    """A model that requests may name. `memory_bytes` is what it takes while it is loaded."""

    name: str
    state: Literal["loaded", "unloaded"]
    memory_bytes: int


class Memory(BaseModel):
    """Of the process; `limit_bytes` is null where it may take all that the machine has."""

    resident_bytes: int
    limit_bytes: int | None


class StageStatus(BaseModel):
    """What is being done for one request after the last of its text; `share` of it is done, up to 1."""

    stage: str
    share: float


class Queue(BaseModel):
    """Requests that are transcribed or wait, and decoded windows that wait for the engine."""

    requests: int
    limit: int
    waiting_windows: int


class JobQueue(BaseModel):
    """Jobs that wait, and those that are processed."""

    queued: int
    processing: int


class Status(BaseModel):
    """What the service is and does; each kind of service has more keys of its own."""

    model_config = ConfigDict(extra="allow")

    state: Literal["loading", "ready", "stopping"]
    model: str
    models: list[ModelStatus] | dict[str, bool]
    device: str
    compute_type: str
    memory: Memory
    queue: Queue
    stages: list[StageStatus]
    jobs: JobQueue | None
    wake_at: float | None
    uptime_seconds: float
    version: str
    libraries: dict[str, str]


LIBRARIES = ("av", "ctranslate2", "faster-whisper", "onnxruntime")
"""Whose versions matter when a transcript is not what it was."""


def create(
    kind: Kind,
    settings: Settings,
    scheduler: Scheduler,
    metrics: Metrics,
    tracer: Tracer | None = None,
    jobs: JobService | None = None,
) -> FastAPI:
    """The application; the scheduler and the jobs are started and closed by whoever made them."""
    started = time.monotonic()
    models = Models.of(settings)
    desk = Desk(jobs, job_forms(kind, settings))
    intake = Intake(scheduler, models, settings.max_upload_bytes, _fetching(settings))
    app = FastAPI(
        title=kind.title,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # its redirects are absolute, and know nothing of a path prefix
        responses=failures(500),
    )
    app.add_middleware(Edge, metrics=metrics, tracer=tracer)
    if settings.cors_origins:
        # Without credentials: the service has no password, and no page shall use somebody else's.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after", "x-should-retry", "x-warning"],
            max_age=7200,
        )
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(Gone, _gone)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(transcriptions.router(intake, desk, settings))
    app.include_router(job_routes.router(desk))
    app.include_router(webhooks.router(desk))
    app.include_router(files.router(desk, scheduler, settings.max_upload_bytes))
    app.include_router(batches.router(desk))
    if jobs is not None:
        jobs.feed_by(Feeder(jobs, desk.forms, _fetching(settings)).step)
    app.include_router(recordings.router(desk, settings.jobs_key))
    app.include_router(asr.router(intake, settings))
    app.include_router(realtime.router(scheduler, models, settings.realtime_sessions))
    for router in kind.routers(intake, desk, settings):
        app.include_router(router)
    app.include_router(swagger_pages.router)

    @app.get("/v1/models", tags=["Models"], summary="List the models")
    async def list_models() -> ModelList:
        return models.all()

    @app.get("/v1/models/{model:path}", tags=["Models"], summary="One model", responses=failures(404))
    async def get_model(model: str) -> ModelBody:
        return models.one(model)

    @app.get("/health", tags=["Operations"], summary="Whether the process serves", response_model_exclude_unset=True)
    async def health() -> Health:
        return await run_in_threadpool(healthy)

    def healthy() -> Health:
        common: dict[str, object] = {"status": "healthy", "model": settings.model, "version": __version__}
        if jobs is not None:
            common |= job_bodies.health(jobs.counts())
        return Health.model_validate({**common, **kind.health(scheduler.ready)})

    @app.get("/ready", tags=["Operations"], summary="Whether the model is loaded", responses=failures(503))
    async def ready() -> Ready:
        if scheduler.draining:
            raise Unavailable("The service is stopping.", retry_after=5)
        if not scheduler.ready:
            raise Unavailable(f"The model {settings.model} is not loaded yet.", retry_after=1)
        return Ready()

    @app.get("/status", tags=["Operations"], summary="What the service is and does")
    async def status() -> Status:
        loaded = scheduler.loaded
        counts = None if jobs is None else await run_in_threadpool(jobs.counts)
        wake_at = None if jobs is None else await run_in_threadpool(lambda: jobs.wake_at)
        common = Status(
            state="stopping" if scheduler.draining else "ready" if scheduler.ready else "loading",
            model=settings.model,
            models=[
                ModelStatus(
                    name=name,
                    state="loaded" if name in loaded else "unloaded",
                    memory_bytes=loaded.get(name, 0),
                )
                for name in models.known
            ],
            device=settings.device,
            compute_type=settings.compute_type,
            memory=Memory(resident_bytes=memory.resident(), limit_bytes=memory.limit()),
            queue=Queue(requests=scheduler.admitted, limit=scheduler.limit, waiting_windows=scheduler.waiting),
            stages=[StageStatus(stage=stage.name, share=round(stage.share, 3)) for stage in scheduler.stages],
            jobs=counts and JobQueue(queued=counts.of(JobStatus.QUEUED), processing=counts.of(JobStatus.PROCESSING)),
            wake_at=wake_at,
            uptime_seconds=round(time.monotonic() - started, 1),
            version=__version__,
            libraries=_versions((*LIBRARIES, *kind.libraries)),
        )
        return Status.model_validate(await run_in_threadpool(kind.status, common.model_dump()))

    @app.get(
        "/metrics",
        tags=["Operations"],
        summary="For Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def prometheus() -> Response:
        metrics.models(models.known, scheduler.loaded, scheduler.load_seconds)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json", include_in_schema=False)
    async def schema() -> Response:
        return JSONResponse(document(app))

    return app


def job_forms(kind: Kind, settings: Settings) -> JobForms:
    """The forms that jobs may be handed in with, at this kind of service."""
    limits = Limits(settings.subtitle_line, settings.subtitle_lines, settings.subtitle_seconds)
    return JobForms({**own(transcriptions.rendered), **kind.job_forms()}, limits)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; its server is relative, so that it holds behind any path prefix."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, routes=app.routes, servers=[{"url": "./"}]
        )
        # FastAPI adds its own 422 to every operation with a parameter; here that is a 400.
        for path in app.openapi_schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            app.openapi_schema["components"]["schemas"].pop(name, None)
    return app.openapi_schema


def _fetching(settings: Settings) -> Fetch:
    async def fetch(url: str) -> IO[bytes]:
        # Slow to import, and wanted only where somebody sends a URL.
        from stt_core.fetch.fetcher import Fetcher, Limits

        limits = Limits(settings.max_upload_bytes)
        opened, insecure, authority = settings.url_allow, settings.url_insecure, settings.url_authority
        return await Fetcher(limits, opened, insecure, authority=authority).file(url)

    return fetch


@cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an engine has its own
    return found


def _answer(error: ApiError) -> Response:
    return JSONResponse(errors.body(error), status_code=error.status, headers=errors.headers(error))


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(error)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404:
        return _answer(NotFound(f"There is no {asked}. See /docs for all paths.", code="not_found"))
    if error.status_code == 405:
        methods = (error.headers or {}).get("Allow", "").split(", ")
        allow = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
        message = f"{asked} is not possible; {request.url.path[:200]} takes {allow}."
        return _answer(MethodNotAllowed(message, code="method_not_allowed", headers={"Allow": allow}))
    return _answer(BadRequest(str(error.detail)))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    reason = first["msg"].removeprefix("Value error, ")
    return _answer(BadRequest(f"{name}: {reason}.", param=name, code="invalid_value"))

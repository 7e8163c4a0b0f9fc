"""The application: every path that a service answers."""

import time
from typing import IO, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from stt_core import __version__, asr, errors, pages, transcriptions
from stt_core.edge import Edge
from stt_core.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unavailable
from stt_core.metrics import Metrics
from stt_core.models import ModelBody, ModelList, Models
from stt_core.realtime import routes as realtime
from stt_core.scheduler import Scheduler
from stt_core.settings import Settings


class ErrorFields(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """Every error."""

    error: ErrorFields


class Health(BaseModel):
    """The process serves."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The model is loaded."""

    status: Literal["ready"] = "ready"


class Queue(BaseModel):
    """Requests that are transcribed or wait."""

    requests: int
    limit: int


class Status(BaseModel):
    """What the service is and does."""

    state: Literal["loading", "ready", "stopping"]
    model: str
    device: str
    compute_type: str
    queue: Queue
    uptime_seconds: float
    version: str


ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorBody, "description": "An error."}}


def create(settings: Settings, scheduler: Scheduler, metrics: Metrics, title: str) -> FastAPI:
    """The application; the scheduler is started and closed by whoever made it."""
    started = time.monotonic()
    models = Models.of(settings)
    app = FastAPI(
        title=title,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # its redirects are absolute, and know nothing of a path prefix
        responses=ERRORS,
    )
    app.add_middleware(Edge, metrics=metrics)
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(transcriptions.router(scheduler, models, settings, _fetching(settings)))
    app.include_router(asr.router(scheduler, models, settings))
    app.include_router(realtime.router(scheduler, models, settings.realtime_sessions))
    app.include_router(pages.router)

    @app.get("/v1/models", tags=["Models"], summary="List the models")
    async def list_models() -> ModelList:
        return models.all()

    @app.get("/v1/models/{model:path}", tags=["Models"], summary="One model")
    async def get_model(model: str) -> ModelBody:
        return models.one(model)

    @app.get("/health", tags=["Operations"], summary="Whether the process serves")
    async def health() -> Health:
        return Health()

    @app.get("/ready", tags=["Operations"], summary="Whether the model is loaded")
    async def ready() -> Ready:
        if scheduler.draining:
            raise Unavailable("The service is stopping.", retry_after=5)
        if not scheduler.ready:
            raise Unavailable(f"The model {settings.model} is not loaded yet.", retry_after=1)
        return Ready()

    @app.get("/status", tags=["Operations"], summary="What the service is and does")
    async def status() -> Status:
        return Status(
            state="stopping" if scheduler.draining else "ready" if scheduler.ready else "loading",
            model=settings.model,
            device=settings.device,
            compute_type=settings.compute_type,
            queue=Queue(requests=scheduler.admitted, limit=scheduler.limit),
            uptime_seconds=round(time.monotonic() - started, 1),
            version=__version__,
        )

    @app.get(
        "/metrics",
        tags=["Operations"],
        summary="For Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json", include_in_schema=False)
    async def schema() -> Response:
        return JSONResponse(document(app))

    return app


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; its server is relative, so that it holds behind any path prefix."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, routes=app.routes, servers=[{"url": "./"}]
        )
        # FastAPI adds its own 422 to every operation with a parameter; here that is a 400, under "default".
        for path in app.openapi_schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            app.openapi_schema["components"]["schemas"].pop(name, None)
    return app.openapi_schema


def _fetching(settings: Settings) -> transcriptions.Fetch:
    async def fetch(url: str) -> IO[bytes]:
        # Slow to import, and wanted only where somebody sends a URL.
        from stt_core.fetch import Fetcher, Limits

        limits = Limits(settings.max_upload_bytes)
        return await Fetcher(limits, settings.url_allow, settings.url_insecure).file(url)

    return fetch


def _answer(error: ApiError) -> Response:
    return JSONResponse(errors.body(error), status_code=error.status, headers=errors.headers(error))


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _answer(error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404:
        return _answer(NotFound(f"There is no {asked}; /docs lists what there is.", code="not_found"))
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        message = f"{asked} is not possible; {request.url.path[:200]} takes {allow}."
        return _answer(MethodNotAllowed(message, code="method_not_allowed", headers={"Allow": allow}))
    return _answer(BadRequest(str(error.detail)))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    reason = first["msg"].removeprefix("Value error, ")
    return _answer(BadRequest(f"{name}: {reason}.", param=name, code="invalid_value"))

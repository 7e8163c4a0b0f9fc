"""A service's process: settings in, a listening socket, a loaded model, a clean end."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from stt_core.engine.loading import Loading
from stt_core.engine.protocol import VadOptions
from stt_core.errors import StartError
from stt_core.kind import Build, Kind
from stt_core.observability import logs, tracing
from stt_core.settings import Settings, from_environment

if TYPE_CHECKING:
    from stt_core.http.web import Web

log = logging.getLogger("stt")


def main(build: Build, arguments: list[str], defaults: Settings) -> None:
    """Serve until SIGTERM; with the argument `openapi`, print the OpenAPI document and end.

    defaults: the settings that hold where the environment is silent.
    What keeps the service from starting is one sentence, the last line on standard error, and status 1.
    """
    # onnxruntime reports to its makers unless it is told not to before it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Before uvicorn takes over and after it gave back: a plain end, status 0.
    signal.signal(signal.SIGTERM, _leave)
    try:
        if arguments == ["openapi"]:
            print(openapi(build(defaults), defaults))
        elif arguments:
            raise StartError(f"Unknown argument {arguments[0]!r}: there is only openapi; settings are STT_ variables.")
        else:
            settings = from_environment(defaults=defaults)
            logs.configure(settings.log_format, settings.log_level)
            serve(build(settings), settings)
    except StartError as error:
        sys.exit(str(error))


def serve(kind: Kind, settings: Settings) -> None:
    """Raises StartError when the address is taken or the model cannot be loaded."""
    with process(kind, settings) as server:
        if server.wyoming:
            log.info("listening for Wyoming on %s port %s", *server.wyoming.getsockname()[:2])
        log.info("listening on %s port %s", *server.listener.getsockname()[:2])
        server.run()


class Server:
    """Listening sockets, a model being loaded, and the web server over both."""

    def __init__(self, listener: socket.socket, wyoming: socket.socket | None, web: "Web") -> None:
        self.listener = listener
        self.wyoming = wyoming
        self._web = web

    def run(self) -> None:
        """Until `stop`, or SIGTERM in the main thread; accepted requests are finished first."""
        self._web.run(sockets=[self.listener])

    def stop(self) -> None:
        self._web.drain()


@contextmanager
def process(kind: Kind, settings: Settings) -> Iterator[Server]:
    """A server to run. Raises StartError on the way in or out, when the model could not be loaded."""
    traced = tracing.wanted()
    with ExitStack() as ending:
        listener = ending.enter_context(_listener("STT", settings.host, settings.port))
        wyoming = None
        if settings.wyoming_port is not None:
            wyoming = ending.enter_context(_listener("STT_WYOMING", settings.wyoming_host, settings.wyoming_port))
        loading = Loading(kind.engine(), settings.model)
        loading.start()  # while the web framework is still being imported
        # A process that ends while native code loads a model in it is aborted.
        ending.callback(loading.done.exception)

        import uvicorn

        from stt_core.api import create, job_forms
        from stt_core.engine.model_cache import model_cache
        from stt_core.engine.models import Models
        from stt_core.http.web import Web
        from stt_core.observability.metrics import Metrics
        from stt_core.realtime.routes import WEBSOCKETS
        from stt_core.scheduling.scheduler import Scheduler

        metrics = Metrics()
        traces = tracing.Tracing(kind.title) if traced else None
        if traces is not None:
            ending.callback(traces.close)
        scheduler = Scheduler(
            model_cache(kind.engine, settings),
            loading,
            settings.queue,
            metrics,
            settings.max_audio_seconds,
            VadOptions(threshold=settings.vad_threshold),
        )
        jobs = None
        if settings.jobs_dir is not None:
            from stt_core.jobs.service import JobService

            classes = job_forms(kind, settings).classes
            jobs = JobService(settings, scheduler, Models.of(settings), classes)
            kind.starting(jobs)
        app = create(kind, settings, scheduler, metrics, traces, jobs)
        scheduler.start()
        ending.callback(scheduler.close)
        if jobs is not None:
            jobs.start()
            ending.callback(jobs.close)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than nginx and autostart keep theirs: they close first
            **WEBSOCKETS,
        )
        server = Server(listener, wyoming, Web(config, scheduler, settings.stop_seconds, jobs.stop if jobs else None))
        loading.done.add_done_callback(lambda _: server.stop() if loading.failure else None)
        if wyoming:
            from stt_core.wyoming.conversation import House
            from stt_core.wyoming.server import serving

            models = Models.of(settings)
            house = House(kind.title, scheduler, models, metrics, traces, settings.max_upload_bytes)
            ending.enter_context(serving(wyoming, house))
        yield server
    if isinstance(loading.failure, StartError):
        raise loading.failure
    if loading.failure is not None:
        raise StartError(f"The model {settings.model} cannot be loaded: {loading.failure}") from loading.failure


def openapi(kind: Kind, settings: Settings) -> str:
    """The OpenAPI document as committed: without a model, of a kind made with its usual settings."""
    import json

    from stt_core.api import create, document
    from stt_core.engine.model_cache import model_cache
    from stt_core.observability.metrics import Metrics
    from stt_core.scheduling.scheduler import Scheduler

    metrics = Metrics()
    loading = Loading(kind.engine(), settings.model)
    scheduler = Scheduler(model_cache(kind.engine, settings), loading, settings.queue, metrics)
    return json.dumps(document(create(kind, settings, scheduler, metrics)), indent=2, ensure_ascii=False)


def _listener(prefix: str, host: str, port: int) -> socket.socket:
    """prefix: of the two settings that say where. Raises StartError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise StartError(
            f"Cannot listen on {host} port {port}: {error.strerror}; set {prefix}_HOST and {prefix}_PORT."
        ) from None
    return listener


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)

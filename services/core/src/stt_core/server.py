"""A service's process: settings in, a listening socket, a loaded model, a clean end."""

import logging
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from stt_core.engine import Engine
from stt_core.errors import StartError
from stt_core.metrics import Metrics
from stt_core.scheduler import Scheduler
from stt_core.settings import Settings, from_environment

EngineFactory = Callable[[Settings], Engine]


def main(make: EngineFactory, title: str, arguments: list[str]) -> None:
    """Serve until SIGTERM; with the argument `openapi`, print the OpenAPI document and end.

    What keeps the service from starting is one sentence, the last line on standard error, and status 1.
    """
    # Before uvicorn takes over and after it gave back: a plain end, status 0.
    signal.signal(signal.SIGTERM, _leave)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        if arguments == ["openapi"]:
            print(openapi(make, title))
        elif arguments:
            raise StartError(
                f"Unknown argument {arguments[0]!r}: there is only openapi; settings are STT_ variables."
            )
        else:
            serve(make, title, from_environment())
    except StartError as error:
        sys.exit(str(error))


def serve(make: EngineFactory, title: str, settings: Settings) -> None:
    """Raises StartError when the address is taken or the model cannot be loaded."""
    listener = _listener(settings)
    metrics = Metrics()
    scheduler = Scheduler(make(settings), settings.model, settings.queue, metrics)
    scheduler.start()  # the model loads while the web framework is still being imported

    import uvicorn

    from stt_core.api import create

    config = uvicorn.Config(
        create(settings, scheduler, metrics, title),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than nginx and autostart keep theirs: they close first
    )
    server = uvicorn.Server(config)

    def stop_on_failure(_: object) -> None:
        if scheduler.loaded.exception() is not None:
            server.should_exit = True

    scheduler.loaded.add_done_callback(stop_on_failure)
    logging.getLogger("stt").info("listening on %s port %s", *listener.getsockname()[:2])
    try:
        server.run(sockets=[listener])
    finally:
        scheduler.close()
    failure = scheduler.loaded.exception() if scheduler.loaded.done() else None
    if isinstance(failure, StartError):
        raise failure
    if failure is not None:
        raise StartError(f"The model {settings.model} cannot be loaded: {failure}") from failure


def openapi(make: EngineFactory, title: str) -> str:
    """The OpenAPI document as committed: without a model, whatever the environment says."""
    import json

    from stt_core.api import create, document

    settings = Settings.model_construct()
    metrics = Metrics()
    app = create(settings, Scheduler(make(settings), settings.model, settings.queue, metrics), metrics, title)
    return json.dumps(document(app), indent=2, ensure_ascii=False)


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        where = f"{settings.host} port {settings.port}"
        raise StartError(f"Cannot listen on {where}: {error.strerror}; set STT_HOST and STT_PORT.") from None
    return listener


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)

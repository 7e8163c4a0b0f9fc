"""GET /v1/realtime: who gets a session, and how uvicorn serves it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, WebSocket
from starlette.websockets import WebSocketDisconnect

from stt_core.engine.models import Models
from stt_core.engine.protocol import Options
from stt_core.errors import ApiError, BadRequest, Busy, Unavailable
from stt_core.http.internals import WebSocketProtocol
from stt_core.realtime import events, settings
from stt_core.realtime.connection import RESTART, STOPPING, Connection
from stt_core.realtime.input_audio_buffer import InputAudioBuffer
from stt_core.realtime.session import Session
from stt_core.realtime.settings import Asked, SessionSettings
from stt_core.scheduling.scheduler import Scheduler

PATH = "/v1/realtime"
SUBPROTOCOL = "realtime"
CONVERSATION = ("gpt-realtime", "gpt-4o-realtime", "gpt-4o-mini-realtime")
"""How the names of OpenAI's models begin that a URL may ask for and that do not transcribe but answer."""

MESSAGE_BYTES = 16 * 1024 * 1024
"""An append of 15 MiB, as OpenAI's API takes it."""

LATER, REFUSED = 1013, 1008
"""Codes with which a websocket is closed that gets no session."""


class UpgradeRequired(BadRequest):
    """A plain request for what is a websocket."""

    status = 426


class Sessions:
    """How many there are, and may be."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises Busy."""
        if self.open >= self.limit:
            raise Busy(
                f"{self.limit} realtime sessions are open, as many as this service takes; try again later.",
                retry_after=10,
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Protocol(WebSocketProtocol):
    """When the service stops, a session may tell what it has heard before it closes."""

    code = RESTART
    reason = STOPPING


WEBSOCKETS: dict[str, Any] = {
    "ws": Protocol,
    "ws_max_size": MESSAGE_BYTES,
    "ws_per_message_deflate": False,  # audio does not shrink, and inflating is work for a stranger to order
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": None,  # while a session has enough to do its pongs are not read either
}
"""How uvicorn serves websockets."""


def router(scheduler: Scheduler, models: Models, limit: int) -> APIRouter:
    """limit: sessions at once."""
    routes = APIRouter(tags=["Audio"])
    sessions = Sessions(limit)

    async def check(wanted: SessionSettings) -> Options | None:
        if wanted.asked is None:
            return None
        model = models.resolve(wanted.asked.model)
        able = await scheduler.capabilities(model)
        return replace(settings.options(wanted, wanted.asked, able), model=model)

    @routes.websocket(PATH)
    async def realtime(websocket: WebSocket) -> None:
        identity = f"sess_{uuid.uuid4().hex}"
        chosen = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
        await websocket.accept(chosen, headers=[(b"x-request-id", identity.encode())])
        try:
            with sessions.place():
                if not scheduler.ready:
                    raise Unavailable("The service is starting or stopping; try again.", retry_after=1)
                asked = websocket.query_params
                named = asked.get("model") or asked.get("deployment")  # the latter by Azure's client
                wanted = SessionSettings(Asked(_model(named, models)))
                session = Session(identity, wanted, await check(wanted))
                buffer = InputAudioBuffer(scheduler.voice(), wanted.encoding)
                await Connection(websocket, scheduler, check, session, buffer).run()
        except ApiError as error:
            with suppress(WebSocketDisconnect):  # it did not wait to be told
                await websocket.send_text(events.written(events.failure(error)))
                await websocket.close(LATER if isinstance(error, Busy | Unavailable) else REFUSED)

    @routes.get(PATH, include_in_schema=False)
    async def not_upgraded(_: Request) -> None:
        raise UpgradeRequired(f"{PATH} is a websocket: connect with wss:// or ws://.", headers={"Upgrade": "websocket"})

    return routes


def _model(asked: str | None, models: Models) -> str:
    """The model that a URL asks for; the default where it says none that transcribes."""
    return models.default if not asked or asked.startswith(CONVERSATION) else asked

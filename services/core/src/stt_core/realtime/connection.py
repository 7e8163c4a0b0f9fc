"""A session's websocket: what is read goes to the session, what it says is done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from io import BytesIO

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from stt_core.audio import RawPcm
from stt_core.engine.protocol import Options, WindowResult
from stt_core.errors import ApiError, BadRequest
from stt_core.realtime import events
from stt_core.realtime.events import Append, Clear, ClientEvent, Commit, Update, WrongEvent
from stt_core.realtime.input_audio_buffer import InputAudioBuffer
from stt_core.realtime.session import Decode, Drop, Effect, Send, Session
from stt_core.realtime.settings import SessionSettings, changed
from stt_core.scheduling.scheduler import Scheduler

log = logging.getLogger("stt")

AHEAD = 4
"""Parts of one session that may wait for the engine; then no more is read from its socket."""
IDLE_SECONDS = 600
"""A client that says nothing, or takes nothing, for so long is let go: it keeps the service from sleeping."""

NORMAL, ERROR, RESTART = 1000, 1011, 1012
"""Codes with which a websocket is closed."""
STOPPING = "The service is stopping."


Check = Callable[[SessionSettings], Awaitable[Options | None]]
"""What settings ask of the engine. Raises ApiError where that cannot be done."""


class Connection:
    """Does what the session says, and tells it what comes of it."""

    def __init__(
        self,
        websocket: WebSocket,
        scheduler: Scheduler,
        check: Check,
        session: Session,
        buffer: InputAudioBuffer,
    ) -> None:
        self._websocket = websocket
        self._scheduler = scheduler
        self._check = check
        self._session = session
        self._buffer = buffer
        self._turn = asyncio.Lock()  # the effects of one step are done before those of the next
        self._decoding: dict[int, asyncio.Task[None]] = {}
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Until the client leaves, is idle for too long, or the service stops."""
        try:
            await self._do(self._session.created())
            await self._listen()
        except (WebSocketDisconnect, WebSocketDisconnected, TimeoutError):
            pass  # the client is gone
        except Exception:
            log.exception("a session failed", extra={"fields": {"request_id": self._session.id}})
            await self._close(ERROR, f"The service failed; its log has the reason under {self._session.id}.")
        finally:
            for task in self._decoding.values():
                task.cancel()

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self._websocket.receive()
            except TimeoutError:
                error = BadRequest(f"No event was received for {IDLE_SECONDS} s.", code="session_expired")
                await self._tell(error, None)
                await self._close(NORMAL, error.message)
                return
            if message["type"] == "websocket.disconnect":
                if message.get("reason") == STOPPING:
                    await self._do(self._session.end())
                    await asyncio.gather(*self._decoding.values())
                    await self._close(RESTART, STOPPING)
                return
            await self._receive(message.get("text"))

    async def _receive(self, text: str | None) -> None:
        try:
            event = events.parsed(text or "")
        except WrongEvent as wrong:
            await self._tell(wrong.error, wrong.event_id)
            return
        try:
            await self._follow(event)
        except ApiError as error:
            await self._tell(error, event.event_id)

    async def _follow(self, event: ClientEvent) -> None:
        match event:
            case Append(audio=audio):
                await self._hear(audio)
            case Commit():
                await self._do(self._session.commit())
            case Clear():
                await self._do(self._session.clear())
            case Update(session=change):
                settings = changed(self._session.settings, change)
                options = await self._check(settings)
                if settings.encoding != self._session.settings.encoding:
                    self._buffer.tune(settings.encoding)
                await self._do(self._session.update(settings, options))

    async def _hear(self, audio: str) -> None:
        data = await asyncio.to_thread(self._buffer.read, audio)
        if not self._session.room(self._buffer.seconds(data)):
            raise BadRequest(
                "The buffer is full: commit it, or turn on turn_detection. This audio was discarded.",
                param="audio",
                code="input_audio_buffer_full",
            )
        pieces = self._buffer.hear(data)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await self._do(self._session.hear(*piece))
            while self._session.waiting >= AHEAD:
                self._answered.clear()
                await self._answered.wait()

    async def _do(self, effects: Sequence[Effect]) -> None:
        async with self._turn, asyncio.timeout(IDLE_SECONDS):
            for effect in effects:
                match effect:
                    case Send(event):
                        await self._websocket.send_text(events.written(event))
                    case Decode(part, samples, options):
                        self._decoding[part] = asyncio.create_task(self._decode(part, samples, options))
                    case Drop(part):
                        if task := self._decoding.pop(part, None):
                            task.cancel()

    async def _decode(self, part: int, samples: bytes, options: Options) -> None:
        loop = asyncio.get_running_loop()
        results: asyncio.Queue[WindowResult | None] = asyncio.Queue()

        def heard(result: WindowResult) -> None:
            loop.call_soon_threadsafe(results.put_nowait, result)

        transcription = self._scheduler.submit(RawPcm(BytesIO(samples)), options, heard)
        answer = asyncio.wrap_future(transcription.answer)
        answer.add_done_callback(lambda _: results.put_nowait(None))
        try:
            while (result := await results.get()) is not None:
                await self._do(self._session.heard(part, result))
            failure = answer.exception()
            error = failure if isinstance(failure, ApiError) or failure is None else ApiError(str(failure))
            await self._do(self._session.answered(part, error))
        except (WebSocketDisconnect, WebSocketDisconnected, TimeoutError):
            pass  # whoever reads the socket notices too
        finally:
            self._scheduler.cancel(transcription)
            answer.cancel()
            self._decoding.pop(part, None)
            self._answered.set()

    async def _tell(self, error: ApiError, event_id: str | None) -> None:
        await self._do([Send(events.failure(error, event_id))])

    async def _close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, WebSocketDisconnected):  # it is closed already
            await self._websocket.close(code, reason)

"""One transcription, followed from the event loop: to its end, or as its results come."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from concurrent.futures import Future
from contextlib import ExitStack, aclosing, suppress
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stt_core.audio import AudioSource
from stt_core.engine.protocol import Options, Transcript, WindowResult
from stt_core.errors import ApiError
from stt_core.http import events
from stt_core.http.events import Telling
from stt_core.scheduling.scheduler import Scheduler
from stt_core.scheduling.transcription import Stage

SILENCE = 15.0
"""Seconds after which a stream without news says that it lives; proxies wait for 60 and more."""

GONE = 499
"""nginx's status for a client that closed the connection; nobody is there to read it."""


class Gone(Exception):
    """The client has hung up."""


News = WindowResult | Stage | Transcript | None
"""Of a transcription; None where nothing came for a while."""

Value = TypeVar("Value")


async def unless_gone(request: Request, wanted: Awaitable[Value]) -> Value:
    """What is wanted. Raises Gone as soon as the client has hung up."""
    answer = asyncio.ensure_future(wanted)
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Gone
        return answer.result()
    finally:
        left.cancel()
        answer.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Live:
    """A submitted transcription, whose results can be awaited one by one."""

    def __init__(self, scheduler: Scheduler, source: AudioSource, options: Options) -> None:
        loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[WindowResult | Stage | Future[Transcript]] = asyncio.Queue()

        def tell(news: "WindowResult | Stage | Future[Transcript]") -> None:
            with suppress(RuntimeError):  # the loop has ended, so nobody listens
                loop.call_soon_threadsafe(self._news.put_nowait, news)

        self.transcription = scheduler.submit(source, options, on_result=tell, on_stage=tell)
        self.transcription.answer.add_done_callback(tell)

    async def next(self) -> News:
        """The next result, then the stages of what follows, at last the transcript. Raises ApiError."""
        try:
            news = await asyncio.wait_for(self._news.get(), SILENCE)
        except TimeoutError:
            return None
        return news.result() if isinstance(news, Future) else news


async def event_stream(live: Live, news: News, telling: Telling) -> AsyncGenerator[bytes, None]:
    """The events of a transcription, of which `news` is known already."""
    try:
        while not isinstance(news, Transcript):
            if news is None:
                yield events.STILL_HERE
            elif isinstance(news, Stage):
                yield events.reached(news)
            else:
                for event in telling.heard(news):
                    yield event
            news = await live.next()
        for event in telling.finished(news):
            yield event
    except ApiError as error:
        yield events.failed(error)


class EventStream(StreamingResponse):
    """Owns what it was `given` until its last byte is sent or the client has left."""

    def __init__(self, content: AsyncGenerator[bytes, None], given: ExitStack) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._content = content
        self._given = given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._given:
            async with aclosing(self._content):
                await super().__call__(scope, receive, send)

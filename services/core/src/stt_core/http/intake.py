"""The way of a request that brings audio: admitted, its form read, its model found, submitted, waited for.

Each path adds what is its own: how its form is read, what sources it makes of the file, how it answers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request

from stt_core.audio import AudioSource
from stt_core.engine.models import Models
from stt_core.engine.protocol import Capabilities, Options, Transcript
from stt_core.errors import about
from stt_core.http.aliases import DEPLOYMENT
from stt_core.http.form import Begins
from stt_core.http.live import Gone, Live, unless_gone
from stt_core.scheduling.scheduler import Scheduler

Fetch = Callable[[str], Awaitable[IO[bytes]]]
"""The file behind a URL."""


class Asked(Protocol):
    """What a form asks for. model: a name that clients use; empty for the service's own."""

    @property
    def model(self) -> str: ...

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked for. Raises BadRequest for what it cannot do."""


Form = TypeVar("Form", bound=Asked)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Received(Generic[Form]):
    """A form that was read. file: None where `url` says where it is. name: of the file, by its sender."""

    file: IO[bytes] | None
    asked: Form
    url: str = ""
    name: str = ""


Read = Callable[[Request, int, Begins], Awaitable[Received[Form]]]
"""Reads a form with a file of at most so many bytes. Raises ApiError, and starlette's ClientDisconnect."""
Submits = Callable[[Sequence[tuple[str, Any]]], bool]
"""Whether a request hands in a job, by the fields that stand before its file. Raises ApiError."""


class Taken(Generic[Form]):
    """A request that was admitted and understood; it holds its place until `Intake.take` ends."""

    def __init__(
        self,
        request: Request,
        scheduler: Scheduler,
        received: Received[Form],
        options: Options,
        fetch: Fetch | None,
        held: ExitStack,
    ) -> None:
        self.asked = received.asked
        self.name = received.name
        self.options = options
        self._request = request
        self._scheduler = scheduler
        self._received = received
        self._fetch = fetch
        self._held = held
        self._closing = held.enter_context(ExitStack())
        if received.file is not None:
            self._closing.callback(received.file.close)

    @property
    def has_file(self) -> bool:
        """It came with the request."""
        return self._received.file is not None

    async def file(self) -> IO[bytes]:
        """The file, fetched where only its URL was sent. Raises ApiError, and Gone."""
        if self._received.file is not None:
            return self._received.file
        assert self._fetch is not None, "only a form that may bring a URL has no file"
        file = await self.wait(self._fetch(self._received.url))
        self._closing.callback(file.close)
        self._received = replace(self._received, file=file)
        return file

    async def release(self) -> IO[bytes]:
        """As `file`, which is the caller's to close from here on."""
        file = await self.file()
        self._closing.pop_all()
        return file

    async def transcripts(self, *sources: AudioSource) -> Sequence[Transcript]:
        """One of each source, which are transcribed side by side. Raises ApiError, and Gone."""
        transcriptions = [self._scheduler.submit(source, self.options) for source in sources]
        for transcription in transcriptions:
            self._held.callback(self._scheduler.cancel, transcription)
        return await self.wait(
            asyncio.gather(*[asyncio.wrap_future(transcription.answer) for transcription in transcriptions])
        )

    def live(self, source: AudioSource) -> Live:
        """The source being transcribed, result by result."""
        live = Live(self._scheduler, source, self.options)
        self._held.callback(self._scheduler.cancel, live.transcription)
        return live

    async def wait(self, wanted: Awaitable[Value]) -> Value:
        """What is wanted. Raises Gone as soon as the client has hung up."""
        return await unless_gone(self._request, wanted)

    def keep(self) -> ExitStack:
        """Its place and its transcriptions, for an answer that lasts longer than `Intake.take`."""
        return self._held.pop_all()


class Intake:
    """Takes requests. max_bytes: of a file. fetch: where a form may bring the URL of one."""

    def __init__(self, scheduler: Scheduler, models: Models, max_bytes: int, fetch: Fetch | None = None) -> None:
        self._scheduler = scheduler
        self._models = models
        self._max_bytes = max_bytes
        self._fetch = fetch

    @asynccontextmanager
    async def take(
        self, request: Request, read: Read[Form], field: str = "file", submits: Submits = lambda _: False
    ) -> AsyncIterator[Taken[Form]]:
        """The request, once it has a place and its form is read; both are given back when this ends.

        field: of the audio, for what is said of it. submits: a job needs no place among the requests that are
        answered at once, so that it is taken however many there are. Raises ApiError, and Gone.
        """
        with ExitStack() as held:

            def begins(fields: Sequence[tuple[str, Any]]) -> None:
                held.enter_context(self._scheduler.submission() if submits(fields) else self._scheduler.admission())

            try:
                received = await read(request, self._max_bytes, begins)
            except ClientDisconnect:
                raise Gone from None
            with ExitStack() as closing:  # until it is in other hands
                if received.file is not None:
                    closing.callback(received.file.close)
                asked = received.asked
                model = self._models.resolve(request.scope.get(DEPLOYMENT) or asked.model)
                options = replace(asked.options(await self._scheduler.capabilities(model)), model=model)
                closing.pop_all()
            held.enter_context(about("url" if received.url else field))
            yield Taken(request, self._scheduler, received, options, self._fetch, held)

"""One connection: events in, events out."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass

from wyoming.asr import Transcript as Heard
from wyoming.asr import TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.ping import Ping, Pong

from stt_core import __version__, languages
from stt_core.engine.models import Models
from stt_core.engine.protocol import Options, Transcript, WindowResult
from stt_core.errors import ApiError, BadRequest
from stt_core.http.edge import Tracer, note
from stt_core.http.live import Live
from stt_core.observability.account import Account
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.scheduler import Scheduler
from stt_core.wyoming.events import Format, Request, fields, read
from stt_core.wyoming.utterance import Utterance

IDLE_SECONDS = 60.0
"""A client that says nothing, or does not take what it is told, is given up after so long."""
LINGER_SECONDS = 10.0
"""So long after an error the rest of what a client says is read and thrown away: closing at once would make
its system drop the error unread."""
HOTWORDS = 2000
"""Characters of the names and terms that are used; Whisper reads some 220 tokens."""


@dataclass(frozen=True)
class House:
    """What every conversation needs. upload_limit: bytes of one utterance."""

    title: str
    scheduler: Scheduler
    models: Models
    metrics: Metrics
    tracer: Tracer | None
    upload_limit: int


class Conversation:
    """Serves a client until it leaves, errs or is silent for too long.

    An error ends it: Home Assistant knows no other sign that there will be no transcript.
    """

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy = False  # somebody speaks, or waits for what was heard
        self.last = False  # the service ends: nothing more after what is under way
        self._house = house
        self._reader = reader
        self._writer = writer
        self._request = Request()
        self._ahead: asyncio.Task[Event | None] | None = None

    async def run(self) -> None:
        try:
            await self._talk()
        except (OSError, TimeoutError):
            pass  # it is gone, or as good as gone
        finally:
            await self._stop_reading()
            self._writer.close()

    async def refuse(self, error: ApiError) -> None:
        """Say why nobody talks to this client, and close."""
        with contextlib.suppress(OSError, TimeoutError):
            await self._write(Error(error.message, error.code))
        self._writer.close()

    async def _talk(self) -> None:
        try:
            while not self.last and (event := await self._next()) is not None:
                await self._answer(event)
        except ApiError as error:
            await self._fail(error)

    async def _answer(self, event: Event) -> None:
        """What is not known is passed over, as the protocol wants it."""
        match event.type:
            case "describe":
                await self._write(await info(self._house))
            case "ping":
                await self._write(Pong(_text(event)))
            case "transcribe":
                self._request = fields(Request, event)
            case "audio-start" | "audio-chunk":
                await self._serve(event)

    async def _serve(self, event: Event) -> None:
        """One utterance, accounted for like any request."""
        house = self._house
        account = Account(f"req_{uuid.uuid4().hex}", method="TCP", route="wyoming")
        self.busy = True
        try:
            with house.metrics.in_flight.track_inprogress(), account.open():
                account.gone = not await self._hear(event)
                account.status = 0 if account.gone else 200
        except ApiError as error:
            account.status = error.status
            raise
        except (OSError, TimeoutError):
            account.gone = True
            raise
        finally:
            self.busy = False
            self._request = Request()
            note(account, house.metrics, house.tracer)

    async def _hear(self, event: Event) -> bool:
        """Take in an utterance from its first event on, and answer it. False: the client has left."""
        house = self._house
        options = await self._options()
        form = fields(Format, event)
        with house.scheduler.admission(), Utterance(form, house.upload_limit) as utterance:
            while event.type != "audio-stop":
                if event.type == "audio-chunk":
                    if fields(Format, event) != form:
                        message = "The audio changes its format within an utterance."
                        raise BadRequest(message, param="rate", code="invalid_value")
                    utterance.add(event.payload or b"")
                elif event.type == "ping":
                    await self._write(Pong(_text(event)))
                following = await self._next()
                if following is None:
                    return False
                event = following
            if utterance.empty:
                await self._write(Heard(""))
                return True
            return await self._transcribe(utterance, options)

    async def _transcribe(self, utterance: Utterance, options: Options) -> bool:
        """False: the client has left, and no further forward is made for it."""
        live = Live(self._house.scheduler, utterance.source(), options)
        telling = asyncio.create_task(self._tell(live))
        self._ahead = ahead = asyncio.create_task(read(self._reader))
        try:
            await asyncio.wait({telling, ahead}, return_when=asyncio.FIRST_COMPLETED)
            if not telling.done() and ahead.exception() is None and ahead.result() is None:
                return False
            await telling
            return True
        finally:
            self._house.scheduler.cancel(live.transcription)
            telling.cancel()

    async def _tell(self, live: Live) -> None:
        """The text in pieces as it is heard, then the whole of it, which is all that older clients know."""
        begun = False
        while not isinstance(news := await live.next(), Transcript):
            if not isinstance(news, WindowResult):
                continue
            text = "".join(segment.text for segment in news.segments)
            if not begun and text.strip():
                await self._write(TranscriptStart(language=news.language))
                begun, text = True, text.lstrip()
            if text:
                await self._write(TranscriptChunk(text))
        if not begun:
            await self._write(TranscriptStart(language=news.language))
        await self._write(Heard(news.text, language=news.language))
        await self._write(TranscriptStop())

    async def _options(self) -> Options:
        """Raises ApiError."""
        house, asked = self._house, self._request
        model = house.models.resolve(asked.name or "")
        capabilities = await house.scheduler.capabilities(model)
        expected = ", ".join([*(asked.transcript_names or ()), *(asked.transcript_terms or ())])
        return Options(
            model=model,
            language=languages.asked(asked.language, capabilities.languages, "language"),
            hotwords=expected[:HOTWORDS] if capabilities.hotwords else "",
        )

    async def _next(self) -> Event | None:
        """Raises TimeoutError when the client is silent for too long."""
        ahead, self._ahead = self._ahead or asyncio.create_task(read(self._reader)), None
        async with asyncio.timeout(IDLE_SECONDS):
            return await ahead

    async def _stop_reading(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait({ahead})

    async def _write(self, event: Eventable) -> None:
        async with asyncio.timeout(IDLE_SECONDS):
            await async_write_event(event.event(), self._writer)

    async def _fail(self, error: ApiError) -> None:
        await self._stop_reading()
        await self._write(Error(error.message, error.code))
        self._writer.write_eof()
        async with asyncio.timeout(LINGER_SECONDS):
            while await self._reader.read(64 * 1024):
                pass


async def info(house: House) -> Info:
    """The answer to `describe`. Of the models it has the default one: what others can do is known only when
    they are loaded. They are had by name."""
    name = house.models.default
    known = (await house.scheduler.capabilities(name)).languages
    owner = Attribution(name.split("/")[0], f"https://huggingface.co/{name}")
    program = AsrProgram(
        name=house.title,
        attribution=Attribution("Greffier", ""),
        installed=True,
        description="Speech to text on your own machine",
        version=__version__,
        models=[AsrModel(name, owner, True, name, None, languages.listed(known))],
        supports_transcript_streaming=True,
    )
    return Info(asr=[program])


def _text(event: Event) -> str | None:
    text = Ping.from_event(event).text
    return text if isinstance(text, str) else None

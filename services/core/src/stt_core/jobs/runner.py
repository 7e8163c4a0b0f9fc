"""Jobs on their way through the scheduler: taken from the queue, transcribed beside the requests, kept.

It has a thread and an event loop of its own: the queue's heartbeats must go on while a forward holds everything
else up for seconds.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import IO, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from stt_core.audio import SAMPLE_RATE, AudioFile
from stt_core.engine.models import Models
from stt_core.engine.protocol import Capabilities, Options, Transcript
from stt_core.errors import ApiError, Unavailable
from stt_core.jobs.attempts import TRIES, Attempts
from stt_core.jobs.model import Attempt, Job
from stt_core.jobs.protocol import Queue
from stt_core.scheduling.scheduler import Scheduler
from stt_core.scheduling.transcription import Heard, Stage, Transcription

log = logging.getLogger("stt")

TOGETHER = 8
"""Jobs that are processed at once: what fills a batch when each is one window, as voice messages are."""
LOOK_SECONDS = 5.0
"""Between looks whether a job that is processed is still wanted, while nothing is heard of it."""
AGAIN_SECONDS = 2.0
"""Before a write is tried again that the database could not take."""
STAGES = 0.4
"""The share of a job that what follows the last window counts for, where speakers are told apart."""
ENDING = 0.03
"""The same where they are not."""

Value = TypeVar("Value")
Open = Callable[[Job], Awaitable[IO[bytes]]]
"""The recording of a job, from wherever it lies. Raises ApiError where it is no more."""


class Form(Protocol):
    """What a job asks for, read from its fields."""

    @property
    def model(self) -> str: ...

    @property
    def track(self) -> int | None: ...

    def options(self, capabilities: Capabilities) -> Options:
        """What the engine is asked for. Raises BadRequest."""


class Lost(Exception):
    """The job is not this worker's any more: it was cancelled, or another has taken it over."""


class Runner:
    """forms: the classes of forms by name. ended: called, in the runner's thread, with each job that has ended."""

    def __init__(
        self,
        scheduler: Scheduler,
        models: Models,
        attempts: Attempts,
        queue: Queue,
        open_recording: Open,
        forms: Mapping[str, type[BaseModel]],
        ended: Callable[[Job], None],
    ) -> None:
        self._scheduler = scheduler
        self._models = models
        self._attempts = attempts
        self._queue = queue
        self._open = open_recording
        self._forms = forms
        self._ended = ended
        self._stopping = threading.Event()
        self._hands: dict[str, _Hand] = {}
        self._thread = threading.Thread(target=self._main, name="jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more, and give back what is in hand. May be called by a signal's handler."""
        self._stopping.set()
        for hand in list(self._hands.values()):
            hand.let_go()
        self._queue.stop()

    def join(self) -> None:
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def cancel(self, identity: str) -> None:
        """A job is not wanted any more; it is one of this worker's, or another's that will find out."""
        if hand := self._hands.get(identity):
            hand.let_go()

    def _main(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
            except Exception:
                log.exception("the queue of jobs cannot be read; trying again")
                self._stopping.wait(AGAIN_SECONDS)

    async def _serve(self) -> None:
        while not self._scheduler.ready:  # no attempt is counted while the model is loaded
            if self._stopping.is_set():
                return
            await asyncio.sleep(0.1)
        await self._queue.serve(self._handle, TOGETHER)

    async def _handle(self, attempt: Attempt) -> bool:
        job = attempt.job
        try:
            transcript = await self._transcribed(attempt)
            kept = await self._written(lambda: self._attempts.finish(attempt, transcript))
            log.info("job %s completed: %.1f s of audio", job.id, transcript.duration)
        except Lost:
            kept = False
        except Unavailable:
            await self._written(lambda: self._attempts.release(attempt, counts=False))
            return False
        except Exception as error:
            told = error if isinstance(error, ApiError) else _failed(error, job)
            if told.status >= 500 and attempt.number < TRIES:
                log.warning("job %s failed at attempt %d of %d and waits again", job.id, attempt.number, TRIES)
                await self._written(lambda: self._attempts.release(attempt, counts=True))
                self._queue.wake()
                return False
            kept = await self._written(lambda: self._attempts.fail(attempt, told))
            log.info("job %s failed: %s", job.id, told.message)
        if kept:
            await run_in_threadpool(self._ended, job)
        return kept

    async def _transcribed(self, attempt: Attempt) -> Transcript:
        job = attempt.job
        form = self._form(job)
        model = self._models.resolve(form.model)
        capabilities = await self._scheduler.capabilities(model)
        asked = form.options(capabilities)
        # The result may be wanted in any format later, subtitles among them.
        options = replace(asked, model=model, word_times=asked.word_times or capabilities.word_times)
        known = await run_in_threadpool(self._attempts.heard, job.id)
        file = await self._open(job)
        hand = _Hand(self._scheduler, job, options, known)
        self._hands[job.id] = hand
        try:
            if self._stopping.is_set():
                file.close()
                raise _stopping()
            hand.begin(AudioFile(file, track=form.track))
            return await self._followed(attempt, hand)
        finally:
            del self._hands[job.id]
            hand.let_go()

    async def _followed(self, attempt: Attempt, hand: "_Hand") -> Transcript:
        """The transcript, its windows kept as they come. Raises Lost, Unavailable and ApiError."""
        while not hand.done.is_set():
            waits = [asyncio.ensure_future(hand.done.wait()), asyncio.ensure_future(hand.news.wait())]
            await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if hand.done.is_set():
                break
            heard = hand.taken()
            try:
                kept = await run_in_threadpool(self._attempts.checkpoint, attempt, heard, hand.progress)
            except Exception as error:  # what is not kept is only done again
                log.warning("job %s: the database cannot be written: %s", attempt.job.id, _first_line(error))
                continue
            if not kept:
                raise Lost
        if self._stopping.is_set() and not hand.answered:
            raise _stopping()
        if not hand.answered:
            raise Lost
        return hand.transcript()

    def _form(self, job: Job) -> Form:
        kind = self._forms.get(job.request.form)
        if kind is None:
            raise ApiError(f"This service has no form {job.request.form!r}.", code="unknown_form")
        try:
            form: Form = kind.model_validate(job.request.fields)  # type: ignore[assignment]
        except ValidationError as error:
            raise ApiError(f"What the job asks for cannot be read: {_first_line(error)}", code="invalid_job") from None
        return form

    async def _written(self, write: Callable[[], Value]) -> Value:
        """A write that must not be lost while the database is away; other workers take over if it lasts."""
        while True:
            try:
                return await run_in_threadpool(write)
            except Exception as error:
                log.warning("the jobs' database cannot be written, trying again: %s", _first_line(error))
                if self._stopping.is_set():
                    raise
                await asyncio.sleep(AGAIN_SECONDS)


class _Hand:
    """A job that is being transcribed, followed from the runner's loop."""

    def __init__(self, scheduler: Scheduler, job: Job, options: Options, known: Mapping[int, Heard]) -> None:
        self.news, self.done = asyncio.Event(), asyncio.Event()
        self._scheduler = scheduler
        self._loop = asyncio.get_running_loop()
        self._job = job
        self._options = options
        self._known = known
        self._heard: list[Heard] = []
        self._reached = max((one.end for one in known.values()), default=0) / SAMPLE_RATE
        self._stage = 0.0
        self._ending = STAGES if options.speakers else ENDING
        self._transcription: Transcription | None = None

    def begin(self, source: AudioFile) -> None:
        self._transcription = self._scheduler.submit(
            source, self._options, on_heard=self._on_heard, on_stage=self._on_stage, known=self._known
        )
        self._transcription.answer.add_done_callback(lambda _: self._tell(self.done.set))

    def let_go(self) -> None:
        """No further forward is run for it. From any thread."""
        if self._transcription is not None:
            self._scheduler.cancel(self._transcription)
        self._tell(self.done.set)

    @property
    def answered(self) -> bool:
        return self._transcription is not None and self._transcription.answer.done()

    def transcript(self) -> Transcript:
        """Raises ApiError."""
        assert self._transcription is not None
        return self._transcription.answer.result()

    @property
    def progress(self) -> float:
        """The share that is done, below 1."""
        windows = min(1.0, self._reached / max(self._job.seconds, 0.1))
        return round(min(0.99, (1 - self._ending) * windows + self._ending * self._stage), 3)

    def taken(self) -> list[Heard]:
        """The windows that were heard since the last time."""
        self.news.clear()
        heard, self._heard = self._heard, []
        return heard

    def _on_heard(self, heard: Heard) -> None:
        def put() -> None:
            self._heard.append(heard)
            self._reached = max(self._reached, heard.end / SAMPLE_RATE)
            self.news.set()

        self._tell(put)

    def _on_stage(self, stage: Stage) -> None:
        def put() -> None:
            self._reached, self._stage = self._job.seconds, stage.share
            self.news.set()

        self._tell(put)

    def _tell(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop has ended: nobody waits
            return


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping.", retry_after=5)


def _failed(error: Exception, job: Job) -> ApiError:
    log.error("job %s failed", job.id, exc_info=error)
    return ApiError("The transcription failed inside the service; its log says why.", code="engine_failed")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]

"""The engine's threads: the windows of all requests pass through them, fairly and in batches."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace

from stt_core.admission import Admission
from stt_core.audio import SAMPLE_RATE, AudioSource
from stt_core.batch import choose
from stt_core.engine import Capabilities, Engine, Options, Window, WindowResult
from stt_core.errors import ApiError, Unavailable
from stt_core.job import Job
from stt_core.loading import Loading
from stt_core.metrics import Metrics
from stt_core.shelf import Shelf
from stt_core.timeline import restored
from stt_core.windows import windows

log = logging.getLogger("stt")

LOOK = 0.1
"""Seconds between looks at what no notification tells of."""
PACE = 0.08
"""Seconds of work for a second of speech, until a model's own are known: base on two cores."""
RETRY_SECONDS = 5
"""After what a client does well to come back to a service that stops: another one may have started."""

Taken = tuple[Job, int, Window]


class Scheduler:
    """Runs what is submitted, once the default model is loaded. `queue`: requests that may be in it at once.

    The main thread loads models and takes everything. Where an engine has a second lane, a second thread
    takes requests of one window past a forward that works for a long one.
    """

    def __init__(self, shelf: Shelf, loading: Loading, queue: int, metrics: Metrics) -> None:
        self._shelf = shelf
        self._loading = loading
        self._metrics = metrics
        self._admission = Admission(queue, self._refuse, metrics)
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._asked: deque[tuple[str, Future[Capabilities]]] = deque()
        self._pace: dict[str, float] = {}  # seconds of work for a second of speech, by model
        self._passed: tuple[str, Engine] | None = None  # works for a long request, and has a second lane
        self._passing = False  # the second thread is at work
        self._draining = False
        self._closed = False
        self._threads = [
            threading.Thread(target=self._main, name="engine", daemon=True),
            threading.Thread(target=self._express, name="express", daemon=True),
        ]
        metrics.waiting_windows.set_function(self._waiting)

    def _waiting(self) -> float:
        with self._changed:
            return sum(len(job.waiting) for job in self._jobs)

    @property
    def ready(self) -> bool:
        """The default model is loaded, and requests are admitted."""
        return self._loading.ready and not self._draining

    @property
    def draining(self) -> bool:
        """Nothing more is admitted: the service stops when what it has is answered."""
        return self._draining

    @property
    def idle(self) -> bool:
        """Nothing is accepted that is not answered."""
        return not self.admitted and not self._jobs

    @property
    def limit(self) -> int:
        """Requests that may hold a place at once."""
        return self._admission.limit

    @property
    def admitted(self) -> int:
        """Requests that hold a place: uploading, waiting or being transcribed."""
        return self._admission.held

    @property
    def loaded(self) -> Mapping[str, int]:
        """The models in memory, with the bytes that each takes."""
        return self._shelf.costs

    async def capabilities(self, model: str) -> Capabilities:
        """What a model can do; one that was never loaded is loaded for it. Raises ApiError."""
        known = self._shelf.able(model)
        if known is not None:
            return known
        answer: Future[Capabilities] = Future()
        answer.set_running_or_notify_cancel()  # as in Job
        with self._changed:
            if self._closed or not self._loading.ready:  # while it drains, who was admitted may still ask
                self._refuse()
            self._asked.append((model, answer))
            self._changed.notify_all()
        return await asyncio.wrap_future(answer)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def drain(self) -> None:
        """Admit nobody any more. May be called by a signal's handler."""
        self._draining = True

    def give_up(self) -> None:
        """End what is not answered yet."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                self._end(job, _stopping())
            while self._asked:
                self._asked.popleft()[1].set_exception(_stopping())
            self._changed.notify_all()

    def close(self) -> None:
        """Give up what is not answered, and wait for the running forwards."""
        self.give_up()
        for thread in self._threads:
            thread.join()

    def admission(self) -> AbstractContextManager[None]:
        """A place in the queue, taken before the upload is read. Raises Busy, or Unavailable."""
        return self._admission.place()

    def _refuse(self) -> None:
        if self._draining or self._closed:
            raise _stopping()
        if not self._loading.ready:
            raise Unavailable("The model is not loaded yet.", retry_after=1)

    def submit(
        self, source: AudioSource, options: Options, heard: Callable[[WindowResult], None] | None = None
    ) -> Job:
        """Start decoding, in its own thread. The job owns the source from here on.

        heard: called by an engine's thread, which it must not hold up, with each result in the order of
            the file, all before the job's answer is there.
        """
        options = options if options.model else replace(options, model=self._loading.model)
        job = Job(source, options, self._changed, heard)
        with self._changed:
            self._jobs.append(job)
            if self._closed:
                self._end(job, _stopping())
        threading.Thread(target=self._feed, args=(job,), name="decode", daemon=True).start()
        return job

    def cancel(self, job: Job) -> None:
        """Nobody waits for the answer any more: no further forward starts for it."""
        with self._changed:
            self._end(job, None)

    def _end(self, job: Job, error: BaseException | None) -> None:
        if job.over:
            return
        job.over = True
        job.waiting.clear()
        self._jobs.remove(job)
        if error is not None:
            job.answer.set_exception(error)
        self._changed.notify_all()

    # The decoding threads

    def _feed(self, job: Job) -> None:
        try:
            stream = self._loading.done.result().stream()
            for samples, spans in windows(job.source.blocks(), stream.probabilities, job.options.vad):
                if not job.put(samples, spans):
                    break
            with self._changed:
                job.decoded = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: job.over)
        except Exception as error:
            with self._changed:
                self._end(job, _told(error))
        finally:
            job.source.close()

    # The main thread of the engine

    def _main(self) -> None:
        while not self._loading.done.done():
            try:
                self._loading.done.exception(timeout=LOOK)
            except TimeoutError:
                if self._closed:
                    return
        if self._loading.failure is not None:
            return
        self._shelf.put(self._loading.model, self._loading.taken(), self._loading.seconds)
        self._metrics.load_seconds.set(self._loading.seconds)
        self._metrics.ready.set(1)
        while True:
            asked = job = None
            with self._changed:
                while not (self._closed or self._asked or self._whole() or self._offers()):
                    # Whether a job is settled also depends on the time.
                    self._changed.wait(LOOK if any(job.waiting for job in self._jobs) else None)
                if self._closed:
                    return
                if self._asked:
                    asked = self._asked.popleft()
                elif job := self._whole():
                    job.finishing = True
                else:
                    model = self._next()
            if asked is not None:
                self._tell(*asked)
            elif job is not None:
                self._conclude(job)
            else:
                self._advance(model)

    def _whole(self) -> Job | None:
        return next((job for job in self._jobs if job.complete), None)

    def _offers(self) -> bool:
        return any(job.waiting and job.settled for job in self._jobs)

    def _next(self) -> str:
        """The model of the request whose turn it is; one that must not be loaded yet is passed over."""
        models = [job.options.model for job in self._jobs if job.waiting]
        return next((model for model in models if self._shelf.welcome(model)), models[0])

    def _tell(self, model: str, answer: "Future[Capabilities]") -> None:
        try:
            answer.set_result(self._engine(model).capabilities)
        except ApiError as error:
            answer.set_exception(error)

    def _engine(self, model: str) -> Engine:
        """The loaded engine of a model. Raises ApiError."""
        if model not in self._shelf:
            with self._changed:  # what the second thread works with stays where it is
                self._changed.wait_for(lambda: not self._passing)
        return self._shelf.get(model)

    def _conclude(self, job: Job) -> None:
        try:
            engine = self._engine(job.options.model)
        except ApiError as error:
            with self._changed:
                self._end(job, error)
        else:
            self._finish(engine, job)

    def _advance(self, model: str) -> None:
        """One forward for the requests of a model."""
        try:
            engine = self._engine(model)
        except ApiError as error:
            with self._changed:
                for job in [job for job in self._jobs if job.options.model == model]:
                    self._end(job, error)
            return
        with self._changed:
            jobs = sorted(self._jobs, key=lambda job: job.options.model != model)
            batch = self._batch(model, engine, jobs)
            working = [job for job, _, _ in batch]
            # What the second thread has in its hands does not share this one.
            alone = sum(bool(job.waiting) or not job.brief for job in {*jobs, *working}) == 1
            for job in set(working):
                job.alone = job.alone + 1 if alone else 0
            self._jobs.rotate(-1)
            if engine.capabilities.lanes > 1 and any(job.long for job in working):
                self._passed = model, engine
            self._changed.notify_all()
        self._forward(engine, batch)
        with self._changed:
            self._passed = None

    def _batch(self, model: str, engine: Engine, jobs: Sequence[Job]) -> list[Taken]:
        """Take the windows of the next forward off their jobs; the first job is of the engine's model."""

        def group(item: tuple[int, Window]) -> Hashable:
            window = item[1]
            return window.options.model, engine.group(window) if window.options.model == model else None

        chosen = choose([job.offered() for job in jobs], group, lambda item: self._cost(item[1]))
        taken = [(jobs[place], index, window) for place, (index, window) in chosen]
        for job, _, _ in taken:
            job.waiting.popleft()
        return taken

    def _cost(self, window: Window) -> float:
        """Seconds that a window is expected to take."""
        return self._pace.get(window.options.model, PACE) * len(window.samples) / SAMPLE_RATE

    # The second thread, for short requests beside long ones

    def _express(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._passengers())
                if self._closed:
                    return
            self._carry()  # nothing of it, such as an engine, outlives the call

    def _carry(self) -> None:
        """One forward for the passengers."""
        with self._changed:
            if self._passed is None:
                return
            model, engine = self._passed
            jobs = self._passengers()
            batch = self._batch(model, engine, jobs)
            self._passing = True
        self._forward(engine, batch)
        with self._changed:
            whole = [job for job in jobs if job.complete and not job.over]
            for job in whole:
                job.finishing = True
        for job in whole:
            self._finish(engine, job)
        with self._changed:
            self._passing = False
            self._changed.notify_all()

    def _passengers(self) -> list[Job]:
        """Those that need not wait for the running forward."""
        if self._passed is None:
            return []
        model, _ = self._passed
        return [job for job in self._jobs if job.brief and job.waiting and job.options.model == model]

    # Either thread

    def _forward(self, engine: Engine, batch: Sequence[Taken]) -> None:
        if not batch:
            return
        started = time.monotonic()
        try:
            heard = engine.run([window for _, _, window in batch])
            results = [
                restored(result, window.spans) for (_, _, window), result in zip(batch, heard, strict=True)
            ]
        except Exception as error:
            if len(batch) > 1:  # find the one that fails; the others are not to blame
                for taken in batch:
                    self._forward(engine, [taken])
                return
            with self._changed:
                self._end(batch[0][0], _told(error))
            return
        finally:
            self._metrics.inference_seconds.inc(time.monotonic() - started)
        seconds = time.monotonic() - started
        self._metrics.forward_seconds.observe(seconds)
        self._metrics.batch_windows.observe(len(batch))
        with self._changed:
            self._learn(batch, seconds)
            for taken, result in reversed(list(zip(batch, results, strict=True))):
                self._keep(*taken, result)
            self._changed.notify_all()

    def _learn(self, batch: Sequence[Taken], seconds: float) -> None:
        """Keep a moving average of a model's pace."""
        model = batch[0][2].options.model
        pace = seconds * SAMPLE_RATE / sum(len(window.samples) for _, _, window in batch)
        known = self._pace.get(model, pace)
        self._pace[model] = known + 0.2 * (pace - known)

    def _keep(self, job: Job, index: int, window: Window, result: WindowResult) -> None:
        if job.over:
            return
        job.language = job.language or result.language
        if result.again is None:
            job.results[index] = result
            job.tell()
        else:
            job.waiting.appendleft((index, replace(window, again=result.again)))

    def _finish(self, engine: Engine, job: Job) -> None:
        results = [job.results[index] for index in range(job.cut)]
        try:
            transcript = engine.finish(job.source, results, job.options)
        except Exception as error:
            with self._changed:
                self._end(job, _told(error))
            return
        self._metrics.audio_seconds.inc(transcript.duration)
        with self._changed:
            if not job.over:
                job.answer.set_result(transcript)
                self._end(job, None)


def _told(error: Exception) -> ApiError:
    """What the client is told; the log keeps the rest."""
    if isinstance(error, ApiError):
        return error
    log.error("the engine failed", exc_info=error)
    return ApiError("The transcription failed inside the service; its log says why.", code="engine_failed")


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again in a moment.", retry_after=RETRY_SECONDS)

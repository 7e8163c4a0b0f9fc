"""One thread owns the engine; the windows of all requests pass through it, fairly and in batches."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from stt_core.audio import AudioSource
from stt_core.batch import choose
from stt_core.engine import Engine, Options, Window, WindowResult
from stt_core.errors import ApiError, Busy, Unavailable
from stt_core.job import Job
from stt_core.loading import Loading
from stt_core.metrics import Metrics
from stt_core.timeline import restored
from stt_core.windows import windows

log = logging.getLogger("stt")

LOOK = 0.1
"""Seconds between looks at what no notification tells of."""

Taken = tuple[Job, int, Window]


class Scheduler:
    """Runs what is submitted, once the engine is loaded. `queue`: requests that may be in it at once."""

    def __init__(self, engine: Engine, loading: Loading, queue: int, metrics: Metrics) -> None:
        self.engine = engine
        self.limit = queue
        self._loading = loading
        self._metrics = metrics
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._admitted = 0
        self._alone = 0
        self._pace = 5.0  # seconds that a request took lately
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="engine", daemon=True)

        metrics.waiting_windows.set_function(self._waiting)

    def _waiting(self) -> float:
        with self._changed:
            return sum(len(job.waiting) for job in self._jobs)

    @property
    def ready(self) -> bool:
        return self._loading.ready

    @property
    def admitted(self) -> int:
        """Requests that hold a place: uploading, waiting or being transcribed."""
        return self._admitted

    def start(self) -> None:
        self._worker.start()

    def close(self) -> None:
        """Give up what is not answered, and wait for the running forward."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                self._end(job, Unavailable("The service is stopping.", retry_after=5))
            self._changed.notify_all()
        self._worker.join()

    @contextmanager
    def admission(self) -> Iterator[None]:
        """A place in the queue, taken before the upload is read. Raises Busy, or Unavailable."""
        if not self.ready or self._closed:
            raise Unavailable("The model is not loaded yet.", retry_after=1)
        with self._changed:
            if self._admitted >= self.limit:
                raise Busy(
                    f"{self.limit} requests are being transcribed or wait already; try again in a moment.",
                    retry_after=max(1, min(60, math.ceil(self._pace))),
                )
            self._admitted += 1
        self._metrics.queue_requests.inc()
        started = time.monotonic()
        try:
            yield
        finally:
            self._metrics.queue_requests.dec()
            with self._changed:
                self._admitted -= 1
                self._pace += 0.2 * (time.monotonic() - started - self._pace)

    def submit(
        self, source: AudioSource, options: Options, heard: Callable[[WindowResult], None] | None = None
    ) -> Job:
        """Start decoding, in its own thread. The job owns the source from here on.

        heard: called by the engine's thread, which it must not hold up, with each result in the order of
            the file, all before the job's answer is there.
        """
        job = Job(source, options, self._changed, heard)
        with self._changed:
            self._jobs.append(job)
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
            for samples, spans in windows(job.source.blocks(), stream.probabilities):
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

    # The engine's thread

    def _work(self) -> None:
        while not self._loading.done.done():
            try:
                self._loading.done.exception(timeout=LOOK)
            except TimeoutError:
                if self._closed:
                    return
        if self._loading.failure is not None:
            return
        self._metrics.load_seconds.set(self._loading.seconds)
        self._metrics.ready.set(1)
        while True:
            with self._changed:
                while not (self._closed or self._finished() or self._offers()):
                    # Whether a job is settled also depends on the time.
                    self._changed.wait(LOOK if any(job.waiting for job in self._jobs) else None)
                if self._closed:
                    return
                job = self._finished()
                batch = [] if job else self._batch()
            if job is not None:
                self._finish(job)
            else:
                self._forward(batch)

    def _finished(self) -> Job | None:
        return next((job for job in self._jobs if job.complete), None)

    def _offers(self) -> bool:
        return any(job.waiting and job.settled for job in self._jobs)

    def _batch(self) -> list[Taken]:
        """Take the windows of the next forward off their jobs."""
        jobs = [job for job in self._jobs if not job.complete]
        queues = [list(job.offered()) for job in jobs]
        ending = [job.decoded for job in jobs]
        chosen = choose(queues, ending, lambda item: self.engine.group(item[1]), self._alone)
        taken = [(jobs[place], index, window) for place, (index, window) in chosen]
        for job, _, _ in taken:
            job.waiting.popleft()
        self._alone = self._alone + 1 if len(jobs) == 1 else 0
        self._jobs.rotate(-1)
        self._changed.notify_all()
        return taken

    def _forward(self, batch: Sequence[Taken]) -> None:
        started = time.monotonic()
        try:
            heard = self.engine.run([window for _, _, window in batch])
            results = [
                restored(result, window.spans) for (_, _, window), result in zip(batch, heard, strict=True)
            ]
        except Exception as error:
            if len(batch) > 1:  # find the one that fails; the others are not to blame
                for taken in batch:
                    self._forward([taken])
                return
            with self._changed:
                self._end(batch[0][0], _told(error))
            return
        finally:
            self._metrics.inference_seconds.inc(time.monotonic() - started)
        self._metrics.forward_seconds.observe(time.monotonic() - started)
        self._metrics.batch_windows.observe(len(batch))
        with self._changed:
            for taken, result in reversed(list(zip(batch, results, strict=True))):
                self._keep(*taken, result)
            self._changed.notify_all()

    def _keep(self, job: Job, index: int, window: Window, result: WindowResult) -> None:
        if job.over:
            return
        job.language = job.language or result.language
        if result.again is None:
            job.results[index] = result
            job.tell()
        else:
            job.waiting.appendleft((index, replace(window, again=result.again)))

    def _finish(self, job: Job) -> None:
        results = [job.results[index] for index in range(job.cut)]
        try:
            transcript = self.engine.finish(job.source, results, job.options)
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

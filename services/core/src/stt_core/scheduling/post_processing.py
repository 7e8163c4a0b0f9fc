"""The last step of every request: what needs the whole file."""

import threading
import time
from collections import deque

from stt_core.engine.protocol import Engine
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.job import Job
from stt_core.scheduling.jobs import Jobs, as_api_error


class PostProcessing:
    """Makes the answers of requests whose windows are all heard: at once in the thread that heard the last
    one or, where that may take long, in a thread of its own, one after the other."""

    def __init__(self, jobs: Jobs, metrics: Metrics) -> None:
        self._jobs = jobs
        self._changed = jobs.changed
        self._metrics = metrics
        self._apart: deque[tuple[Engine, Job]] = deque()  # the first is being finished
        self._thread = threading.Thread(target=self._work, name="finish", daemon=True)

    @property
    def held(self) -> set[str]:
        """The models of the engines that are at work apart, or will be. With the jobs' lock."""
        return {job.options.model for _, job in self._apart}

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, after the jobs were closed."""
        self._thread.join()

    def take(self, engine: Engine, job: Job) -> None:
        """Make the answer of a job that is marked as finishing, now or apart."""
        whole = job.options.word_times or job.options.speakers is not None
        if engine.capabilities.apart and whole:
            with self._changed:
                self._apart.append((engine, job))
                self._changed.notify_all()
        else:
            self._finish(engine, job)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs.closed or self._apart)
                if not self._apart:
                    return
            self._next()  # nothing of it, such as an engine, outlives the call

    def _next(self) -> None:
        engine, job = self._apart[0]
        self._finish(engine, job)
        with self._changed:
            self._apart.popleft()
            self._changed.notify_all()  # the engine may be put away

    def _finish(self, engine: Engine, job: Job) -> None:
        if not job.over:
            self._answer(engine, job)
        with self._changed:
            job.finishing = False
            self._changed.notify_all()

    def _answer(self, engine: Engine, job: Job) -> None:
        results = [job.results[index] for index in range(job.cut)]
        job.course.finished = time.time_ns()
        try:
            transcript = engine.finish(job.source, results, job.options, job.progressed)
        except Exception as error:
            with self._changed:
                if not job.over:  # else nobody is there to be told, and that may be the error
                    self._jobs.end(job, as_api_error(error, job))
            return
        job.course.ended = time.time_ns()
        job.account.audio_seconds += transcript.duration
        self._metrics.transcribed(transcript.duration, time.monotonic() - job.submitted)
        with self._changed:
            if not job.over:
                job.answer.set_result(transcript)
                self._jobs.end(job)

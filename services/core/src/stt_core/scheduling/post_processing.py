"""The last step of every request: what needs the whole file."""

import threading
import time
from collections import deque

from stt_core.engine.protocol import Engine
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.transcription import Transcription
from stt_core.scheduling.transcriptions import Transcriptions, as_api_error


class PostProcessing:
    """Makes the answers of requests whose windows are all heard: at once in the thread that heard the last
    one or, where that may take long, in a thread of its own, one after the other."""

    def __init__(self, transcriptions: Transcriptions, metrics: Metrics) -> None:
        self._transcriptions = transcriptions
        self._changed = transcriptions.changed
        self._metrics = metrics
        self._apart: deque[tuple[Engine, Transcription]] = deque()  # the first is being finished
        self._thread = threading.Thread(target=self._work, name="finish", daemon=True)

    @property
    def held(self) -> set[str]:
        """The models of the engines that are at work apart, or will be. With the transcriptions' lock."""
        return {transcription.options.model for _, transcription in self._apart}

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread, after the transcriptions were closed."""
        self._thread.join()

    def take(self, engine: Engine, transcription: Transcription) -> None:
        """Make the answer of a transcription that is marked as finishing, now or apart."""
        whole = transcription.options.word_times or transcription.options.speakers is not None
        if engine.capabilities.apart and whole:
            with self._changed:
                self._apart.append((engine, transcription))
                self._changed.notify_all()
        else:
            self._finish(engine, transcription)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._transcriptions.closed or self._apart)
                if not self._apart:
                    return
            self._next()  # nothing of it, such as an engine, outlives the call

    def _next(self) -> None:
        engine, transcription = self._apart[0]
        self._finish(engine, transcription)
        with self._changed:
            self._apart.popleft()
            self._changed.notify_all()  # the engine may be put away

    def _finish(self, engine: Engine, transcription: Transcription) -> None:
        if not transcription.over:
            self._answer(engine, transcription)
        with self._changed:
            transcription.finishing = False
            self._changed.notify_all()

    def _answer(self, engine: Engine, transcription: Transcription) -> None:
        results = [transcription.results[index] for index in range(transcription.cut)]
        transcription.course.finished = time.time_ns()
        try:
            transcript = engine.finish(transcription.source, results, transcription.options, transcription.progressed)
        except Exception as error:
            with self._changed:
                if not transcription.over:  # else nobody is there to be told, and that may be the error
                    self._transcriptions.end(transcription, as_api_error(error, transcription))
            return
        transcription.course.ended = time.time_ns()
        transcription.account.audio_seconds += transcript.duration
        self._metrics.transcribed(transcript.duration, time.monotonic() - transcription.submitted)
        with self._changed:
            if not transcription.over:
                transcription.answer.set_result(transcript)
                self._transcriptions.end(transcription)

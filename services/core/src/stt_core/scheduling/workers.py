"""The engine's threads: the windows of all requests pass through them, fairly and in batches."""

import threading
import time
from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from stt_core.audio import SAMPLE_RATE
from stt_core.engine.loading import Loading
from stt_core.engine.model_cache import ModelCache
from stt_core.engine.protocol import Capabilities, Engine, Window, WindowResult
from stt_core.errors import ApiError
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.batch import choose, passes
from stt_core.scheduling.post_processing import PostProcessing
from stt_core.scheduling.timeline import restored
from stt_core.scheduling.transcription import Heard, Transcription
from stt_core.scheduling.transcriptions import Transcriptions, as_api_error, stopping

LOOK = 0.1
"""Seconds between looks at what no notification tells of."""
PACE = 0.08
"""Seconds of work for a second of speech, until a model's own are known: base on two cores."""

Taken = tuple[Transcription, int, Window]


@dataclass(frozen=True, slots=True)
class Run:
    """What the main thread is at; `seconds` are expected."""

    model: str
    engine: Engine
    transcriptions: Sequence[Transcription]
    seconds: float


class Workers:
    """The main thread loads models and takes every request. Where an engine has a second lane, a second
    thread takes requests of one window past a forward that is not for their like. What takes long after the
    last forward has a third thread: see Finishing."""

    def __init__(self, transcriptions: Transcriptions, cache: ModelCache, loading: Loading, metrics: Metrics) -> None:
        self._transcriptions = transcriptions
        self._changed = transcriptions.changed
        self._cache = cache
        self._loading = loading
        self._metrics = metrics
        self._post_processing = PostProcessing(transcriptions, metrics)
        self._asked: deque[tuple[str, Future[Capabilities]]] = deque()
        self._pace: dict[str, float] = {}  # seconds of work for a second of speech, by model
        self._running: Run | None = None
        self._passing = False  # the second thread is at work
        self._threads = [
            threading.Thread(target=self._main, name="engine", daemon=True),
            threading.Thread(target=self._express, name="express", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._post_processing.start()

    def join(self) -> None:
        """Wait for the running forwards, after the transcriptions were closed."""
        for thread in self._threads:
            thread.join()
        self._post_processing.join()

    def ask(self, model: str) -> "Future[Capabilities]":
        """What a model can do, once it is loaded; it holds an ApiError where that fails."""
        answer: Future[Capabilities] = Future()
        answer.set_running_or_notify_cancel()  # as in Transcription
        with self._changed:
            if self._transcriptions.closed:
                answer.set_exception(stopping())
            else:
                self._asked.append((model, answer))
                self._changed.notify_all()
        return answer

    # The main thread

    def _main(self) -> None:
        while not self._loading.done.done():
            try:
                self._loading.done.exception(timeout=LOOK)
            except TimeoutError:
                if self._transcriptions.closed:
                    return
        if self._loading.failure is not None:
            return
        loading = self._loading
        self._cache.put(loading.model, loading.taken(), loading.seconds, loading.memory)
        self._metrics.ready.set(1)
        while True:
            asked = transcription = None
            with self._changed:
                while not (self._transcriptions.closed or self._question() or self._whole() or self._offers()):
                    # Whether a transcription is settled also depends on the time.
                    self._changed.wait(
                        LOOK if any(transcription.waiting for transcription in self._transcriptions) else None
                    )
                if self._transcriptions.closed:
                    for _, answer in self._asked:
                        answer.set_exception(stopping())
                    return
                if asked := self._question():
                    self._asked.remove(asked)
                elif transcription := self._whole():
                    transcription.finishing = True
                else:
                    model = self._next()
            if asked is not None:
                self._tell(*asked)
            elif transcription is not None:
                self._conclude(transcription)
            else:
                self._advance(model)

    def _question(self) -> "tuple[str, Future[Capabilities]] | None":
        return next((asked for asked in self._asked if self._free(asked[0])), None)

    def _whole(self) -> Transcription | None:
        return next(
            (
                transcription
                for transcription in self._transcriptions
                if transcription.complete and self._free(transcription.options.model)
            ),
            None,
        )

    def _offers(self) -> bool:
        return any(
            transcription.waiting and transcription.settled and self._free(transcription.options.model)
            for transcription in self._transcriptions
        )

    def _next(self) -> str:
        """The model of the request whose turn it is; one that must not be loaded yet is passed over."""
        found = [transcription.options.model for transcription in self._transcriptions if transcription.waiting]
        models = [model for model in found if self._free(model)]
        return next((model for model in models if self._cache.welcome(model)), models[0])

    def _free(self, model: str) -> bool:
        """Whether it is loaded, or may be without taking the place of one that works apart: that would
        stay in memory until its work is done."""
        held = self._post_processing.held
        return not held or model in self._cache or held.isdisjoint(self._cache.leaving(model))

    def _tell(self, model: str, answer: "Future[Capabilities]") -> None:
        try:
            answer.set_result(self._engine(model).capabilities)
        except ApiError as error:
            answer.set_exception(error)

    def _engine(self, model: str) -> Engine:
        """The loaded engine of a model. Raises ApiError."""
        if model not in self._cache:
            with self._changed:  # what the second thread works with stays where it is
                self._changed.wait_for(lambda: not self._passing)
        return self._cache.get(model)

    def _conclude(self, transcription: Transcription) -> None:
        try:
            engine = self._engine(transcription.options.model)
        except ApiError as error:
            with self._changed:
                transcription.finishing = False
                self._transcriptions.end(transcription, error)
        else:
            self._post_processing.take(engine, transcription)

    def _advance(self, model: str) -> None:
        """One forward for the requests of a model."""
        try:
            engine = self._engine(model)
        except ApiError as error:
            with self._changed:
                for transcription in [
                    transcription for transcription in self._transcriptions if transcription.options.model == model
                ]:
                    self._transcriptions.end(transcription, error)
            return
        with self._changed:
            self._sift(model, engine)
            # Those of other models cannot take part, but count among those who wait.
            transcriptions = sorted(
                self._transcriptions, key=lambda transcription: transcription.options.model != model
            )
            if not any(
                transcription.waiting and transcription.options.model == model for transcription in transcriptions
            ):
                return  # given up meanwhile
            batch = self._batch(model, engine, transcriptions)
            working = list(dict.fromkeys(transcription for transcription, _, _ in batch))
            # What the second thread has in its hands does not share this one.
            busy = [
                transcription
                for transcription in {*transcriptions, *working}
                if transcription.waiting or not (transcription.brief or transcription.finishing)
            ]
            alone = len(busy) == 1
            for transcription in working:
                transcription.alone = transcription.alone + 1 if alone else 0
            seconds = sum(self._cost(window) for _, _, window in batch)
            self._running = Run(model, engine, working, seconds)
            self._changed.notify_all()
        self._forward(engine, batch)
        with self._changed:
            self._running = None
            self._transcriptions.back(working)

    def _sift(self, model: str, engine: Engine) -> None:
        """End the requests that the engine cannot even put into a group: they must not end its thread."""
        for transcription in [
            transcription
            for transcription in self._transcriptions
            if transcription.waiting and transcription.options.model == model
        ]:
            try:
                engine.group(transcription.waiting[0][1])
            except Exception as error:
                self._transcriptions.end(transcription, as_api_error(error, transcription))

    def _batch(self, model: str, engine: Engine, transcriptions: Sequence[Transcription]) -> list[Taken]:
        """Take the windows of the next forward off their transcriptions; the first one is of the engine's model."""

        def group(item: tuple[int, Window]) -> Hashable:
            window = item[1]
            return window.options.model, engine.group(window) if window.options.model == model else None

        chosen = choose(
            [transcription.offered() for transcription in transcriptions], group, lambda item: self._cost(item[1])
        )
        taken = [(transcriptions[place], index, window) for place, (index, window) in chosen]
        for transcription, _, _ in taken:
            transcription.waiting.popleft()
        return taken

    def _cost(self, window: Window) -> float:
        """Seconds that a window is expected to take."""
        return self._pace.get(window.options.model, PACE) * len(window.samples) / SAMPLE_RATE

    # The second thread, for short requests beside long ones

    def _express(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._transcriptions.closed or self._passengers())
                if self._transcriptions.closed:
                    return
            self._carry()  # nothing of it, such as an engine, outlives the call

    def _carry(self) -> None:
        """One forward for the passengers."""
        with self._changed:
            run = self._running
            if run is None:
                return
            self._sift(run.model, run.engine)
            transcriptions = self._passengers()
            batch = self._batch(run.model, run.engine, transcriptions)
            self._passing = True
        self._forward(run.engine, batch)
        with self._changed:
            whole = [
                transcription for transcription in transcriptions if transcription.complete and not transcription.over
            ]
            for transcription in whole:
                transcription.finishing = True
        for transcription in whole:
            self._post_processing.take(run.engine, transcription)
        with self._changed:
            self._passing = False
            self._changed.notify_all()

    def _passengers(self) -> list[Transcription]:
        """Those that need not wait for the running forward."""
        run = self._running
        if run is None or run.engine.capabilities.workers < 2:
            return []
        long = any(transcription.long for transcription in run.transcriptions)
        brief = [
            transcription
            for transcription in self._transcriptions
            if transcription.brief and transcription.waiting and transcription.options.model == run.model
        ]
        return [
            transcription
            for transcription in brief
            if passes(self._cost(transcription.waiting[0][1]), run.seconds, long)
        ]

    # Either thread

    def _forward(self, engine: Engine, batch: Sequence[Taken]) -> None:
        if not batch:
            return
        started, at = time.monotonic(), time.time_ns()
        try:
            heard = engine.run([window for _, _, window in batch])
            results = [restored(result, window.spans) for (_, _, window), result in zip(batch, heard, strict=True)]
        except Exception as error:
            if len(batch) > 1:  # find the one that fails; the others are not to blame
                for taken in batch:
                    self._forward(engine, [taken])
                return
            with self._changed:
                self._transcriptions.end(batch[0][0], as_api_error(error, batch[0][0]))
            return
        finally:
            self._metrics.inference_seconds.inc(time.monotonic() - started)
        seconds = time.monotonic() - started
        self._metrics.forward_seconds.observe(seconds)
        self._metrics.batch_windows.observe(len(batch))
        for transcription in {transcription for transcription, _, _ in batch}:
            transcription.course.forward(at)
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

    def _keep(self, transcription: Transcription, index: int, window: Window, result: WindowResult) -> None:
        if transcription.over:
            return
        if result.again is None:
            try:
                transcription.keep(index, result)
                if transcription.on_heard is not None:
                    spans = window.spans
                    transcription.on_heard(Heard(index, spans[0].start, spans[-1].end, result))
            except Exception as error:  # whoever listened is gone
                self._transcriptions.end(transcription, as_api_error(error, transcription))
        else:
            if not transcription.options.languages:
                transcription.language = transcription.language or result.language
            self._metrics.repeated_windows.inc()
            transcription.waiting.appendleft((index, replace(window, again=result.again)))

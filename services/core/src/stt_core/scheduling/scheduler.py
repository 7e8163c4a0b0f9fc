"""Every request's way through the service: admitted, decoded, run, answered."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import takewhile
from types import MappingProxyType

from stt_core.audio import AudioSource, length
from stt_core.audio.vad import VoiceStream
from stt_core.engine.loading import Loading
from stt_core.engine.model_cache import ModelCache
from stt_core.engine.protocol import Capabilities, Options, VadOptions, WindowResult
from stt_core.errors import Unavailable
from stt_core.observability.metrics import Metrics
from stt_core.scheduling.admission import Admission
from stt_core.scheduling.transcription import Heard, Stage, Transcription
from stt_core.scheduling.transcriptions import Transcriptions, as_api_error, stopping
from stt_core.scheduling.windows import windows
from stt_core.scheduling.workers import Workers

USUAL = VadOptions()
SUBMISSIONS = 64
"""Jobs that are uploaded at once at most."""


class Scheduler:
    """Runs what is submitted, once the default model is loaded.

    queue: requests that may be in at once. longest: seconds that a recording may have; 0: any that are decoded.
    vad: where a request says nothing of it.
    """

    def __init__(
        self,
        cache: ModelCache,
        loading: Loading,
        queue: int,
        metrics: Metrics,
        longest: int = 0,
        vad: VadOptions = USUAL,
    ) -> None:
        self._cache = cache
        self._vad = vad
        self._longest = longest
        self._loading = loading
        self._transcriptions = Transcriptions()
        self._workers = Workers(self._transcriptions, cache, loading, metrics)
        self._admission = Admission(queue, self._refuse, "are being transcribed or wait", metrics)
        self._submissions = Admission(SUBMISSIONS, self._refuse, "are handing in jobs")
        self._draining = False
        metrics.queue_limit.set(queue)
        metrics.waiting_windows.set_function(lambda: self.waiting)

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
        return not self.admitted and not self._submissions.held and not len(self._transcriptions)

    @property
    def limit(self) -> int:
        """Requests that may hold a place at once."""
        return self._admission.limit

    @property
    def admitted(self) -> int:
        """Requests that hold a place: uploading, waiting or being transcribed."""
        return self._admission.held

    @property
    def waiting(self) -> int:
        """Windows that are decoded and wait for a forward."""
        with self._transcriptions.changed:
            return sum(len(transcription.waiting) for transcription in self._transcriptions)

    @property
    def stages(self) -> Sequence[Stage]:
        """What is being done for the requests whose windows are all heard."""
        with self._transcriptions.changed:
            return [transcription.stage for transcription in self._transcriptions if transcription.stage]

    @property
    def loaded(self) -> Mapping[str, int]:
        """The models in memory, with the bytes that each takes."""
        return self._cache.costs

    @property
    def load_seconds(self) -> Mapping[str, float]:
        """How long each model that was loaded took for it."""
        return self._cache.seconds

    async def capabilities(self, model: str) -> Capabilities:
        """What a model can do; one that was never loaded is loaded for it. Raises ApiError."""
        known = self._cache.able(model)
        if known is not None:
            return known
        if not self._loading.ready:
            self._refuse()
        return await asyncio.wrap_future(self._workers.ask(model))

    def voice(self) -> VoiceStream:
        """For who must hear by itself when somebody speaks. Only when ready."""
        return self._loading.done.result().stream()

    def start(self) -> None:
        self._workers.start()

    def drain(self) -> None:
        """Admit nobody any more. May be called by a signal's handler."""
        self._draining = True

    def give_up(self) -> None:
        """End what is not answered yet."""
        with self._transcriptions.changed:
            self._transcriptions.close()

    def close(self) -> None:
        """Give up what is not answered, and wait for the running forwards."""
        self.give_up()
        self._workers.join()

    def admission(self) -> AbstractContextManager[None]:
        """A place in the queue, taken before the upload is read. Raises Busy, or Unavailable."""
        return self._admission.place()

    def submission(self) -> AbstractContextManager[None]:
        """A place for the upload of a job. Raises as `admission` does."""
        return self._submissions.place()

    def _refuse(self) -> None:
        if self._draining or self._transcriptions.closed:
            raise stopping()
        if not self._loading.ready:
            raise Unavailable("The model is not loaded yet.", retry_after=1)

    def submit(
        self,
        source: AudioSource,
        options: Options,
        on_result: Callable[[WindowResult], None] | None = None,
        on_stage: Callable[[Stage], None] | None = None,
        on_heard: Callable[[Heard], None] | None = None,
        known: Mapping[int, Heard] = MappingProxyType({}),
    ) -> Transcription:
        """Start decoding, in its own thread. The transcription owns the source from here on.

        on_result: called by an engine's thread, which it must not hold up, with each result in the order of
            the file, all before the transcription's answer is there.
        on_stage: the same with the stages of the work that follow.
        on_heard: the same with each window that is done, for whoever keeps them.
        known: windows by index that were heard in an attempt before; where they are cut as they were then, they
            are not run again.
        """
        options = options if options.model else replace(options, model=self._loading.model)
        transcription = Transcription(
            source, options, self._transcriptions.changed, on_result, on_stage, on_heard, known
        )
        with self._transcriptions.changed:
            self._transcriptions.add(transcription)
        threading.Thread(target=self._feed, args=(transcription,), name="decode", daemon=True).start()
        return transcription

    def cancel(self, transcription: Transcription) -> None:
        """Nobody waits for the answer any more: no further forward starts for it."""
        with self._transcriptions.changed:
            self._transcriptions.end(transcription)

    def _feed(self, transcription: Transcription) -> None:
        try:
            stream = self._loading.done.result().stream()
            # Silence gives no windows: a long one must not be decoded to its end for nobody.
            blocks = takewhile(lambda _: not transcription.over, length.bounded(transcription.source, self._longest))
            for cut in windows(blocks, stream.probabilities, transcription.options.vad or self._vad):
                if not transcription.put(cut):
                    break
            with self._transcriptions.changed:
                transcription.decoded = True
                transcription.course.decoded = time.time_ns()
                self._transcriptions.changed.notify_all()
                self._transcriptions.changed.wait_for(lambda: transcription.over)
        except Exception as error:
            with self._transcriptions.changed:
                self._transcriptions.end(transcription, as_api_error(error, transcription))
        finally:
            with self._transcriptions.changed:  # whoever makes the answer may still read it
                self._transcriptions.changed.wait_for(lambda: not transcription.finishing)
            transcription.source.close()

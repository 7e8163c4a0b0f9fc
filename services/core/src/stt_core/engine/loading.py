"""The model on its way into memory, while the rest of the service is still being imported."""

import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from stt_core import memory
from stt_core.audio.vad import VoiceDetector

if TYPE_CHECKING:
    from stt_core.engine.protocol import Engine

log = logging.getLogger("stt")


class Loading:
    """`done` resolves to the voice detector when the engine has its model; or it holds the failure."""

    def __init__(self, engine: "Engine", model: str) -> None:
        self.done: Future[VoiceDetector] = Future()
        self.seconds = 0.0
        self.memory = 0  # bytes that the process grew by
        self._engine: Engine | None = engine
        self.model = model

    def start(self) -> None:
        threading.Thread(target=self._load, name="load", daemon=True).start()

    @property
    def ready(self) -> bool:
        return self.done.done() and self.failure is None

    @property
    def failure(self) -> BaseException | None:
        return self.done.exception() if self.done.done() else None

    def taken(self) -> "Engine":
        """The loaded engine, once: whoever has it can let it go."""
        assert self._engine is not None
        engine, self._engine = self._engine, None
        return engine

    def _load(self) -> None:
        assert self._engine is not None
        started, before = time.monotonic(), memory.resident()
        detector: Future[VoiceDetector] = Future()
        threading.Thread(target=_into, args=(detector,), name="load-vad", daemon=True).start()
        try:
            self._engine.load(self.model)
            found = detector.result()
        except BaseException as error:
            self.done.set_exception(error)
            return
        self.seconds = time.monotonic() - started
        self.memory = max(0, memory.resident() - before)
        log.info("model %s loaded in %.2f s", self.model, self.seconds)
        self.done.set_result(found)


def _into(future: "Future[VoiceDetector]") -> None:
    try:
        future.set_result(VoiceDetector())
    except BaseException as error:
        future.set_exception(error)

"""What follows the transcription: word times and speakers, shared by all models of a service."""

import gc
import logging
from collections.abc import Callable, Mapping
from typing import Any

from stt_core import memory
from stt_core.settings import Settings as CoreSettings
from stt_whisperx.alignment.choose import Aligners
from stt_whisperx.alignment.protocol import Aligner
from stt_whisperx.settings import Stages as Settings
from stt_whisperx.speakers.choose import Diarizers
from stt_whisperx.speakers.protocol import Diarizer

log = logging.getLogger("stt")

SHARE = 0.75
"""Of the memory that the container may use, what the process may hold before the stages give way: the models
are wanted by every request, the stages by some."""


class Stages:
    """Each is loaded when it is first wanted. One thread makes every call but `check` and `status`.

    budget: bytes that the process may hold when a request is done; beyond them the stages are put away. None
        for any.
    """

    def __init__(
        self,
        aligners: Callable[[], Aligners],
        diarizers: Diarizers,
        budget: int | None,
        resident: Callable[[], int] = memory.resident,
    ) -> None:
        self._make_aligners = aligners
        self._aligners = aligners()
        self._diarizers = diarizers
        self._budget = budget
        self._resident = resident

    def check(self) -> None:
        """Raises DiarizationUnavailable where it is known already that nobody can tell speakers apart."""
        self._diarizers.check()

    def aligner(self, language: str) -> Aligner:
        return self._aligners.of(language)

    def diarizer(self) -> Diarizer:
        """Raises DiarizationUnavailable."""
        return self._diarizers.get()

    def tidy(self) -> None:
        """A request is done: the stages go where memory is short."""
        if self._budget is None or self._resident() <= self._budget:
            return
        log.info("aligners and diarizer put away: the process holds more than %d bytes", self._budget)
        self._aligners = self._make_aligners()
        self._diarizers.put_away()
        gc.collect()
        memory.trim()

    def status(self) -> Mapping[str, Any]:
        """For /status: the diarizer, and the aligner of each language that has one of its own."""
        state = "loaded" if self._diarizers.loaded else "unloaded"
        return {
            "diarizer": {"name": self._diarizers.name, "state": state},
            "aligners": dict(self._aligners.names()),
        }


def stages(core: CoreSettings, own: Settings, threads: int) -> Stages:
    """Those of a service."""
    allowed = memory.limit()
    return Stages(
        lambda: Aligners(core.models_dir, own.align_models),
        Diarizers(core.models_dir, own, threads, core.device),
        core.memory_budget or (allowed and int(allowed * SHARE)),
    )

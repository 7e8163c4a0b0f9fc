"""What follows the transcription: word times and speakers, shared by all models of a service."""

import gc
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stt_core import memory
from stt_core.settings import Settings as CoreSettings
from stt_speakers.alignment.attention import Attention
from stt_speakers.alignment.choose import Aligners
from stt_speakers.alignment.protocol import Aligner, AlignmentUnavailable
from stt_speakers.diarization.choose import Diarizers
from stt_speakers.diarization.protocol import Diarizer
from stt_speakers.settings import Stages as Settings

log = logging.getLogger("stt")

SHARE = 0.75
"""Of the memory that the container may use, what the process may hold before the stages give way: the models
are wanted by every request, the stages by some."""


class Stages:
    """Each is loaded when it is first wanted. One thread makes every call; any may `check`, have the
    `diarizer`, and ask for `trouble` and `status`.

    aligners: None where the model's own word times are as good as any.
    languages: those that may have an aligner of their own.
    budget: bytes that the process may hold when a request is done; beyond them the stages are put away. None
        for any.
    """

    def __init__(
        self,
        aligners: Aligners | None,
        diarizers: Diarizers,
        languages: Iterable[str],
        budget: int | None,
        resident: Callable[[], int] = memory.resident,
    ) -> None:
        self._aligners = aligners
        self._diarizers = diarizers
        self._languages = sorted(languages)
        self._budget = budget
        self._resident = resident

    def check(self) -> None:
        """Raises DiarizationUnavailable where it is known already that nobody can tell speakers apart."""
        self._diarizers.check()

    @property
    def trouble(self) -> str:
        """Why speakers cannot be told, as far as is known; empty where nothing is against it."""
        return self._diarizers.trouble

    @property
    def aligns(self) -> bool:
        """Words are timed anew."""
        return self._aligners is not None

    def aligner(self, language: str) -> tuple[Aligner, str]:
        """The aligner of a language, and why it is not the one that is set for it; empty where it is. Only where there
        are any."""
        assert self._aligners is not None
        try:
            return self._aligners.of(language), ""
        except AlignmentUnavailable as error:
            return self._aligners.instead(language), str(error)

    def diarizer(self) -> Diarizer:
        """Raises DiarizationUnavailable."""
        return self._diarizers.get()

    def tidy(self) -> None:
        """A request is done: the stages go where memory is short."""
        if self._budget is None or self._resident() <= self._budget:
            return
        log.info("aligners and diarizer unloaded: the process uses more than %d bytes", self._budget)
        if self._aligners is not None:
            self._aligners.clear()
        self._diarizers.put_away()
        gc.collect()
        memory.trim()

    def status(self) -> Mapping[str, Any]:
        """For /status: the diarizer, and the aligner of each language that has not that of all others."""
        state = "loaded" if self._diarizers.loaded else "unloaded"
        told: dict[str, Any] = {"diarizer": {"name": self._diarizers.name, "state": state}}
        if self._aligners is not None:
            chosen = {language: self._aligners.chosen(language) for language in self._languages}
            told["aligners"] = {**chosen, "other": Attention.name}
        return told


def stages(core: CoreSettings, own: Settings, threads: int, *, aligned: bool = True) -> Stages:
    """Those of a service. aligned: words are timed anew, since the model's own times are not good enough."""
    allowed = memory.limit()
    device = core.device
    if device == "auto":  # as CTranslate2 decides for the model, where it is that library's
        import ctranslate2

        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return Stages(
        Aligners(core.models_dir, own.align_models, device) if aligned else None,
        Diarizers(core.models_dir, own, threads, device),
        {"en", *own.align_models},
        core.memory_budget or (allowed and int(allowed * SHARE)),
    )

"""The models in memory: loaded when they are first wanted, the least recently used put away for others."""

import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from stt_core import memory
from stt_core.engine import modeldir
from stt_core.engine.protocol import Capabilities, Engine
from stt_core.errors import ApiError, StartError
from stt_core.settings import Settings

log = logging.getLogger("stt")

SHARE = 0.5
"""Of the memory that the container may use, what models may take where no budget is set: the rest is for
the work itself."""
STAY = 10
"""Times as long as loading took, a model stays before it gives way to one that its requests wait beside:
changing to and fro then costs a tenth of the time at most."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine with its model, and the bytes that this takes."""

    engine: Engine
    cost: int


class ModelCache:
    """One engine for each loaded model. One thread makes every call but `costs` and `able`.

    budget: bytes that the loaded models may take together; None for any. One that takes more is kept alone.
    measured: the process's own memory tells what a model takes; else, as on a GPU, the size of its files.
    size: of a model's files in bytes.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        budget: int | None,
        size: Callable[[str], int],
        *,
        measured: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._budget = budget
        self._size = size
        self._measured = measured
        self._clock = clock
        self._loaded: dict[str, Loaded] = {}  # the least recently used first
        self._costs: dict[str, int] = {}  # of every model that was loaded once
        self._seconds: dict[str, float] = {}
        self._able: dict[str, Capabilities] = {}
        self._stays = 0.0

    @property
    def costs(self) -> Mapping[str, int]:
        """The loaded models, with the bytes that each takes."""
        return {model: loaded.cost for model, loaded in list(self._loaded.items())}

    @property
    def seconds(self) -> Mapping[str, float]:
        """How long each model took to load, the last time."""
        return dict(self._seconds)

    def able(self, model: str) -> Capabilities | None:
        """What a model can do, if it was ever loaded."""
        return self._able.get(model)

    def __contains__(self, model: str) -> bool:
        return model in self._loaded

    def put(self, model: str, engine: Engine, seconds: float, grown: int) -> None:
        """Keep a loaded engine; loading took `seconds`, and `grown` bytes of this process."""
        self._costs[model] = grown if self._measured else self._size(model)
        self._seconds[model] = seconds
        self._loaded[model] = Loaded(engine, self._costs[model])
        self._able[model] = engine.capabilities
        self._stays = self._clock() + STAY * seconds

    def welcome(self, model: str) -> bool:
        """Whether it is loaded or may be: nobody must give way, or who must has stayed long enough."""
        return model in self._loaded or not self.leaving(model) or self._clock() >= self._stays

    def get(self, model: str) -> Engine:
        """The model's engine, loaded after what is over the budget with it is put away. Raises ApiError."""
        if model not in self._loaded:
            self._load(model)
        self._loaded[model] = self._loaded.pop(model)  # now the most recently used
        return self._loaded[model].engine

    def leaving(self, model: str) -> list[str]:
        """The models that must give way to this one."""
        if self._budget is None:
            return []
        room = self._budget - (self._costs[model] if model in self._costs else self._size(model))
        leaving = []
        taken = sum(loaded.cost for loaded in self._loaded.values())
        for other, loaded in self._loaded.items():
            if taken <= room:
                break
            leaving.append(other)
            taken -= loaded.cost
        return leaving

    def _load(self, model: str) -> None:
        self._put_away(self.leaving(model))
        before, started = memory.resident(), self._clock()
        try:
            engine = self._make()
            engine.load(model)
        except Exception as error:
            known = isinstance(error, StartError)
            log.error("model %s cannot be loaded: %s", model, error, exc_info=not known)
            message = f"The model {model} cannot be loaded; the service's log says why."
            headers = {"x-should-retry": "false"}
            raise ApiError(message, param="model", code="model_not_loadable", headers=headers) from error
        seconds = self._clock() - started
        log.info("model %s loaded in %.2f s", model, seconds)
        self.put(model, engine, seconds, max(0, memory.resident() - before))

    def _put_away(self, models: Iterable[str]) -> None:
        for model in models:
            log.info("model %s unloaded, the least recently used", model)
            del self._loaded[model]
        if models:
            gc.collect()  # what an engine holds in cycles is memory that the next one needs
            memory.trim()  # and what the allocator keeps would make the next one look small


def model_cache(make: Callable[[], Engine], settings: Settings) -> ModelCache:
    """That of a service."""
    allowed = memory.limit()
    budget = settings.memory_budget or (allowed and int(allowed * SHARE))
    return ModelCache(
        make,
        budget,
        lambda model: modeldir.size(settings.models_dir, model),
        measured=settings.device == "cpu",
    )

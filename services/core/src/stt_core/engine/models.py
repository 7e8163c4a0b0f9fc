"""The models of the service, and the names under which they are known."""

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from stt_core.errors import NotFound, StartError
from stt_core.settings import Settings

ALIASES = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
)
"""Names of OpenAI's own; they mean the default model, dated ones (…-2025-12-15) too."""
DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")

OWNERS = frozenset({"", "Systran", "guillaumekln", "openai", "distil-whisper"})
"""They publish Whisper under the same short names: openai/whisper-base has the weights of
Systran/faster-whisper-base. Anybody else's may be another model, and is meant as it is written."""
SYNONYMS = {"turbo": "large-v3-turbo", "large": "large-v3"}


class ModelBody(BaseModel):
    """One model, as OpenAI's API lists it."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """GET /v1/models"""

    object: str = "list"
    data: list[ModelBody]


class Models:
    """What this service has: its default model and others, and their other names.

    aliases: name -> model or another of its names; they come before OpenAI's own. Raises StartError for
        one that names no model.
    """

    def __init__(self, default: str, others: Sequence[str] = (), aliases: Mapping[str, str] | None = None) -> None:
        self.default = default
        self.known = tuple(dict.fromkeys((default, *others)))
        self._short = {_short(name.rpartition("/")[2]): name for name in reversed(self.known)}
        self._aliases = dict.fromkeys((alias for alias in ALIASES if alias not in self.known), default)
        for alias, meant in (aliases or {}).items():
            model = self._found(meant)
            if model is None:
                raise StartError(
                    f"STT_MODEL_ALIASES: there is no model {meant!r} for {alias!r}; known are {', '.join(self.known)}."
                )
            self._aliases[alias] = model
        self.names = tuple(dict.fromkeys((*self.known, *self._aliases)))

    @classmethod
    def of(cls, settings: Settings) -> "Models":
        """Those of a service. Raises StartError."""
        return cls(settings.model, settings.models, settings.model_aliases)

    def resolve(self, name: str) -> str:
        """The model that a name means; an empty one means the default.

        Known are the models, the aliases, and a model's short names (base, openai/whisper-base). Raises
        NotFound naming the known ones.
        """
        found = self._found(name) if name else self.default
        if found is None:
            raise NotFound(
                f"The model {name[:100]!r} does not exist. Available models: {', '.join(self.names)}.",
                param="model",
                code="model_not_found",
            )
        return found

    def one(self, name: str) -> ModelBody:
        return ModelBody(id=name, owned_by=self.resolve(name).split("/")[0])

    def all(self) -> ModelList:
        return ModelList(data=[self.one(name) for name in self.names])

    def _found(self, name: str) -> str | None:
        if name in self.known:
            return name
        if name in self._aliases:
            return self._aliases[name]
        undated = DATE.sub("", name)
        if undated in ALIASES:
            return self._aliases.get(undated)
        owner, _, bare = name.rpartition("/")
        return self._short.get(_short(bare)) if owner in OWNERS else None


def _short(bare: str) -> str:
    """faster-whisper-base is `base`; faster-distil-whisper-small.en is `distil-small.en`."""
    short = re.sub(r"^faster-|whisper-|-ct2$", "", bare.lower())
    return SYNONYMS.get(short, short)
